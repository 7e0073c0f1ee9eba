// Writes the tables of this folder: what Apache Kafka's and Java's own classes make of the cases
// below. Run with the jars of Kafka on the class path, in this folder: java -cp '.../libs/*'
// Record.java

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import kafka.server.KafkaConfig;
import org.apache.kafka.coordinator.group.GroupConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.metrics.ClientMetricsConfigs;
import org.apache.kafka.storage.internals.log.LogConfig;

public class Record {
    static String escape(String text) {
        StringBuilder out = new StringBuilder();
        for (char c : text.toCharArray()) {
            if (c < 32 || c == '%' || c == '|' || c == '~' || c > 126)
                out.append(String.format("%%%04x", (int) c));
            else
                out.append(c);
        }
        return out.toString();
    }

    static void write(String name, String header, List<String> lines) throws IOException {
        Files.writeString(Path.of(name), header + "\n" + String.join("\n", lines) + "\n");
    }

    // --- java.util.Properties -------------------------------------------------------------------
    static void properties() throws IOException {
        List<String> inputs = new ArrayList<>(List.of("", "\n", "a", "a=b", "a = b", "a:b", "a b",
            "a\tb", "a\fb", " a=b", "\t\f a=b", "a=b ", "a=b\t", "a==b", "a=:b", "a:=b", "a  =  b",
            "a  b=c", "a b:c", "=b", ":b", " = b", "a=", "a:", "#a=b", "!a=b", "  #a=b\nc=d",
            "a=b#c", "a=#b", "a=b\nc=d", "a=b\r\nc=d", "a=b\rc=d", "a=b\n\n\nc=d", "a=b\\\nc",
            "a=b\\\n   c", "a=b\\\r\n   c", "a=b\\\n\nc=d", "a=b\\\n#c\nd=e", "a\\\nb=c", "a\\=b=c",
            "a\\:b=c", "a\\ b=c", "a=b\\tc", "a=b\\nc", "a=\\rb", "a=\\fb", "a=b\\\\c",
            "a=b\\\\\nc=d", "a=b\\\\\\\nc=d", "a=\\q", "a=b\\", "a\\", "\\", "a=\\u0041",
            "a=\\u00e4", "a=\\u20ac", "a=\\ud83d\\ude00", "\\u0061=b", "a=\\u004", "a=\\u00zz",
            "a=\\u", "\\u00=b", "a=\\U0041", "a=1\na=2", "a=b\\  c", "a=\\ b", "a=\\=b",
            "#c\\\na=b", "# only\n! comments", "a=b\\\n  \nc=d", "a:\\\n  b", "a = \\\n b \\\n c",
            "\fa=b", "a\f=\fb",
            "log.dirs=/tmp/a,/tmp/b\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\n"));
        String alphabet = "ab=: \t\\\n\r#!fu0041n";
        Random random = new Random(20240607);
        for (int i = 0; i < 400; i++) {
            StringBuilder text = new StringBuilder();
            int size = 1 + random.nextInt(14);
            for (int j = 0; j < size; j++)
                text.append(alphabet.charAt(random.nextInt(alphabet.length())));
            inputs.add(text.toString());
        }
        List<String> lines = new ArrayList<>();
        for (String input : inputs) {
            String expected;
            try {
                Properties properties = new Properties();
                properties.load(
                    new ByteArrayInputStream(input.getBytes(StandardCharsets.ISO_8859_1)));
                StringJoiner joined = new StringJoiner("|");
                for (String key : new TreeSet<>(properties.stringPropertyNames()))
                    joined.add(escape(key) + "~" + escape(properties.getProperty(key)));
                expected = joined.toString();
            } catch (IllegalArgumentException e) {
                expected = "malformed";
            }
            lines.add(escape(input) + "\t" + expected);
        }
        write("properties.tsv", "text\tread", lines);
    }

