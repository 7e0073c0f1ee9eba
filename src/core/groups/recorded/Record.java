// Writes commands.tsv: what the group coordinator of Apache Kafka 4.3.1 decides about random
// commands of members of both protocols. Run with the jars of Kafka on the class path, in this
// folder:
//   javac -cp '.../jars/*' -d /tmp/record Record.java
//   java -cp '/tmp/record:.../jars/*' org.apache.kafka.coordinator.group.Record
// A line: scenario, milliseconds, command, version, request, response, records (key=value, in
// hex), and the id that a member was told later that waited for the answer to its join.
package org.apache.kafka.coordinator.group;

import com.yammer.metrics.core.MetricsRegistry;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.metadata.*;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.security.auth.*;
import org.apache.kafka.common.utils.*;
import org.apache.kafka.coordinator.common.runtime.*;
import org.apache.kafka.coordinator.group.metrics.*;
import org.apache.kafka.coordinator.group.modern.share.ShareGroupConfig;
import org.apache.kafka.image.*;
import org.apache.kafka.metadata.*;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.common.ApiMessageAndVersion;
import org.apache.kafka.timeline.SnapshotRegistry;

public class Record {
    static final HexFormat hex = HexFormat.of();
    static final List<String> lines = new ArrayList<>();

    class ManualTime implements Time {
        public long milliseconds() { return ms; }
        public long nanoseconds() { return ms * 1_000_000; }
        public void sleep(long add) { ms += add; }
        public void waitObject(Object o, java.util.function.Supplier<Boolean> c, long d) { throw new IllegalStateException(); }
    }
    record Timeout(long at, CoordinatorTimer.TimeoutOperation<CoordinatorRecord> operation) {}
    class ManualTimer implements CoordinatorTimer<CoordinatorRecord> {
        final Map<String, Timeout> timeouts = new LinkedHashMap<>();
        public void schedule(String key, long delay, TimeUnit unit, boolean retry, TimeoutOperation<CoordinatorRecord> operation) {
            timeouts.put(key, new Timeout(ms + unit.toMillis(delay), operation));
        }
        public void schedule(String key, long delay, TimeUnit unit, boolean retry, long backoff, TimeoutOperation<CoordinatorRecord> operation) {
            schedule(key, delay, unit, retry, operation);
        }
        public void scheduleIfAbsent(String key, long delay, TimeUnit unit, boolean retry, TimeoutOperation<CoordinatorRecord> operation) {
            if (!timeouts.containsKey(key)) schedule(key, delay, unit, retry, operation);
        }
        public void cancel(String key) { timeouts.remove(key); }
        public boolean isScheduled(String key) { return timeouts.containsKey(key); }
    }
    class ManualExecutor implements CoordinatorExecutor<CoordinatorRecord> {
        final Map<String, Callable<CoordinatorResult<Void, CoordinatorRecord>>> tasks = new LinkedHashMap<>();
        public <R> boolean schedule(String key, TaskRunnable<R> task, TaskOperation<CoordinatorRecord, R> operation) {
            tasks.put(key, () -> {
                try {
                    return operation.onComplete(task.run(), null);
                } catch (Throwable error) { throw new IllegalStateException(error); }
            });
            return true;
        }
        public boolean isScheduled(String key) { return tasks.containsKey(key); }
        public void cancel(String key) { tasks.remove(key); }
    }
    static class Context implements AuthorizableRequestContext {
        final int version;
        Context(int version) { this.version = version; }
        public String listenerName() { return "PLAINTEXT"; }
        public SecurityProtocol securityProtocol() { return SecurityProtocol.PLAINTEXT; }
        public KafkaPrincipal principal() { return KafkaPrincipal.ANONYMOUS; }
        public InetAddress clientAddress() {
            try { return InetAddress.getByAddress(new byte[] {127, 0, 0, 1}); } catch (Exception e) { throw new IllegalStateException(e); }
        }
        public int requestType() { return 0; }
        public int requestVersion() { return version; }
        public String clientId() { return "c"; }
        public int correlationId() { return 0; }
    }

    // A client, and what it believes.
    static class Client {
        String id;
        String instance;
        boolean classic;
        int epoch = 0;
        boolean joined;   // classic: has a generation; synced: has its assignment
        boolean synced;
        boolean away;
        List<String> topics = List.of();
        String regex;
        String assignor;
        String rack;
        Map<Uuid, Set<Integer>> owned = new TreeMap<>();
        boolean told;     // changed what it would tell
    }

