// Asks Kafka's own assignors, consumer protocol and hash for what assignor_test.cc and
// partitioner_test.cc compare with:
//   javac -cp kafka-clients.jar GroupAssignments.java
//   java -cp kafka-clients.jar:slf4j-api.jar:. GroupAssignments > group_assignments.txt

import java.nio.ByteBuffer;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.*;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.*;
import org.apache.kafka.common.utils.Utils;

public class GroupAssignments {
    static final Node node = new Node(0, "h", 1);

    static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) text.append(String.format("%02x", b));
        return text.toString();
    }

    static String hex(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return hex(bytes);
    }

    static String list(Collection<TopicPartition> partitions) {
        return partitions.stream()
            .sorted(Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition))
            .map(TopicPartition::toString).collect(Collectors.joining(","));
    }

    static Cluster cluster(Map<String, Integer> topics) {
        List<PartitionInfo> partitions = new ArrayList<>();
        Node[] nodes = {node};
        topics.forEach((topic, count) -> {
            for (int i = 0; i < count; i++) partitions.add(new PartitionInfo(topic, i, node, nodes, nodes));
        });
        return new Cluster("c", List.of(node), partitions, Set.of(), Set.of());
    }

    // One line a round: the next round's members own what this one gave them.
    static void rounds(ConsumerPartitionAssignor assignor, Random random, boolean alike, boolean instances) {
        Map<String, Integer> topics = new TreeMap<>();
        int topicCount = 1 + random.nextInt(4);
        for (int i = 0; i < topicCount; i++) topics.put("t" + i, 1 + random.nextInt(9));
        Map<String, List<TopicPartition>> owned = new TreeMap<>();
        Map<String, List<String>> wants = new TreeMap<>();
        int next = 0;
        int generation = -1;
        int memberCount = 1 + random.nextInt(6);
        for (int round = 0; round < 4; round++) {
            while (wants.size() < memberCount) {
                List<String> subscribed = topics.keySet().stream()
                    .filter(topic -> alike || random.nextBoolean()).collect(Collectors.toList());
                if (subscribed.isEmpty()) subscribed.add("t0");
                wants.put("m" + (char) ('a' + next++), subscribed);
            }
            while (wants.size() > memberCount) {
                List<String> names = new ArrayList<>(wants.keySet());
                String gone = names.get(random.nextInt(names.size()));
                wants.remove(gone);
                owned.remove(gone);
            }
            Map<String, Subscription> subscriptions = new TreeMap<>();
            StringBuilder members = new StringBuilder();
            for (var want : wants.entrySet()) {
                String id = want.getKey();
                List<TopicPartition> had = owned.getOrDefault(id, List.of());
                int memberGeneration = had.isEmpty() ? -1 : generation;
                ByteBuffer data = null;
                if (assignor instanceof StickyAssignor) {
                    StickyAssignor mine = new StickyAssignor();
                    if (!had.isEmpty())
                        mine.onAssignment(new Assignment(had), new ConsumerGroupMetadata("g", memberGeneration, id, Optional.empty()));
                    data = mine.subscriptionUserData(new HashSet<>(want.getValue()));
                } else if (assignor instanceof CooperativeStickyAssignor) {
                    CooperativeStickyAssignor mine = new CooperativeStickyAssignor();
                    mine.onAssignment(new Assignment(had), new ConsumerGroupMetadata("g", memberGeneration, id, Optional.empty()));
                    data = mine.subscriptionUserData(new HashSet<>(want.getValue()));
                }
                boolean eager = !(assignor instanceof CooperativeStickyAssignor);
                Subscription subscription = new Subscription(want.getValue(), data,
                    eager ? List.of() : had, memberGeneration, Optional.empty());
                String instance = "";
                if (instances && random.nextBoolean()) {
                    instance = "i" + (char) ('z' - id.charAt(1) + 'a');
                    subscription.setGroupInstanceId(Optional.of(instance));
                }
                subscriptions.put(id, subscription);
                if (members.length() > 0) members.append(' ');
                members.append(id + "/" + instance + "/" + String.join(",", want.getValue()) + "/" +
                    memberGeneration + "/" + list(had) + "/" + (data == null ? "" : hex(data)));
            }
            Map<String, Assignment> result =
                assignor.assign(cluster(topics), new GroupSubscription(subscriptions)).groupAssignment();
            String given = new TreeMap<>(result).entrySet().stream()
                .map(entry -> entry.getKey() + "=" + list(entry.getValue().partitions()))
                .collect(Collectors.joining(" "));
            System.out.println("assign\t" + assignor.name() + "\t" + (alike ? "alike" : "different") + "\t" +
                topics.entrySet().stream().map(e -> e.getKey() + ":" + e.getValue()).collect(Collectors.joining(",")) +
                "\t" + members + "\t" + given);
            owned.clear();
            result.forEach((id, assignment) -> owned.put(id, assignment.partitions()));
            generation = Math.max(generation, 0) + 1;
            memberCount = Math.max(1, memberCount + random.nextInt(3) - 1);
            if (random.nextInt(4) == 0) topics.merge("t0", 2, Integer::sum);
        }
    }

    static void bytes(List<String> topics, ByteBuffer data, List<TopicPartition> owned, int generation, Optional<String> rack) {
        Subscription subscription = new Subscription(topics, data, owned, generation, rack);
        System.out.println("subscription\t" + String.join(",", topics) + "\t" + (data == null ? "null" : hex(data)) +
            "\t" + list(owned) + "\t" + generation + "\t" + rack.orElse("") + "\t" +
            hex(ConsumerProtocol.serializeSubscription(subscription)));
    }

    public static void main(String[] args) {
        Random random = new Random(20240607);
        for (int i = 0; i < 12; i++) {
            rounds(new RangeAssignor(), random, i % 2 == 0, i % 3 == 0);
            rounds(new RoundRobinAssignor(), random, i % 2 == 0, i % 3 == 0);
            rounds(new StickyAssignor(), random, i % 3 != 0, false);
            rounds(new CooperativeStickyAssignor(), random, i % 3 != 0, false);
        }
        List<TopicPartition> some = List.of(new TopicPartition("b", 1), new TopicPartition("a", 3), new TopicPartition("a", 0));
        bytes(List.of("b", "a"), null, List.of(), -1, Optional.empty());
        bytes(List.of("topic"), ByteBuffer.wrap(new byte[] {1, 2}), some, 7, Optional.of("rack-1"));
        bytes(List.of(), null, List.of(), 0, Optional.empty());
        System.out.println("assignment\t" + list(some.subList(0, 1)) + "\t" +
            hex(ConsumerProtocol.serializeAssignment(new Assignment(some.subList(0, 1)))));
        System.out.println("assignment\t\t" + hex(ConsumerProtocol.serializeAssignment(new Assignment(List.of()))));
        for (String text : List.of("", "a", "ab", "abc", "abcd", "21", "foobar", "a-little-bit-long-string",
                "a-little-bit-longer-string", "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", "\u00e4\u00f6\u00fc\u20ac")) {
            byte[] key = text.getBytes(java.nio.charset.StandardCharsets.UTF_8);
            System.out.println("murmur2\t" + hex(key) + "\t" + Utils.murmur2(key) + "\t" + Utils.toPositive(Utils.murmur2(key)) % 7);
        }
    }
}