    // --- a broker's file ------------------------------------------------------------------------
    static final String COMBINED =
        "process.roles=broker,controller;node.id=1;controller.listener.names=CONTROLLER;"
        + "controller.quorum.voters=1@localhost:9093;listeners=PLAINTEXT://:9092,CONTROLLER://"
          + ":9093";
    static final String BROKER =
        "process.roles=broker;node.id=2;controller.listener.names=CONTROLLER;"
        + "controller.quorum.voters=1@localhost:9093";
    static final String CONTROLLER =
        "process.roles=controller;node.id=1;controller.listener.names=CONTROLLER;"
        + "controller.quorum.voters=1@localhost:9093;listeners=CONTROLLER://:9093";

    static Map<String, String> parse(String text) {
        Map<String, String> map = new LinkedHashMap<>();
        for (String pair : text.split(";")) {
            if (pair.isEmpty())
                continue;
            int equals = pair.indexOf('=');
            if (equals < 0)
                map.remove(pair.substring(1));
            else
                map.put(pair.substring(0, equals), pair.substring(equals + 1));
        }
        return map;
    }

    static String endpoints(scala.collection.Seq<org.apache.kafka.common.Endpoint> all) {
        StringJoiner out = new StringJoiner(",");
        scala.jdk.javaapi.CollectionConverters.asJava(all).forEach(e
            -> out.add(e.listener() + "/" + e.securityProtocol() + "/"
                + (e.host() == null ? "" : e.host()) + "/" + e.port()));
        return out.toString();
    }

