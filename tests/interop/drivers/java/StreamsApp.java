import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * A process of a Kafka Streams application: revenue per product of a stream of orders
 * ("product,price,quantity"), exactly once. It repartitions by product and keeps its sums in a
 * store with a changelog. Arguments: source topic, target topic, properties as "key=value". It
 * prints its states, and ends when its input does.
 */
public final class StreamsApp {
    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        for (int i = 2; i < args.length; ++i) {
            String[] each = args[i].split("=", 2);
            properties.put(each[0], each[1]);
        }
        properties.put("default.key.serde", Serdes.StringSerde.class);
        properties.put("default.value.serde", Serdes.StringSerde.class);
        properties.put("processing.guarantee", "exactly_once_v2");

        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(args[0])
            .map((id, order) -> {
                String[] parts = order.split(",");
                long revenue = Long.parseLong(parts[1]) * Long.parseLong(parts[2]);
                return KeyValue.pair(parts[0], Long.toString(revenue));
            })
            .groupByKey(Grouped.as("by-product"))
            .aggregate(() -> "0",
                (product, revenue, sum) ->
                    Long.toString(Long.parseLong(sum) + Long.parseLong(revenue)),
                Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as("revenue"))
            .toStream()
            .mapValues((product, sum) -> product + "=" + sum)
            .to(args[1]);

        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        streams.setStateListener((now, before) -> {
            System.out.println("state " + now);
            System.out.flush();
        });
        streams.setUncaughtExceptionHandler(error -> {
            System.out.println("failed " + error);
            System.out.flush();
            return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.start();
        while (System.in.read() >= 0) {
            continue;
        }
        streams.close(Duration.ofSeconds(30));
        System.exit(0);
    }
}