    long ms = 1_000_000;
    final int scenario;
    final Random random;
    final ManualTimer timer = new ManualTimer();
    final ManualExecutor executor = new ManualExecutor();
    final GroupCoordinatorShard shard;
    final GroupMetadataManager groups;
    MetadataImage image = MetadataImage.EMPTY;
    long offset = 0;
    final TreeMap<String, Uuid> topics = new TreeMap<>();
    final Map<String, Integer> partitions = new HashMap<>();
    final List<Client> clients = new ArrayList<>();
    int ids = 0;

    Record(int scenario) {
        this.scenario = scenario;
        random = new Random(scenario);
        Map<String, Object> props = options();
        GroupCoordinatorConfig config = GroupCoordinatorConfig.fromProps(props);
        SnapshotRegistry registry = new SnapshotRegistry(new LogContext());
        GroupCoordinatorMetrics metrics = new GroupCoordinatorMetrics(new MetricsRegistry(), new Metrics());
        GroupCoordinatorMetricsShard metricsShard = metrics.newMetricsShard(registry, new TopicPartition("__consumer_offsets", 0));
        Time time = new ManualTime();
        CoordinatorMetadataImage empty = new KRaftCoordinatorMetadataImage(image);
        Properties node = new Properties();
        node.put("process.roles", "controller");
        node.put("node.id", "3000");
        node.put("controller.quorum.voters", "3000@localhost:9093");
        node.put("controller.listener.names", "CONTROLLER");
        node.put("listeners", "CONTROLLER://localhost:9093");
        GroupConfigManager groupConfigs = new GroupConfigManager(new HashMap<>(), config,
            new ShareGroupConfig(kafka.server.KafkaConfig.fromProps(node))) {
            public Optional<GroupConfig> groupConfig(String id) { return Optional.empty(); }
        };
        groups = new GroupMetadataManager.Builder().withTime(time).withTimer(timer).withExecutor(executor)
            .withSnapshotRegistry(registry).withConfig(config).withGroupConfigManager(groupConfigs)
            .withMetadataImage(empty).withGroupCoordinatorMetricsShard(metricsShard).withLogContext(new LogContext())
            .withAuthorizerPlugin(Optional.empty()).build();
        OffsetMetadataManager offsets = new OffsetMetadataManager.Builder().withTime(time).withGroupMetadataManager(groups)
            .withSnapshotRegistry(registry).withGroupCoordinatorConfig(config).withMetadataImage(empty)
            .withGroupCoordinatorMetricsShard(metricsShard).withLogContext(new LogContext()).build();
        shard = new GroupCoordinatorShard(new LogContext(), groups, offsets, time, timer, config, metrics, metricsShard);
        StringJoiner told = new StringJoiner(",");
        for (Object value : props.values()) told.add(value.toString());
        line("options", 0, "", told.toString(), "");
        List<ApiMessage> start = new ArrayList<>();
        start.add(new FeatureLevelRecord().setName("metadata.version").setFeatureLevel((short) 30));
        for (int id = 1; id <= 3; id++)
            start.add(new RegisterBrokerRecord().setBrokerId(id).setIncarnationId(uuid()).setBrokerEpoch(id).setFenced(false).setRack(id == 3 ? null : "rack-" + id));
        metadata(start);
        createTopic("a", 3);
        createTopic("b-1", 2);
    }

    // The configs that differ from scenario to scenario.
    Map<String, Object> options() {
        Map<String, Object> props = new LinkedHashMap<>();
        props.put("group.consumer.migration.policy", List.of("bidirectional", "bidirectional", "upgrade", "disabled").get(scenario % 4));
        props.put("group.consumer.assignment.interval.ms", scenario % 3 == 0 ? 1000 : 0);
        props.put("group.consumer.max.size", scenario % 5 == 0 ? 4 : 1000);
        return props;
    }
    Uuid uuid() { return new Uuid(random.nextLong(), random.nextLong()); }
    boolean chance(double p) { return random.nextDouble() < p; }
    int below(int n) { return random.nextInt(n); }

    // The cluster ------------------------------------------------------------------------------