    static void brokers() throws IOException {
        String[] changes = {"", "!node.id", "!process.roles", "!controller.listener.names",
            "!controller.quorum.voters",
            "!controller.quorum.voters;controller.quorum.bootstrap.servers=localhost:9093",
            "node.id=-1", "node.id=x", "broker.id=1", "broker.id=7", "!node.id;broker.id=1",
            "process.roles=", "process.roles=broker,broker", "process.roles=leader",
            "process.roles=controller,broker", "node.id=3", "controller.quorum.voters=1@:9093",
            "controller.quorum.voters=1@localhost", "controller.quorum.voters=a@localhost:9093",
            "controller.quorum.voters=1@localhost:9093,2@localhost:9094",
            "controller.quorum.bootstrap.servers=localhost",
            "controller.quorum.bootstrap.servers=a b:9093",
            "controller.quorum.voters=1@0.0.0.0:9093", "listeners=PLAINTEXT://:9092",
            "listeners=CONTROLLER://:9093", "listeners=PLAINTEXT://:9092,CONTROLLER://:9092",
            "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://[::1]:9092",
            "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.2:9092",
            "listeners=PLAINTEXT://:0,CONTROLLER://:0",
            "listeners=PLAINTEXT://:9092,PLAINTEXT://:9094,CONTROLLER://:9093",
            "listeners=plaintext://:9092,controller://:9093",
            "listeners=PLAINTEXT://host,CONTROLLER://:9093",
            "listeners=PLAINTEXT:9092,CONTROLLER://:9093",
            "listeners=INTERNAL://:9092,CONTROLLER://:9093",
            "listeners=INTERNAL://:9092,CONTROLLER://"
            + ":9093;listener.security.protocol.map=INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "listeners=INTERNAL://:9092,CONTROLLER://"
            + ":9093;listener.security.protocol.map=INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT;inter."
            + "broker.listener.name=INTERNAL",
            "listeners=INTERNAL://:9092,CONTROLLER://"
            + ":9093;listener.security.protocol.map=INTERNAL:PLAINTEXT;inter.broker.listener.name="
            + "INTERNAL",
            "listeners=SSL://:9092,CONTROLLER://:9093",
            "listeners=SSL://:9092,CONTROLLER://:9093;security.inter.broker.protocol=SSL",
            "listeners=PLAINTEXT://:9092,SSL://:9094,CONTROLLER://"
            + ":9093;listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,CONTROLLER:"
            + "PLAINTEXT",
            "listener.security.protocol.map=PLAINTEXT:NOPE,CONTROLLER:PLAINTEXT",
            "listener.security.protocol.map=PLAINTEXT:plaintext,controller:PLAINTEXT",
            "inter.broker.listener.name=PLAINTEXT", "inter.broker.listener.name=plaintext",
            "inter.broker.listener.name=OTHER", "inter.broker.listener.name=CONTROLLER",
            "inter.broker.listener.name=PLAINTEXT;security.inter.broker.protocol=PLAINTEXT",
            "security.inter.broker.protocol=SSL", "security.inter.broker.protocol=NOPE",
            "advertised.listeners=PLAINTEXT://broker.example.com:9092",
            "advertised.listeners=PLAINTEXT://0.0.0.0:9092",
            "listeners=PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093",
            "listeners=PLAINTEXT://:9092,CONTROLLER://0.0.0.0:9093",
            "listeners=PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093;advertised.listeners=PLAINTEXT:/"
            + "/localhost:9092",
            "advertised.listeners=PLAINTEXT://a:9092,CONTROLLER://b:9093",
            "advertised.listeners=CONTROLLER://b:9093", "advertised.listeners=OTHER://b:9093",
            "advertised.listeners=PLAINTEXT://a:9092,PLAINTEXT://b:9092",
            "advertised.listeners=", "advertised.listeners=SSL://a:9092",
            "controller.listener.names=", "controller.listener.names=OTHER",
            "controller.listener.names=CONTROLLER,OTHER", "controller.listener.names=PLAINTEXT",
            "controller.listener.names=controller", "log.dirs=", "log.dirs=/a,/b", "log.dirs=/a,/a",
            "log.dirs=/a,,/b", "log.dir=/a", "log.dir=", "metadata.log.dir=/m",
            "cordoned.log.dirs=*", "cordoned.log.dirs=/x", "log.dirs=/a,/b;cordoned.log.dirs=/b",
            "log.dirs=/a;cordoned.log.dirs=*,/a", "log.retention.ms=0", "log.retention.ms=-1",
            "log.retention.ms=-5", "log.retention.hours=0", "log.retention.hours=-1",
            "log.retention.minutes=0", "log.retention.minutes=5;log.retention.hours=1",
            "log.roll.ms=0", "log.roll.hours=0", "log.roll.jitter.ms=-1",
            "log.segment.bytes=1048575", "log.segment.bytes=1048576", "log.segment.bytes=1k",
            "log.cleaner.dedupe.buffer.size=1048576", "log.cleaner.dedupe.buffer.size=1048577",
            "log.cleaner.threads=200",
            "log.cleaner.min.compaction.lag.ms=5;log.cleaner.max.compaction.lag.ms=4",
            "replica.fetch.wait.max.ms=30001", "replica.socket.timeout.ms=499",
            "replica.lag.time.max.ms=499", "queued.max.request.bytes=5",
            "queued.max.request.bytes=104857600", "max.connections.per.ip=0",
            "max.connections.per.ip=0;max.connections.per.ip.overrides=127.0.0.1:5",
            "connection.failed.authentication.delay.ms=600000", "connections.max.idle.ms=-1",
            "compression.type=gzip", "compression.type=lzma", "compression.gzip.level=0",
            "compression.gzip.level=-1", "compression.gzip.level=9",
            "compression.zstd.level=-131072", "auto.create.topics.enable=TRUE",
            "auto.create.topics.enable=yes", "num.partitions= 3 ", "num.partitions=+3",
            "num.partitions=0", "num.partitions=3.0", "num.partitions=99999999999",
            "log.cleaner.min.cleanable.ratio=1", "log.cleaner.min.cleanable.ratio=1.1",
            "log.cleaner.min.cleanable.ratio=1e-3",
            "log.cleanup.policy=", "log.cleanup.policy=compact,delete",
            "log.cleanup.policy=delete,delete", "log.cleanup.policy=nothing",
            "log.message.timestamp.type=createtime", "offsets.topic.replication.factor=40000",
            "group.consumer.heartbeat.interval.ms=4000",
            "group.consumer.heartbeat.interval.ms=15001", "group.consumer.session.timeout.ms=5000",
            "group.consumer.session.timeout.ms=44999",
            "group.consumer.min.session.timeout.ms=4000;group.consumer.session.timeout.ms=5000",
            "group.share.delivery.count.limit=11",
            "group.share.max.delivery.count.limit=20;group.share.delivery.count.limit=10",
            "group.streams.num.standby.replicas=3",
            "group.coordinator.rebalance.protocols=consumer",
            "group.coordinator.rebalance.protocols=classic,nope",
            "group.consumer.migration.policy=upgrade", "group.consumer.migration.policy=sideways",
            "group.share.assignors=", "early.start.listeners=PLAINTEXT",
            "early.start.listeners=OTHER", "controller.quorum.auto.join.enable=true",
            "remote.log.storage.manager.impl.prefix=",
            "listener.name.plaintext.num.network.threads=5", "unknown.key=5",
            "ssl.client.auth=maybe"};
        List<String> lines = new ArrayList<>();
        for (String base : new String[] {COMBINED, BROKER, CONTROLLER}) {
            for (String change : changes) {
                Map<String, String> properties = parse(base);
                for (String pair : change.split(";")) {
                    if (pair.startsWith("!"))
                        properties.remove(pair.substring(1));
                    else
                        properties.putAll(parse(pair));
                }
                StringJoiner text = new StringJoiner(";");
                properties.forEach((key, value) -> text.add(key + "=" + value));
                String verdict;
                try {
                    KafkaConfig config = new KafkaConfig(properties, false);
                    verdict = "ok\t" + endpoints(config.dataPlaneListeners()) + " "
                        + endpoints(config.controllerListeners()) + " "
                        + endpoints(config.effectiveAdvertisedBrokerListeners()) + " "
                        + endpoints(config.effectiveAdvertisedControllerListeners()) + " "
                        + config.interBrokerListenerName().value() + " "
                        + config.interBrokerSecurityProtocol() + " "
                        + String.join(",", config.logDirs()) + " " + config.metadataLogDir() + " "
                        + config.logRetentionTimeMillis();
                } catch (Throwable e) {
                    verdict = "refused\t";
                }
                lines.add(text + "\t" + verdict);
            }
        }
        write("broker_files.tsv", "properties\tverdict\tderived", lines);
    }

