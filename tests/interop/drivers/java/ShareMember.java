import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A member of a share group with the thread that polls it. What it does with a record the value
 * says: "reject…" is rejected, "release…" is released until its third delivery, "poison…" always;
 * others are accepted. A member that holds polls until it has something, and then nothing more.
 */
final class ShareMember {
    private static final int RELEASES = 2;

    private final ConcurrentLinkedQueue<List<Object>> received = new ConcurrentLinkedQueue<>();
    private final ConcurrentLinkedQueue<String> refused = new ConcurrentLinkedQueue<>();
    private final Thread thread;
    private volatile boolean over = false;
    private volatile Exception failed;

    ShareMember(Properties properties, JsonNode c) {
        properties.put("group.id", c.get("group").asText());
        properties.put("share.acknowledgement.mode", c.path("mode").asText("implicit"));
        properties.put("max.poll.records", c.path("records").asText("500"));
        String topic = c.get("topic").asText();
        boolean holds = c.path("holds").asBoolean();
        boolean explicit = c.path("mode").asText("implicit").equals("explicit");
        thread = new Thread(() -> poll(properties, topic, explicit, holds));
        thread.start();
    }

    private void poll(Properties properties, String topic, boolean explicit, boolean holds) {
        try (var consumer = new KafkaShareConsumer<>(
                properties, new StringDeserializer(), new StringDeserializer())) {
            consumer.setAcknowledgementCommitCallback((offsets, error) -> {
                if (error != null) {
                    refused.add(error.toString());
                }
            });
            consumer.subscribe(List.of(topic));
            while (!over) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(100));
                for (ConsumerRecord<String, String> one : records) {
                    received.add(List.of(one.topic(), one.partition(), one.offset(), one.key(),
                        one.value(), (int) one.deliveryCount().orElse((short) 0)));
                    if (explicit && !holds) {
                        consumer.acknowledge(one, answer(one));
                    }
                }
                while (holds && !over && !records.isEmpty()) {
                    Thread.sleep(50);
                }
                if (explicit && !holds) {
                    consumer.commitSync();
                }
            }
        } catch (Exception why) {
            failed = why;
        }
    }

    private static AcknowledgeType answer(ConsumerRecord<String, String> record) {
        if (record.value().startsWith("reject")) {
            return AcknowledgeType.REJECT;
        }
        boolean releases = record.value().startsWith("poison")
            || record.value().startsWith("release") && record.deliveryCount().get() <= RELEASES;
        return releases ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT;
    }

    /** All since it joined: topic, partition, offset, key, value, delivery count. */
    Object received() throws Exception {
        if (failed != null) {
            throw failed;
        }
        return received;
    }

    Object refused() {
        return refused;
    }

    Object leave() throws Exception {
        over = true;
        thread.join();
        if (failed != null) {
            throw failed;
        }
        return true;
    }
}