    void metadata(List<ApiMessage> records) {
        MetadataDelta delta = new MetadataDelta.Builder().setImage(image).build();
        StringJoiner values = new StringJoiner(",");
        for (ApiMessage record : records) {
            short version = record.highestSupportedVersion();
            if (record instanceof RegisterBrokerRecord) version = 3;
            if (record instanceof PartitionRecord) version = 1;
            delta.replay(record);
            MetadataRecordSerde serde = new MetadataRecordSerde();
            ObjectSerializationCache cache = new ObjectSerializationCache();
            ApiMessageAndVersion with = new ApiMessageAndVersion(record, version);
            ByteBuffer buffer = ByteBuffer.allocate(serde.recordSize(with, cache));
            serde.write(with, cache, new ByteBufferAccessor(buffer));
            values.add(hex.formatHex(buffer.array()));
        }
        offset += records.size();
        image = delta.apply(new MetadataProvenance(offset, 1, ms, true));
        line("metadata", 0, "", "" + offset, values.toString());
        shard.onMetadataUpdate(new KRaftCoordinatorMetadataDelta(delta), new KRaftCoordinatorMetadataImage(image));
    }
    PartitionRecord partition(Uuid topic, int index) {
        int first = 1 + below(3);
        return new PartitionRecord().setTopicId(topic).setPartitionId(index).setReplicas(List.of(first, 1 + first % 3))
            .setIsr(List.of(first, 1 + first % 3)).setLeader(first).setLeaderEpoch(0).setPartitionEpoch(0)
            .setDirectories(List.of(uuid(), uuid()));
    }
    void createTopic(String name, int count) {
        Uuid id = uuid();
        List<ApiMessage> records = new ArrayList<>();
        records.add(new TopicRecord().setName(name).setTopicId(id));
        for (int i = 0; i < count; i++) records.add(partition(id, i));
        topics.put(name, id);
        partitions.put(name, count);
        metadata(records);
    }
    void changeTopics() {
        String name = List.of("a", "b-1", "b-2", "c", "long-name-of-a-topic").get(below(5));
        if (!topics.containsKey(name)) {
            createTopic(name, 1 + below(7));
        } else if (chance(0.3)) {
            metadata(List.of(new RemoveTopicRecord().setTopicId(topics.remove(name))));
        } else {
            int count = partitions.merge(name, 1, Integer::sum);
            metadata(List.of(partition(topics.get(name), count - 1)));
        }
    }

    // Commands ---------------------------------------------------------------------------------