    // --- single values --------------------------------------------------------------------------
    interface Check {
        String run(Map<String, String> one) throws Exception;
    }

    static String verdict(Check check, String name, String value) {
        try {
            return "ok\t" + check.run(Map.of(name, value));
        } catch (Throwable e) {
            return "refused\t";
        }
    }

    static void values() throws Exception {
        String[] candidates = {"", "0", "1", "-1", "-2", "-3", "5", "10", "100", "999", "1000",
            "10000", "45000", "1048576", "3600000", "3600001", "2147483648", "9223372036854775808",
            "0.5", "1.5", "1e-2", "12345678.9", " 7 ", "abc", "true", "False", "compact", "delete",
            "delete,compact", "delete,delete", "gzip", "none", "CreateTime", "logappendtime",
            "latest", "by_duration:PT1H", "by_duration:-PT1H", "by_duration:P1DT2H3M4.5S",
            "by_duration:PT", "by_duration:P1H", "by_duration:1h", "1:2", "1:2,3:4", "*", "*,1:2",
            "1:a", "client_id=a.*", "client_id=(", "x=y", "client_id=a,client_source_port=[0-9]+",
            "read_committed", "org.apache.kafka.x."};
        Map<String, String> plain = parse(COMBINED);
        KafkaConfig config = new KafkaConfig(plain, false);
        List<String> lines = new ArrayList<>();
        for (String name : new TreeSet<>(LogConfig.configNames()))
            for (String value : candidates)
                lines.add("topic\t" + name + "\t" + escape(value) + "\t" + verdict(one -> {
                    LogConfig.validate(Map.of(), one, config.extractLogConfigMap(), false);
                    Object parsed = org.apache.kafka.common.config.ConfigDef.parseType(
                        name, one.get(name), LogConfig.configType(name).get());
                    return org.apache.kafka.common.config.ConfigDef.convertToString(
                        parsed, LogConfig.configType(name).get());
                }, name, value));
        for (String name : new TreeSet<>(GroupConfig.configNames()))
            for (String value : candidates)
                lines.add("group\t" + name + "\t" + escape(value) + "\t" + verdict(one -> {
                    GroupConfig.validate(
                        one, config.groupCoordinatorConfig(), config.shareGroupConfig());
                    return one.get(name).trim();
                }, name, value));
        for (String name : new TreeSet<>(ClientMetricsConfigs.names()))
            for (String value : candidates)
                lines.add("client-metrics\t" + name + "\t" + escape(value) + "\t" + verdict(one -> {
                    ClientMetricsConfigs.validate("s", one);
                    return one.get(name).trim();
                }, name, value));
        var defaults = KafkaConfig.configDef();
        for (var key : new TreeMap<>(defaults.configKeys()).values()) {
            String value = key.defaultValue == null
                    || key.defaultValue == org.apache.kafka.common.config.ConfigDef.NO_DEFAULT_VALUE
                ? "1"
                : org.apache.kafka.common.config.ConfigDef.convertToString(
                      key.defaultValue, key.type);
            for (boolean one : new boolean[] {true, false})
                for (String prefix : new String[] {"", "listener.name.plaintext."})
                    lines.add((one ? "broker" : "all-brokers") + "\t" + prefix + key.name + "\t"
                        + escape(value) + "\t" + verdict(map -> {
                              Properties properties = new Properties();
                              properties.putAll(map);
                              DynamicBrokerConfig.validateConfigs(properties, one);
                              return "";
                          }, prefix + key.name, value));
        }
        write("values.tsv", "resource\tname\tvalue\tverdict\ttext", lines);
    }

