// Writes configs.tsv: the keys of Apache Kafka's clients, as its own classes declare them.
//
//   java -cp kafka-clients-4.3.1.jar:slf4j-api.jar Record.java > configs.tsv

import java.util.TreeMap;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;

public class Record {
    public static void main(String[] arguments) {
        System.out.println("client\tname\ttype\tdefault\tvalid\timportance");
        record("admin", AdminClientConfig.configDef());
        record("consumer", ConsumerConfig.configDef());
        record("producer", ProducerConfig.configDef());
    }

    private static void record(String client, ConfigDef keys) {
        for (ConfigDef.ConfigKey key : new TreeMap<>(keys.configKeys()).values()) {
            String valid = key.validator == null ? "" : key.validator.toString();
            System.out.println(String.join("\t", client, key.name, key.type.toString(),
                textOf(key), valid, key.importance.toString().toLowerCase()));
        }
    }

    private static String textOf(ConfigDef.ConfigKey key) {
        if (!key.hasDefault()) return "(required)";
        if (key.defaultValue == null) return "null";
        String text = ConfigDef.convertToString(key.defaultValue, key.type).replace("class ", "");
        return text.isEmpty() ? "\"\"" : text;
    }
}
