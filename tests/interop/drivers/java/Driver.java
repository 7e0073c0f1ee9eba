import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The Java client behind the protocol of harness/drivers.py. */
public final class Driver {
    private static final long SECONDS = 60;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<String, Member> members = new HashMap<>();
    private final Map<String, ShareMember> shareMembers = new HashMap<>();
    private final Map<String, KafkaProducer<String, String>> producers = new HashMap<>();
    private String bootstrap;
    private Admin admin;

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        BufferedReader commands =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Driver driver = new Driver();
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            Map<String, Object> answer = new HashMap<>();
            try {
                answer.put("result", driver.run(JSON.readTree(line)));
            } catch (ExecutionException failed) {
                answer.put("error", failed.getCause().toString());
            } catch (Exception failed) {
                answer.put("error", failed.toString());
            }
            answers.println(JSON.writeValueAsString(answer));
            answers.flush();
        }
        System.exit(0);
    }

    private Object run(JsonNode c) throws Exception {
        return switch (c.get("op").asText()) {
            case "abilities" -> Map.of(
                "codecs", List.of("none", "gzip", "snappy", "lz4", "zstd"),
                "can", List.of("groups", "static", "cooperative", "idempotent", "configs",
                    "delete_records", "list_offsets", "partitions", "group_admin", "headers",
                    "partitioner", "transactions", "consumer_protocol", "regex", "share"));
            case "connect" -> connect(c);
            case "create_topic" -> wait(admin.createTopics(List.of(
                new NewTopic(text(c, "topic"), c.get("partitions").asInt(),
                    (short) c.path("replication").asInt(1))
                    .configs(strings(c.path("configs"))))).all());
            case "list_topics" -> wait(admin.listTopics().names());
            case "create_partitions" -> wait(admin.createPartitions(Map.of(
                text(c, "topic"), NewPartitions.increaseTo(c.get("total").asInt()))).all());
            case "delete_topic" -> wait(admin.deleteTopics(List.of(text(c, "topic"))).all());
            case "produce" -> produce(c);
            case "begin" -> begin(c);
            case "write" -> write(c);
            case "end" -> end(c);
            case "read" -> read(c);
            case "copy" -> copy(c);
            case "rate" -> rate(c);
            case "join" -> join(c);
            case "assignment" -> members.get(text(c, "member")).assignment();
            case "received" -> members.get(text(c, "member")).received();
            case "commit" -> members.get(text(c, "member")).commit();
            case "leave" -> members.remove(text(c, "member")).leave();
            case "share_join" -> shareMembers.put(
                text(c, "member"), new ShareMember(properties(), c)) == null;
            case "share_received" -> shareMembers.get(text(c, "member")).received();
            case "share_refused" -> shareMembers.get(text(c, "member")).refused();
            case "share_leave" -> shareMembers.remove(text(c, "member")).leave();
            case "committed" -> committed(c);
            case "describe_configs" -> describeConfigs(c);
            case "alter_configs" -> alterConfigs(c);
            case "delete_records" -> wait(admin.deleteRecords(Map.of(partition(c),
                RecordsToDelete.beforeOffset(c.get("before").asLong())))
                .lowWatermarks().get(partition(c))).lowWatermark();
            case "list_offsets" -> wait(admin.listOffsets(Map.of(partition(c), spec(c)))
                .partitionResult(partition(c))).offset();
            case "list_groups" -> wait(admin.listGroups(new ListGroupsOptions()).all())
                .stream().map(GroupListing::groupId).toList();
            case "describe_group" -> describeGroup(c);
            case "delete_group" -> wait(
                admin.deleteConsumerGroups(List.of(text(c, "group"))).all());
            case "move_replica" -> wait(admin.alterReplicaLogDirs(
                Map.of(replica(c), text(c, "path"))).all());
            case "replica_places" -> places(c);
            default -> throw new IllegalArgumentException("unknown op " + c.get("op"));
        };
    }

    private static <T> T wait(Future<T> future) throws Exception {
        return future.get(SECONDS, TimeUnit.SECONDS);
    }

    private static String text(JsonNode command, String name) {
        return command.get(name).asText();
    }

    private static Map<String, String> strings(JsonNode node) {
        Map<String, String> out = new HashMap<>();
        node.fields().forEachRemaining(one -> out.put(one.getKey(), one.getValue().asText()));
        return out;
    }

    private static TopicPartition partition(JsonNode c) {
        return new TopicPartition(text(c, "topic"), c.get("partition").asInt());
    }

    private static TopicPartitionReplica replica(JsonNode c) {
        return new TopicPartitionReplica(
            text(c, "topic"), c.get("partition").asInt(), c.get("broker").asInt());
    }

    private Object places(JsonNode c) throws Exception {
        var info = wait(admin.describeReplicaLogDirs(List.of(replica(c))).values().get(replica(c)));
        return Arrays.asList(info.getCurrentReplicaLogDir(), info.getFutureReplicaLogDir());
    }

    private static OffsetSpec spec(JsonNode c) {
        return switch (text(c, "spec")) {
            case "earliest" -> OffsetSpec.earliest();
            case "latest" -> OffsetSpec.latest();
            default -> OffsetSpec.forTimestamp(c.get("spec").asLong());
        };
    }

    private Object connect(JsonNode c) {
        bootstrap = text(c, "bootstrap");
        if (admin != null) {
            admin.close(Duration.ZERO);
        }
        admin = Admin.create(properties());
        return true;
    }

    private Properties properties() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("reconnect.backoff.max.ms", "200");
        return properties;
    }

    private Object produce(JsonNode c) throws Exception {
        Properties properties = properties();
        properties.put("compression.type", text(c, "codec"));
        properties.put("enable.idempotence", c.path("idempotent").asBoolean(true));
        properties.put("acks", "all");
        properties.put("linger.ms", "5");
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        List<List<Long>> placed = new ArrayList<>();
        try (var producer = new KafkaProducer<>(
                properties, new StringSerializer(), new StringSerializer())) {
            for (JsonNode record : c.get("records")) {
                Integer where = c.path("partition").isInt() ? c.get("partition").asInt() : null;
                var made = new ProducerRecord<>(
                    text(c, "topic"), where, text(record, "key"), text(record, "value"));
                strings(record.path("headers")).forEach((name, value) ->
                    made.headers().add(name, value.getBytes(StandardCharsets.UTF_8)));
                sent.add(producer.send(made));
            }
            for (Future<RecordMetadata> one : sent) {
                RecordMetadata done = wait(one);
                placed.add(List.of((long) done.partition(), done.offset()));
            }
        }
        return placed;
    }

    private KafkaProducer<String, String> transactional(JsonNode c) {
        Properties properties = properties();
        properties.put("transactional.id", text(c, "transactional_id"));
        var producer = new KafkaProducer<>(
            properties, new StringSerializer(), new StringSerializer());
        producer.initTransactions();
        return producer;
    }

    /** Begins a transaction; a producer of a new name fences those before. */
    private Object begin(JsonNode c) {
        producers.computeIfAbsent(text(c, "producer"), name -> transactional(c))
            .beginTransaction();
        return true;
    }

    private Object write(JsonNode c) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode record : c.get("records")) {
            Integer where = c.path("partition").isInt() ? c.get("partition").asInt() : null;
            sent.add(producers.get(text(c, "producer")).send(new ProducerRecord<>(
                text(c, "topic"), where, text(record, "key"), text(record, "value"))));
        }
        for (Future<RecordMetadata> one : sent) {
            wait(one);
        }
        return true;
    }

    private Object end(JsonNode c) {
        if (c.get("commit").asBoolean()) {
            producers.get(text(c, "producer")).commitTransaction();
        } else {
            producers.get(text(c, "producer")).abortTransaction();
        }
        return true;
    }

    /** Small transactions, one after the other, for so many seconds. */
    private Object rate(JsonNode c) {
        int partitions = c.get("partitions").asInt();
        List<Long> nanos = new ArrayList<>();
        try (var producer = transactional(c)) {
            long end = System.nanoTime() + c.get("seconds").asLong() * 1_000_000_000L;
            while (System.nanoTime() < end) {
                producer.beginTransaction();
                for (int i = 0; i < c.get("records").asInt(); ++i) {
                    producer.send(new ProducerRecord<>(
                        text(c, "topic"), i % partitions, "key", "a value of some length"));
                }
                long began = System.nanoTime();
                producer.commitTransaction();
                nanos.add(System.nanoTime() - began);
            }
        }
        nanos.sort(null);
        return Map.of("transactions", nanos.size(),
            "p50_ms", nanos.get(nanos.size() / 2) / 1e6,
            "p99_ms", nanos.get(nanos.size() * 99 / 100) / 1e6);
    }

    private Properties reading(boolean committed) {
        Properties properties = properties();
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "earliest");
        properties.put("isolation.level", committed ? "read_committed" : "read_uncommitted");
        return properties;
    }

    /** Values in the order of each partition, up to where it ends now. */
    private Object read(JsonNode c) {
        List<TopicPartition> all = new ArrayList<>();
        List<List<String>> found = new ArrayList<>();
        for (int i = 0; i < c.get("partitions").asInt(); ++i) {
            all.add(new TopicPartition(text(c, "topic"), i));
            found.add(new ArrayList<>());
        }
        try (var consumer = new KafkaConsumer<>(reading(c.get("committed").asBoolean()),
                new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(all);
            consumer.seekToBeginning(all);
            var ends = consumer.endOffsets(all);
            while (all.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
                for (var one : consumer.poll(Duration.ofMillis(200))) {
                    found.get(one.partition()).add(one.value());
                }
            }
        }
        return found;
    }

    /** Exactly once, until nothing more comes for so many seconds. */
    private Object copy(JsonNode c) {
        Properties properties = reading(true);
        properties.put("group.id", text(c, "group"));
        properties.put("session.timeout.ms", "10000");
        long idle = c.get("idle").asLong() * 1000;
        try (var producer = transactional(c); var consumer = new KafkaConsumer<>(
                properties, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(text(c, "source")));
            long last = System.currentTimeMillis();
            while (System.currentTimeMillis() - last < idle) {
                var batch = consumer.poll(Duration.ofMillis(200));
                if (batch.isEmpty()) {
                    continue;
                }
                last = System.currentTimeMillis();
                copyOne(producer, consumer, batch, text(c, "target"));
            }
        }
        return true;
    }

    private static void copyOne(KafkaProducer<String, String> producer,
            KafkaConsumer<String, String> consumer, ConsumerRecords<String, String> batch,
            String target) {
        try {
            producer.beginTransaction();
            batch.forEach(one -> producer.send(
                new ProducerRecord<>(target, one.key(), one.value())));
            producer.sendOffsetsToTransaction(batch.nextOffsets(), consumer.groupMetadata());
            producer.commitTransaction();
        } catch (ProducerFencedException | InvalidProducerEpochException fenced) {
            throw fenced;
        } catch (KafkaException failed) {
            producer.abortTransaction();
            consumer.committed(consumer.assignment()).forEach((where, offset) ->
                consumer.seek(where, offset == null ? 0 : offset.offset()));
        }
    }

    private Object join(JsonNode c) {
        Properties properties = properties();
        properties.put("group.id", text(c, "group"));
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        if (c.path("protocol").asText("classic").equals("consumer")) {
            properties.put("group.protocol", "consumer");
        } else {
            properties.put("session.timeout.ms", "10000");
            properties.put("heartbeat.interval.ms", "300");
            properties.put("partition.assignment.strategy", c.path("cooperative").asBoolean()
                ? CooperativeStickyAssignor.class.getName() : RangeAssignor.class.getName());
        }
        if (c.path("instance").isTextual()) {
            properties.put("group.instance.id", text(c, "instance"));
        }
        members.put(text(c, "member"), new Member(
            properties, text(c, "topic"), c.path("regex").asBoolean()));
        return true;
    }

    private Object committed(JsonNode c) throws Exception {
        Map<String, Long> out = new HashMap<>();
        wait(admin.listConsumerGroupOffsets(text(c, "group")).partitionsToOffsetAndMetadata())
            .forEach((where, offset) -> out.put(where.toString(), offset.offset()));
        return out;
    }

    private Object describeConfigs(JsonNode c) throws Exception {
        var topic = new ConfigResource(ConfigResource.Type.TOPIC, text(c, "topic"));
        Map<String, String> out = new HashMap<>();
        wait(admin.describeConfigs(List.of(topic)).all()).get(topic).entries()
            .forEach(entry -> out.put(entry.name(), entry.value()));
        return out;
    }

    private Object alterConfigs(JsonNode c) throws Exception {
        var topic = new ConfigResource(ConfigResource.Type.TOPIC, text(c, "topic"));
        Collection<AlterConfigOp> steps = new ArrayList<>();
        strings(c.path("set")).forEach((name, value) -> steps.add(
            new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET)));
        c.path("delete").forEach(name -> steps.add(new AlterConfigOp(
            new ConfigEntry(name.asText(), null), AlterConfigOp.OpType.DELETE)));
        return wait(admin.incrementalAlterConfigs(Map.of(topic, steps)).all());
    }

    private Object describeGroup(JsonNode c) throws Exception {
        var group = wait(admin.describeConsumerGroups(List.of(text(c, "group"))).all())
            .get(text(c, "group"));
        return Map.of("state", group.groupState().toString(), "members", group.members().size());
    }

    /** A consumer with the thread that polls it. */
    private static final class Member {
        private record Call(boolean commit, CompletableFuture<Object> done) { }

        private final ConcurrentLinkedQueue<Call> calls = new ConcurrentLinkedQueue<>();
        private final ConcurrentLinkedQueue<List<Object>> received = new ConcurrentLinkedQueue<>();
        private final Thread thread;
        private volatile TreeSet<String> assignment = new TreeSet<>();

        Member(Properties properties, String topic, boolean regex) {
            thread = new Thread(() -> poll(properties, topic, regex));
            thread.start();
        }

        private void poll(Properties properties, String topic, boolean regex) {
            Call last = null;
            try (var consumer = new KafkaConsumer<>(
                    properties, new StringDeserializer(), new StringDeserializer())) {
                if (regex) {
                    consumer.subscribe(new SubscriptionPattern(topic));
                } else {
                    consumer.subscribe(List.of(topic));
                }
                while (last == null) {
                    for (ConsumerRecord<String, String> one : consumer.poll(
                            Duration.ofMillis(50))) {
                        received.add(List.of(one.topic(), one.partition(), one.offset(), one.key(),
                            one.value(), headers(one)));
                    }
                    TreeSet<String> held = new TreeSet<>();
                    consumer.assignment().forEach(where -> held.add(where.toString()));
                    assignment = held;
                    for (Call call = calls.poll(); call != null; call = calls.poll()) {
                        if (call.commit()) {
                            answer(call, consumer::commitSync);
                        } else {
                            last = call;
                        }
                    }
                }
            } catch (Exception failed) {
                failed.printStackTrace();
            }
            if (last != null) {
                last.done().complete(true);
            }
        }

        private static void answer(Call call, Runnable work) {
            try {
                work.run();
                call.done().complete(true);
            } catch (RuntimeException failed) {
                call.done().completeExceptionally(failed);
            }
        }

        private static Map<String, String> headers(ConsumerRecord<String, String> record) {
            Map<String, String> out = new HashMap<>();
            record.headers().forEach(one ->
                out.put(one.key(), new String(one.value(), StandardCharsets.UTF_8)));
            return out;
        }

        Object assignment() {
            return assignment;
        }

        Object received() {
            return new ArrayList<>(received);
        }

        Object commit() throws Exception {
            return ask(true);
        }

        Object leave() throws Exception {
            Object done = ask(false);
            thread.join();
            return done;
        }

        private Object ask(boolean commit) throws Exception {
            CompletableFuture<Object> done = new CompletableFuture<>();
            calls.add(new Call(commit, done));
            return Driver.wait(done);
        }
    }
}