    // --- DescribeConfigs of a running node ------------------------------------------------------
    static void described(String bootstrap) throws Exception {
        List<String> lines = new ArrayList<>();
        try (var admin = org.apache.kafka.clients.admin.Admin.create(
                 Map.of("bootstrap.servers", bootstrap))) {
            var options =
                new org.apache.kafka.clients.admin.DescribeConfigsOptions().includeSynonyms(true);
            var resources = new ArrayList<org.apache.kafka.common.config.ConfigResource>();
            for (String text :
                new String[] {"BROKER:1", "BROKER:", "TOPIC:t", "GROUP:g", "CLIENT_METRICS:s"}) {
                String[] parts = text.split(":", 2);
                resources.add(new org.apache.kafka.common.config.ConfigResource(
                    org.apache.kafka.common.config.ConfigResource.Type.valueOf(parts[0]),
                    parts[1]));
            }
            var all = admin.describeConfigs(resources, options).all().get();
            for (var resource : resources) {
                var entries = new TreeMap<String, org.apache.kafka.clients.admin.ConfigEntry>();
                all.get(resource).entries().forEach(entry -> entries.put(entry.name(), entry));
                for (var entry : entries.values()) {
                    StringJoiner synonyms = new StringJoiner("|");
                    entry.synonyms().forEach(s
                        -> synonyms.add(
                            s.name() + "~" + escape(String.valueOf(s.value())) + "~" + s.source()));
                    lines.add(resource.type() + ":" + resource.name() + "\t" + entry.name() + "\t"
                        + escape(String.valueOf(entry.value())) + "\t" + entry.source() + "\t"
                        + entry.isReadOnly() + "\t" + entry.isSensitive() + "\t" + entry.type()
                        + "\t" + synonyms);
                }
            }
        }
        write("described.tsv",
            "resource\tname\tvalue\tsource\tread_only\tsensitive\ttype\tsynonyms", lines);
    }

    // With the address of a node numbered 1, described.tsv is written too (README.md: set_up).
    public static void main(String[] arguments) throws Exception {
        properties();
        brokers();
        values();
        if (arguments.length > 0)
            described(arguments[0]);
    }
}