    static byte[] bytes(Message message, int version) {
        ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, (short) version).buffer();
        byte[] out = new byte[buffer.remaining()];
        buffer.get(out);
        return out;
    }
    void line(String command, int version, String request, String response, String records) {
        lines.add(String.join("\t", "" + scenario, "" + ms, command, "" + version, dash(request), dash(response), dash(records)));
    }
    static String dash(String text) { return text.isEmpty() ? "-" : text; }

    String apply(CoordinatorResult<?, CoordinatorRecord> result) {
        GroupCoordinatorRecordSerde serde = new GroupCoordinatorRecordSerde();
        StringJoiner records = new StringJoiner(",");
        for (CoordinatorRecord record : result.records()) {
            byte[] value = serde.serializeValue(record);
            records.add(hex.formatHex(serde.serializeKey(record)) + "=" + (value == null ? "" : hex.formatHex(value)));
            if (result.replayRecords()) shard.replay(0, -1, (short) -1, record);
        }
        if (result.appendFuture() != null) result.appendFuture().complete(null);
        return records.toString();
    }
    void resolve() {
        for (String key : List.copyOf(executor.tasks.keySet())) {
            try { line("resolve", 0, "", "", apply(executor.tasks.remove(key).call())); } catch (Exception e) { throw new IllegalStateException(e); }
        }
    }
    void pass(long add) {
        long end = ms + add;
        for (;;) {
            Map.Entry<String, Timeout> next = null;
            for (Map.Entry<String, Timeout> each : timer.timeouts.entrySet())
                if (next == null || each.getValue().at < next.getValue().at) next = each;
            if (next == null || next.getValue().at > end) break;
            ms = Math.max(ms, next.getValue().at);
            timer.timeouts.remove(next.getKey());
            line("tick", 0, "", "", apply(next.getValue().operation.generateRecords()));
        }
        ms = end;
    }

    void heartbeat(Client client, ConsumerGroupHeartbeatRequestData request) {
        ConsumerGroupHeartbeatResponseData response;
        String records = "";
        try {
            CoordinatorResult<ConsumerGroupHeartbeatResponseData, CoordinatorRecord> result = shard.consumerGroupHeartbeat(new Context(1), request);
            response = result.response();
            records = apply(result);
        } catch (ApiException error) {
            response = new ConsumerGroupHeartbeatResponseData().setErrorCode(Errors.forException(error).code()).setErrorMessage(error.getMessage());
        }
        line("ConsumerGroupHeartbeat", 1, hex.formatHex(bytes(request, 1)), hex.formatHex(bytes(response, 1)), records);
        resolve();
        if (response.errorCode() != 0) {
            client.epoch = 0;
            client.owned.clear();
            if (chance(0.3) && client.instance == null) client.id = "m" + ++ids;
        } else if (request.memberEpoch() >= 0) {
            client.epoch = response.memberEpoch();
            if (response.assignment() != null) {
                client.owned.clear();
                for (var topic : response.assignment().topicPartitions()) client.owned.put(topic.topicId(), new TreeSet<>(topic.partitions()));
                client.told = false;
            }
        }
    }
    List<ConsumerGroupHeartbeatRequestData.TopicPartitions> owned(Client client) {
        List<ConsumerGroupHeartbeatRequestData.TopicPartitions> list = new ArrayList<>();
        client.owned.forEach((topic, parts) -> list.add(new ConsumerGroupHeartbeatRequestData.TopicPartitions().setTopicId(topic).setPartitions(new ArrayList<>(parts))));
        return list;
    }
    void beat(Client client) {
        ConsumerGroupHeartbeatRequestData request = new ConsumerGroupHeartbeatRequestData().setGroupId("g").setMemberId(client.id)
            .setMemberEpoch(client.epoch).setInstanceId(client.instance);
        if (client.epoch == 0) {
            request.setRebalanceTimeoutMs(60_000 + 1_000 * below(3)).setTopicPartitions(List.of()).setServerAssignor(client.assignor).setRackId(client.rack);
            client.owned.clear();
            if (client.regex != null) request.setSubscribedTopicRegex(client.regex);
            if (client.regex == null || chance(0.5)) request.setSubscribedTopicNames(client.topics);
        } else if (chance(0.1)) {
            subscribe(client);
            request.setSubscribedTopicNames(client.topics).setSubscribedTopicRegex(client.regex == null ? "" : client.regex);
            if (chance(0.5)) request.setRebalanceTimeoutMs(60_000).setTopicPartitions(owned(client));
        } else if (!client.told || chance(0.2)) {
            if (chance(0.8)) { request.setTopicPartitions(owned(client)); client.told = true; }
        }
        if (chance(0.03)) request.setMemberEpoch(Math.max(0, client.epoch + below(4) - 2));
        if (client.epoch != 0 && request.memberEpoch() == 0) request.setMemberEpoch(client.epoch);
        heartbeat(client, request);
    }
    void leave(Client client) {
        boolean forAWhile = client.instance != null && chance(0.6);
        heartbeat(client, new ConsumerGroupHeartbeatRequestData().setGroupId("g").setMemberId(client.id)
            .setInstanceId(client.instance).setMemberEpoch(forAWhile ? -2 : -1));
        client.epoch = 0;
        client.owned.clear();
        client.id = "m" + ++ids;
        client.classic = chance(0.3) ? !client.classic : client.classic;
        client.joined = client.synced = false;
        if (!client.classic) return;
        client.id = "";
        client.regex = null;
        if (client.topics.isEmpty()) client.topics = List.of("a");
    }
    void subscribe(Client client) {
        List<String> names = new ArrayList<>(List.of("a", "b-1", "b-2", "c", "none"));
        Collections.shuffle(names, random);
        client.topics = chance(0.6) ? List.of("a", "b-1") : new ArrayList<>(names.subList(0, below(4)));
        client.regex = chance(0.25) ? List.of("b-.*", "a|c", ".*", "b-1").get(below(4)) : null;
        if (client.regex != null && chance(0.7)) client.topics = List.of();
        if (client.topics.isEmpty() && client.regex == null) client.topics = List.of("a");
    }

    // Members of the classic protocol
    byte[] subscription(Client client) {
        List<TopicPartition> owned = new ArrayList<>();
        for (var entry : topics.entrySet())
            for (int p : client.owned.getOrDefault(entry.getValue(), Set.of())) owned.add(new TopicPartition(entry.getKey(), p));
        ByteBuffer buffer = ConsumerProtocol.serializeSubscription(new org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription(
            client.topics, null, owned, client.epoch, Optional.ofNullable(client.rack)), (short) 3);
        byte[] out = new byte[buffer.remaining()];
        buffer.get(out);
        return out;
    }
    void classicJoin(Client client) {
        var protocols = new JoinGroupRequestData.JoinGroupRequestProtocolCollection();
        protocols.add(new JoinGroupRequestData.JoinGroupRequestProtocol().setName("range").setMetadata(subscription(client)));
        JoinGroupRequestData request = new JoinGroupRequestData().setGroupId("g").setMemberId(client.id).setGroupInstanceId(client.instance)
            .setSessionTimeoutMs(45_000).setRebalanceTimeoutMs(60_000).setProtocolType("consumer").setProtocols(protocols);
        CompletableFuture<JoinGroupResponseData> future = new CompletableFuture<>();
        String records = "";
        JoinGroupResponseData response;
        try {
            CoordinatorResult<Void, CoordinatorRecord> result = shard.classicGroupJoin(new Context(9), request, future);
            records = apply(result);
            response = future.getNow(null);
        } catch (ApiException error) {
            response = new JoinGroupResponseData().setMemberId(request.memberId()).setErrorCode(Errors.forException(error).code());
        }
        int line = lines.size();
        line("JoinGroup", 9, hex.formatHex(bytes(request, 9)), response == null ? "" : hex.formatHex(bytes(response, 9)), records);
        resolve();
        if (response == null) {
            int at = line;
            future.thenAccept(late -> {
                lines.set(at, lines.get(at) + "\t" + late.memberId());
                joined(client, late);
            });
        } else {
            joined(client, response);
        }
    }
    void joined(Client client, JoinGroupResponseData response) {
        client.joined = response.errorCode() == 0;
        client.synced = false;
        if (response.errorCode() == Errors.MEMBER_ID_REQUIRED.code()) { client.id = response.memberId(); return; }
        if (response.errorCode() != 0) { if (response.errorCode() != Errors.REBALANCE_IN_PROGRESS.code()) client.id = ""; return; }
        client.id = response.memberId();
        client.epoch = response.generationId();
    }
    void classicSync(Client client) {
        SyncGroupRequestData request = new SyncGroupRequestData().setGroupId("g").setMemberId(client.id).setGroupInstanceId(client.instance)
            .setGenerationId(client.epoch).setProtocolType("consumer").setProtocolName("range");
        CompletableFuture<SyncGroupResponseData> future = new CompletableFuture<>();
        String records = "";
        SyncGroupResponseData response;
        try {
            CoordinatorResult<Void, CoordinatorRecord> result = shard.classicGroupSync(new Context(5), request, future);
            records = apply(result);
            response = future.getNow(null);
        } catch (ApiException error) {
            response = new SyncGroupResponseData().setErrorCode(Errors.forException(error).code());
        }
        line("SyncGroup", 5, hex.formatHex(bytes(request, 5)), response == null ? "" : hex.formatHex(bytes(response, 5)), records);
        if (response == null) { future.thenAccept(late -> synced(client, late)); } else { synced(client, response); }
    }
    void synced(Client client, SyncGroupResponseData response) {
        client.synced = response.errorCode() == 0;
        if (response.errorCode() != 0) { client.joined = false; return; }
        client.owned.clear();
        if (response.assignment().length == 0) return;
        for (TopicPartition each : ConsumerProtocol.deserializeAssignment(ByteBuffer.wrap(response.assignment())).partitions())
            if (topics.containsKey(each.topic())) client.owned.computeIfAbsent(topics.get(each.topic()), t -> new TreeSet<>()).add(each.partition());
    }
    void classicBeat(Client client) {
        HeartbeatRequestData request = new HeartbeatRequestData().setGroupId("g").setMemberId(client.id).setGroupInstanceId(client.instance).setGenerationId(client.epoch);
        HeartbeatResponseData response;
        try {
            response = shard.classicGroupHeartbeat(new Context(4), request).response();
        } catch (ApiException error) {
            response = new HeartbeatResponseData().setErrorCode(Errors.forException(error).code());
        }
        line("Heartbeat", 4, hex.formatHex(bytes(request, 4)), hex.formatHex(bytes(response, 4)), "");
        if (response.errorCode() == 0) return;
        client.joined = client.synced = false;
        if (response.errorCode() != Errors.REBALANCE_IN_PROGRESS.code()) client.id = "";
    }
    void classicLeave(Client client) {
        LeaveGroupRequestData request = new LeaveGroupRequestData().setGroupId("g").setMembers(List.of(
            new LeaveGroupRequestData.MemberIdentity().setMemberId(client.id).setGroupInstanceId(client.instance)));
        LeaveGroupResponseData response;
        String records = "";
        try {
            CoordinatorResult<LeaveGroupResponseData, CoordinatorRecord> result = shard.classicGroupLeave(new Context(5), request);
            response = result.response();
            records = apply(result);
        } catch (ApiException error) {
            return;
        }
        line("LeaveGroup", 5, hex.formatHex(bytes(request, 5)), hex.formatHex(bytes(response, 5)), records);
        client.joined = client.synced = false;
        client.epoch = 0;
        client.owned.clear();
        client.classic = chance(0.6);
        if (client.topics.isEmpty()) client.topics = List.of("a");
        client.id = client.classic ? "" : "m" + ++ids;
    }
    void commit(Client client) {
        if (topics.isEmpty()) return;
        List<String> names = new ArrayList<>(topics.keySet());
        OffsetCommitRequestData request = new OffsetCommitRequestData().setGroupId("g").setMemberId(client.id)
            .setGenerationIdOrMemberEpoch(chance(0.7) ? client.epoch : Math.max(0, client.epoch - 1 - below(2)));
        String name = names.get(below(names.size()));
        request.topics().add(new OffsetCommitRequestData.OffsetCommitRequestTopic().setName(name).setTopicId(topics.get(name)).setPartitions(List.of(
            new OffsetCommitRequestData.OffsetCommitRequestPartition().setPartitionIndex(below(partitions.get(name))).setCommittedOffset(below(100)))));
        commit(request);
    }
    void commit(OffsetCommitRequestData request) {
        OffsetCommitResponseData response;
        String records = "";
        try {
            CoordinatorResult<OffsetCommitResponseData, CoordinatorRecord> result = shard.commitOffset(new Context(10), request);
            response = result.response();
            records = apply(result);
        } catch (ApiException error) {
            response = new OffsetCommitResponseData();
            for (var topic : request.topics())
                response.topics().add(new OffsetCommitResponseData.OffsetCommitResponseTopic().setTopicId(topic.topicId()).setPartitions(List.of(
                    new OffsetCommitResponseData.OffsetCommitResponsePartition().setPartitionIndex(topic.partitions().get(0).partitionIndex())
                        .setErrorCode(Errors.forException(error).code()))));
        }
        line("OffsetCommit", 10, hex.formatHex(bytes(request, 10)), hex.formatHex(bytes(response, 10)), records);
    }

    void run() {
        int count = 2 + below(5);
        boolean mixed = scenario % 2 == 1;
        for (int i = 0; i < count; i++) {
            Client client = new Client();
            client.classic = mixed && chance(0.5);
            client.id = client.classic ? "" : "m" + ++ids;
            if (chance(0.3)) client.instance = "i" + i;
            if (chance(0.3)) client.rack = "rack-1";
            if (chance(0.3)) client.assignor = chance(0.5) ? "range" : "uniform";
            subscribe(client);
            if (client.classic) client.regex = null;
            if (client.classic && client.topics.isEmpty()) client.topics = List.of("a");
            clients.add(client);
        }
        for (int turn = 0; turn < 150; turn++) {
            pass(1 + below(chance(0.05) ? 40_000 : 3_000));
            if (chance(0.04)) changeTopics();
            Client client = clients.get(below(clients.size()));
            if (client.away) { client.away = !chance(0.1); continue; }
            if (chance(0.02)) { client.away = true; continue; }
            if (client.classic) {
                if (client.joined && chance(0.03)) classicLeave(client);
                else if (!client.joined) classicJoin(client);
                else if (!client.synced) classicSync(client);
                else if (chance(0.2)) commit(client);
                else classicBeat(client);
            } else if (client.epoch > 0 && chance(0.04)) {
                leave(client);
            } else if (client.epoch > 0 && chance(0.15)) {
                commit(client);
            } else if (!beginsClassic()) {
                beat(client);
            }
        }
    }
    // Apache Kafka fails when a classic group is upgraded that has not chosen a protocol yet.
    boolean beginsClassic() {
        try {
            return groups.group("g") instanceof org.apache.kafka.coordinator.group.classic.ClassicGroup classic
                && !classic.isEmpty() && classic.protocolName().isEmpty();
        } catch (ApiException none) { return false; }
    }

    public static void main(String[] args) throws Exception {
        int scenarios = args.length > 0 ? Integer.parseInt(args[0]) : 24;
        for (int scenario = 1; scenario <= scenarios; scenario++) new Record(scenario).run();
        Files.write(Path.of(args.length > 1 ? args[1] : "commands.tsv"), lines);
        System.exit(0);
    }
}
