// Writes commands.tsv: what the controller of Apache Kafka 4.3.1 decides about random commands. Run
// with the jars of Kafka on the class path, in this folder:
//   javac -cp '.../libs/*' -d /tmp/record Record.java
//   java -cp '/tmp/record:.../libs/*' org.apache.kafka.controller.Record
// A line: scenario, milliseconds, command, version, request, error code, message, response, records
// (hex of their values, as the log has them). The first command of a scenario is "start": records
// that are there already. `Record security` writes security.tsv instead: quotas and credentials.
package org.apache.kafka.controller;

import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import java.util.AbstractMap.SimpleImmutableEntry;
import java.util.Map.Entry;
import java.util.function.Supplier;
import kafka.server.*;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.metadata.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.requests.*;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.utils.*;
import org.apache.kafka.metadata.*;
import org.apache.kafka.metadata.placement.StripedReplicaPlacer;
import org.apache.kafka.server.common.*;
import org.apache.kafka.timeline.SnapshotRegistry;

public class Record {
    static class ManualTime implements Time {
        long ms = 1_000;
        public long milliseconds() { return ms; }
        public long nanoseconds() { return ms * 1_000_000; }
        public void sleep(long add) { ms += add; }
        public void waitObject(Object o, Supplier<Boolean> c, long d) { throw new IllegalStateException(); }
    }

    static final List<String> lines = new ArrayList<>();
    static final HexFormat hex = HexFormat.of();
    static final String clusterId = "recorded-cluster";

    final int scenario;
    final Random random;
    final ManualTime time = new ManualTime();
    final FeatureControlManager features;
    final ClusterControlManager cluster;
    final ConfigurationControlManager configs;
    final ReplicationControlManager replication;
    final ProducerIdControlManager producerIds;
    final ClientQuotaControlManager quotas;
    final ScramControlManager scram;
    ReplicationControlManager late;
    long nextOffset = 0;
    final Map<Integer, Uuid> incarnations = new HashMap<>();
    final Map<Integer, List<Uuid>> directories = new HashMap<>();
    final Map<Integer, Long> epochs = new HashMap<>();
    final Map<String, Uuid> topics = new TreeMap<>();
    final Map<Integer, Long> read = new HashMap<>();
    final Set<Integer> leaving = new HashSet<>();
    boolean deleted;

    Record(int scenario, short level, boolean elr) {
        this.scenario = scenario;
        random = new Random(scenario);
        SnapshotRegistry registry = new SnapshotRegistry(new LogContext());
        Properties properties = new Properties();
        properties.put("process.roles", "controller");
        properties.put("node.id", "3000");
        properties.put("controller.quorum.voters", "3000@localhost:9093");
        properties.put("controller.listener.names", "CONTROLLER");
        properties.put("listeners", "CONTROLLER://localhost:9093");
        properties.put("min.insync.replicas", "2");
        KafkaConfig config = KafkaConfig.fromProps(properties);
        features = new FeatureControlManager.Builder()
            .setSnapshotRegistry(registry)
            .setQuorumFeatures(new QuorumFeatures(3000, QuorumFeatures.defaultSupportedFeatureMap(false), List.of(3000)))
            .setClusterFeatureSupportDescriber(new ClusterFeatureSupportDescriber() {
                public Iterator<Entry<Integer, Map<String, VersionRange>>> brokerSupported() {
                    return cluster.brokerSupportedFeatures();
                }
                public Iterator<Entry<Integer, Map<String, VersionRange>>> controllerSupported() {
                    return cluster.controllerSupportedFeatures();
                }
            })
            .build();
        cluster = new ClusterControlManager.Builder()
            .setClusterId(clusterId).setTime(time).setSnapshotRegistry(registry)
            .setSessionTimeoutNs(9_000_000_000L)
            .setReplicaPlacer(new StripedReplicaPlacer(new Random(1)))
            .setFeatureControlManager(features)
            .setBrokerShutdownHandler((id, clean, records) -> late.handleBrokerShutdown(id, clean, records))
            .build();
        configs = new ConfigurationControlManager.Builder()
            .setSnapshotRegistry(registry)
            .setKafkaConfigSchema(KafkaRaftServer.configSchema())
            .setExistenceChecker(this::checkExistence)
            .setValidator(new ControllerConfigurationValidator(config))
            .setStaticConfig((Map<String, Object>) (Map<?, ?>) config.originals())
            .setNodeId(3000)
            .setFeatureControl(features)
            .build();
        replication = late = new ReplicationControlManager.Builder()
            .setSnapshotRegistry(registry)
            .setDefaultReplicationFactor((short) 1).setDefaultNumPartitions(1)
            .setConfigurationControl(configs).setClusterControl(cluster).setFeatureControl(features)
            .build();
        producerIds = new ProducerIdControlManager.Builder()
            .setSnapshotRegistry(registry).setClusterControlManager(cluster).build();
        quotas = new ClientQuotaControlManager.Builder().setSnapshotRegistry(registry).build();
        scram = new ScramControlManager.Builder().setSnapshotRegistry(registry).build();
        for (int id = 1; id <= 5; id++) directories.put(id, List.of(uuid(), uuid()));
        List<ApiMessageAndVersion> start = new ArrayList<>();
        start.add(new ApiMessageAndVersion(new FeatureLevelRecord().setName("metadata.version").setFeatureLevel(level), (short) 0));
        if (elr) {
            start.add(new ApiMessageAndVersion(new FeatureLevelRecord().setName("eligible.leader.replicas.version").setFeatureLevel((short) 1), (short) 0));
            start.add(new ApiMessageAndVersion(new ConfigRecord().setResourceType((byte) 4).setResourceName("").setName("min.insync.replicas").setValue("2"), (short) 0));
        }
        commit(start);
        cluster.activate();
        line("start", 0, new byte[0], (short) 0, "", new byte[0], start);
    }

    Uuid uuid() { return new Uuid(random.nextLong() >>> 1, random.nextLong() >>> 1); }
    int below(int n) { return random.nextInt(n); }
    boolean chance(double p) { return random.nextDouble() < p; }

    void checkExistence(ConfigResource resource) {
        if (resource.type() == ConfigResource.Type.BROKER && !resource.name().isEmpty()) {
            int id = Integer.parseInt(resource.name());
            if (!cluster.brokerRegistrations().containsKey(id) && id != 3000)
                throw new org.apache.kafka.common.errors.BrokerIdNotRegisteredException("No node with id " + id + " found.");
        } else if (resource.type() == ConfigResource.Type.TOPIC && replication.getTopicId(resource.name()) == null) {
            throw new org.apache.kafka.common.errors.UnknownTopicOrPartitionException("The topic '" + resource.name() + "' does not exist.");
        }
    }

    void line(String command, int version, byte[] request, short error, String message, byte[] response,
              List<ApiMessageAndVersion> records) {
        StringJoiner values = new StringJoiner(",");
        for (ApiMessageAndVersion record : records) values.add(hex.formatHex(value(record)));
        lines.add(String.join("\t", "" + scenario, "" + time.ms, command, "" + version, dash(hex.formatHex(request)),
            "" + error, dash(message.replace("\n", " ").replace("\t", " ")), dash(hex.formatHex(response)),
            dash(values.toString())));
    }
    static String dash(String text) { return text.isEmpty() ? "-" : text; }

    static byte[] value(ApiMessageAndVersion record) {
        MetadataRecordSerde serde = new MetadataRecordSerde();
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(serde.recordSize(record, cache));
        serde.write(record, cache, new ByteBufferAccessor(buffer));
        return buffer.array();
    }
    static byte[] bytes(ApiMessage message, int version) {
        ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, (short) version).buffer();
        byte[] out = new byte[buffer.remaining()];
        buffer.get(out);
        return out;
    }

    void commit(List<ApiMessageAndVersion> records) {
        for (ApiMessageAndVersion record : records) {
            ApiMessage m = record.message();
            if (m instanceof RegisterBrokerRecord r) {
                cluster.replay(r, nextOffset);
                epochs.put(r.brokerId(), r.brokerEpoch());
            } else if (m instanceof UnregisterBrokerRecord r) cluster.replay(r);
            else if (m instanceof BrokerRegistrationChangeRecord r) cluster.replay(r);
            else if (m instanceof TopicRecord r) { replication.replay(r); topics.put(r.name(), r.topicId()); }
            else if (m instanceof PartitionRecord r) replication.replay(r);
            else if (m instanceof PartitionChangeRecord r) replication.replay(r);
            else if (m instanceof RemoveTopicRecord r) {
                replication.replay(r);
                topics.values().remove(r.topicId());
                deleted = true;
            }
            else if (m instanceof ConfigRecord r) configs.replay(r);
            else if (m instanceof FeatureLevelRecord r) features.replay(r);
            else if (m instanceof ClearElrRecord r) replication.replay(r);
            else if (m instanceof ProducerIdsRecord r) producerIds.replay(r);
            else if (m instanceof ClientQuotaRecord r) quotas.replay(r);
            else if (m instanceof UserScramCredentialRecord r) scram.replay(r);
            else if (m instanceof RemoveUserScramCredentialRecord r) scram.replay(r);
            else throw new IllegalStateException(m.getClass().getName());
            nextOffset++;
        }
    }

    interface Decide { Outcome run(); }
    record Outcome(List<ApiMessageAndVersion> records, short error, String message, byte[] response) {}
    static Outcome outcome(List<ApiMessageAndVersion> records, byte[] response) {
        return new Outcome(records, (short) 0, "", response);
    }
    void decide(String command, int version, ApiMessage request, Decide decide) {
        byte[] wire = request == null ? new byte[0] : bytes(request, version);
        Outcome made;
        try {
            made = decide.run();
        } catch (ApiException e) {
            made = new Outcome(List.of(), Errors.forException(e).code(), e.getMessage() == null ? "" : e.getMessage(), new byte[0]);
        }
        line(command, version, wire, made.error, made.message, made.response, made.records);
        commit(made.records);
        // Apache forgets how far a broker has read when a record about it is replayed, so that others
        // shut down a heartbeat later. That is not to be followed.
        if (command.equals("start")) return;
        for (ApiMessageAndVersion record : made.records) {
            int id = record.message() instanceof BrokerRegistrationChangeRecord r ? r.brokerId()
                : record.message() instanceof RegisterBrokerRecord r ? r.brokerId() : -1;
            if (id > 0) cluster.heartbeatManager().touch(id, cluster.brokerRegistrations().get(id).fenced(), read.getOrDefault(id, -1L));
        }
    }

    ControllerRequestContext context(int key, int version) {
        return new ControllerRequestContext(new RequestHeaderData().setRequestApiKey((short) key).setRequestApiVersion((short) version),
            KafkaPrincipal.ANONYMOUS, OptionalLong.empty());
    }

    // --- Commands ---------------------------------------------------------------------------------

    void register() {
        int id = 1 + below(5);
        BrokerRegistrationRequestData request = new BrokerRegistrationRequestData()
            .setBrokerId(id).setClusterId(chance(0.03) ? "another" : clusterId).setRack(chance(0.5) ? "r" + id % 2 : null)
            .setPreviousBrokerEpoch(chance(0.6) ? epochs.getOrDefault(id, -1L) : -1L);
        // Amended while it shuts down, Apache forgets how far the shutdown was.
        boolean same = incarnations.containsKey(id) && !leaving.contains(id) && chance(0.2);
        Uuid incarnation = same ? incarnations.get(id) : uuid();
        request.setIncarnationId(incarnation);
        request.listeners().add(new BrokerRegistrationRequestData.Listener().setName("PLAINTEXT").setHost("h" + id).setPort(9092).setSecurityProtocol((short) 0));
        List<Uuid> dirs = new ArrayList<>(directories.get(id));
        if (chance(0.05)) dirs.add(directories.get(1 + below(5)).get(0));
        if (chance(0.03)) dirs.clear();
        if (chance(0.03)) dirs.add(DirectoryId.LOST);
        if (chance(0.03) && !dirs.isEmpty()) dirs.add(dirs.get(0));
        request.setLogDirs(dirs);
        QuorumFeatures.defaultSupportedFeatureMap(false).forEach((name, range) -> {
            if (chance(0.01)) return;
            request.features().add(new BrokerRegistrationRequestData.Feature().setName(name)
                .setMinSupportedVersion(range.min()).setMaxSupportedVersion(chance(0.02) ? range.min() : range.max()));
        });
        int version = chance(0.2) ? 2 : 4;
        if (version < 3) request.setPreviousBrokerEpoch(-1);
        decide("BrokerRegistration", version, request, () -> {
            Map<String, Short> finalized = new HashMap<>(features.finalizedFeatures(Long.MAX_VALUE).featureMap());
            finalized.put("kraft.version", (short) 1);
            var result = cluster.registerBroker(request, nextOffset, new FinalizedControllerFeatures(finalized, Long.MAX_VALUE), version >= 3);
            if (!incarnation.equals(incarnations.put(id, incarnation))) {
                read.remove(id);
                leaving.remove(id);
            }
            return outcome(result.records(), bytes(new BrokerRegistrationResponseData().setBrokerEpoch(result.response().epoch()), version));
        });
    }

    BrokerHeartbeatRequestData beat(int id) {
        return new BrokerHeartbeatRequestData().setBrokerId(id).setBrokerEpoch(epochs.getOrDefault(id, 0L)).setCurrentMetadataOffset(nextOffset - 1);
    }
    void heartbeat(BrokerHeartbeatRequestData request) {
        int id = request.brokerId();
        if (leaving.contains(id)) request.setWantShutDown(true);  // no broker thinks better of it
        decide("BrokerHeartbeat", 2, request, () -> {
            cluster.trackBrokerHeartbeat(id, request.brokerEpoch());
            OptionalLong offset = cluster.registerBrokerRecordOffset(id);
            if (offset.isEmpty())
                throw new org.apache.kafka.common.errors.StaleBrokerEpochException("Receive a heartbeat from broker " + id + " before registration");
            var result = replication.processBrokerHeartbeat(request, offset.getAsLong());
            read.put(id, request.currentMetadataOffset());
            var reply = result.response();
            if (reply.inControlledShutdown() || reply.shouldShutDown()) leaving.add(id);
            if (reply.inControlledShutdown())
                cluster.heartbeatManager().maybeUpdateControlledShutdownOffset(id, nextOffset + result.records().size() - 1);
            return outcome(result.records(), bytes(new BrokerHeartbeatResponseData().setIsCaughtUp(reply.isCaughtUp())
                .setIsFenced(reply.isFenced()).setShouldShutDown(reply.shouldShutDown()), 2));
        });
    }
    void heartbeat() {
        int id = 1 + below(5);
        BrokerHeartbeatRequestData request = beat(id);
        if (chance(0.05)) request.setBrokerEpoch(request.brokerEpoch() + 1);
        if (chance(0.1)) request.setCurrentMetadataOffset(below((int) nextOffset + 1));
        request.setWantFence(chance(0.05));
        request.setWantShutDown(chance(0.12));
        // Apache's controller still knows partitions of deleted topics by their directories, and fails.
        if (!deleted && chance(0.04)) request.setOfflineLogDirs(List.of(directories.get(id).get(below(2))));
        if (chance(0.1)) request.setCordonedLogDirs(chance(0.5) ? List.of() : List.of(directories.get(id).get(below(2))));
        heartbeat(request);
    }
    // All but one are heard of, then its session runs out.
    void expire() {
        int gone = 1 + below(5);
        BrokerRegistration registration = cluster.brokerRegistrations().get(gone);
        if (registration == null || registration.fenced()) return;
        time.ms += 5_000;
        for (int id = 1; id <= 5; id++) {
            if (id != gone && cluster.brokerRegistrations().containsKey(id)) heartbeat(beat(id));
        }
        if (cluster.brokerRegistrations().get(gone).fenced()) return;
        time.ms += 4_100;
        List<Integer> before = new ArrayList<>();
        cluster.brokerRegistrations().forEach((id, r) -> { if (!r.fenced()) before.add(id); });
        decide("FenceStaleBroker", 0, null, () -> {
            for (int i = 0; i < 20; i++) {
                var result = replication.maybeFenceOneStaleBroker();
                if (!result.response()) break;
                if (result.records().isEmpty()) continue;
                var last = (BrokerRegistrationChangeRecord) result.records().get(result.records().size() - 1).message();
                if (before.contains(last.brokerId())) return outcome(result.records(), new byte[0]);
            }
            return outcome(List.of(), new byte[0]);
        });
    }
    void unregister() {
        UnregisterBrokerRequestData request = new UnregisterBrokerRequestData().setBrokerId(1 + below(6));
        decide("UnregisterBroker", 0, request, () -> {
            var result = replication.unregisterBroker(request.brokerId());
            return outcome(result.records(), bytes(new UnregisterBrokerResponseData(), 0));
        });
    }

    List<Integer> someBrokers() {
        List<Integer> ids = new ArrayList<>(List.of(1, 2, 3, 4, 5));
        Collections.shuffle(ids, random);
        ids = new ArrayList<>(ids.subList(0, 1 + below(4)));
        if (chance(0.02)) ids.add(9);
        if (chance(0.02)) ids.add(ids.get(0));
        if (chance(0.01)) ids.clear();
        return ids;
    }
    static final String[] names = {"t1", "t2", "t3", "t4", "a.b", "a_b", "c.d", "c_d", "e", "f"};
    static final String[] badNames = {"", ".", "..", "a/b", "x".repeat(250)};
    String someName() { return chance(0.03) ? badNames[below(badNames.length)] : names[below(names.length)]; }
    String[] someConfig() {
        return switch (below(9)) {
            case 0 -> new String[] {"min.insync.replicas", "" + (1 + below(4))};
            case 1 -> new String[] {"unclean.leader.election.enable", chance(0.5) ? "true" : "false"};
            case 2 -> new String[] {"retention.ms", "" + below(100_000)};
            case 3 -> new String[] {"cleanup.policy", chance(0.5) ? "compact" : "delete"};
            case 4 -> new String[] {"max.message.bytes", "" + (1000 + below(2_000_000))};
            case 5 -> new String[] {"retention.bytes", chance(0.9) ? "-1" : "many"};
            case 6 -> new String[] {"min.insync.replicas", chance(0.9) ? "1" : "0"};
            case 7 -> new String[] {chance(0.9) ? "segment.bytes" : "no.such.key", "2097152"};
            default -> new String[] {"compression.type", chance(0.9) ? "zstd" : "rar"};
        };
    }
    void createTopic() {
        CreateTopicsRequestData request = new CreateTopicsRequestData().setTimeoutMs(1000);
        Set<String> describable = new HashSet<>();
        Set<String> taken = new HashSet<>();
        for (int n = 1 + below(2); n > 0; n--) {
            String name = someName();
            if (!taken.add(name)) continue;
            var topic = new CreateTopicsRequestData.CreatableTopic().setName(name).setNumPartitions(chance(0.95) ? -1 : 2 - below(4))
                .setReplicationFactor((short) (chance(0.95) ? -1 : below(2)));
            int partitions = 1 + below(3);
            for (int i = 0; i < partitions; i++)
                topic.assignments().add(new CreateTopicsRequestData.CreatableReplicaAssignment().setPartitionIndex(chance(0.98) ? i : i + 1).setBrokerIds(someBrokers()));
            for (int i = below(3); i > 0; i--) {
                String[] config = someConfig();
                topic.configs().add(new CreateTopicsRequestData.CreatableTopicConfig().setName(config[0]).setValue(chance(0.97) ? config[1] : null));
            }
            if (chance(0.04)) {
                topic.assignments().clear();
                topic.setReplicationFactor((short) (chance(0.5) ? 9 : -2)).setNumPartitions(chance(0.5) ? 1 : 0);
            }
            request.topics().add(topic);
            if (chance(0.1)) describable.add(name);
        }
        request.setValidateOnly(chance(0.05));
        // Version 8 does not exist: what may be described is told by the first topics.
        StringJoiner told = new StringJoiner(",");
        describable.stream().sorted().forEach(told::add);
        decide("CreateTopics " + dash(told.toString()), 7, request, () -> {
            var result = replication.createTopics(context(19, 7), request, describable, true);
            return outcome(result.records(), bytes(result.response(), 7));
        });
    }
    void createPartitions() {
        CreatePartitionsRequestData request = new CreatePartitionsRequestData().setTimeoutMs(1000);
        String name = names[below(names.length)];
        var topic = new CreatePartitionsRequestData.CreatePartitionsTopic().setName(name);
        Uuid id = topics.get(name);
        int now = id == null ? 1 : replication.getTopic(id).numPartitions(Long.MAX_VALUE);
        int size = id == null ? 1 : replication.getPartition(id, 0).replicas.length;
        // Where a reassignment has left several factors, Apache takes that of any partition.
        for (int i = 0; id != null && i < now; i++) if (replication.getPartition(id, i).replicas.length != size) return;
        int add = 1 + below(2);
        topic.setCount(chance(0.9) ? now + add : now + 1 - below(3));
        topic.setAssignments(new ArrayList<>());
        for (int i = 0; i < (chance(0.95) ? add : 3); i++) {
            List<Integer> ids = new ArrayList<>(List.of(1, 2, 3, 4, 5));
            Collections.shuffle(ids, random);
            topic.assignments().add(new CreatePartitionsRequestData.CreatePartitionsAssignment().setBrokerIds(chance(0.9) ? ids.subList(0, Math.min(size, 5)) : someBrokers()));
        }
        request.topics().add(topic);
        decide("CreatePartitions", 3, request, () -> {
            var result = replication.createPartitions(context(37, 3), new ArrayList<>(request.topics().valuesList()));
            return outcome(result.records(), bytes(new CreatePartitionsResponseData().setResults(result.response()), 3));
        });
    }
    void deleteTopic() {
        String name = names[below(names.length)];
        Uuid id = topics.getOrDefault(name, uuid());
        var request = new DeleteTopicsRequestData().setTimeoutMs(1000);
        request.topics().add(new DeleteTopicsRequestData.DeleteTopicState().setName(null).setTopicId(id));
        decide("DeleteTopics", 6, request, () -> {
            var result = replication.deleteTopics(context(20, 6), List.of(id));
            ApiError error = result.response().get(id);
            var response = new DeleteTopicsResponseData();
            response.responses().add(new DeleteTopicsResponseData.DeletableTopicResult().setName(error.isSuccess() ? name : null).setTopicId(id)
                .setErrorCode(error.error().code())
                .setErrorMessage(error.isSuccess() ? null : error.error().message()));
            return outcome(result.records(), bytes(response, 6));
        });
    }
    void alterPartition() {
        if (topics.isEmpty()) return;
        List<Uuid> ids = new ArrayList<>(topics.values());
        Uuid id = ids.get(below(ids.size()));
        int index = below(replication.getTopic(id).numPartitions(Long.MAX_VALUE));
        PartitionRegistration p = replication.getPartition(id, index);
        int leader = chance(0.97) ? p.leader : 1 + below(5);
        var request = new AlterPartitionRequestData().setBrokerId(leader).setBrokerEpoch(epochs.getOrDefault(leader, 0L) + (chance(0.02) ? 1 : 0));
        var data = new AlterPartitionRequestData.PartitionData().setPartitionIndex(chance(0.98) ? index : 77).setLeaderEpoch(p.leaderEpoch + (chance(0.04) ? below(3) - 1 : 0))
            .setPartitionEpoch(p.partitionEpoch + (chance(0.04) ? below(3) - 1 : 0))
            .setLeaderRecoveryState(chance(0.97) ? 0 : (byte) below(2));
        List<Integer> isr = new ArrayList<>();
        for (int r : p.replicas) if (r == leader || chance(0.7)) isr.add(r);
        if (chance(0.03)) isr.add(1 + below(6));
        if (chance(0.02)) isr.clear();
        for (int r : isr) data.newIsrWithEpochs().add(new AlterPartitionRequestData.BrokerState().setBrokerId(r)
            .setBrokerEpoch(chance(0.1) ? -1 : epochs.getOrDefault(r, 0L) + (chance(0.02) ? 1 : 0)));
        request.topics().add(new AlterPartitionRequestData.TopicData().setTopicId(chance(0.98) ? id : uuid()).setPartitions(List.of(data)));
        decide("AlterPartition", 3, request, () -> {
            var result = replication.alterPartition(context(56, 3), request);
            return outcome(result.records(), bytes(result.response(), 3));
        });
    }
    void assignDirectories() {
        if (topics.isEmpty()) return;
        List<Uuid> ids = new ArrayList<>(topics.values());
        Uuid id = ids.get(below(ids.size()));
        int broker = 1 + below(5);
        var request = new AssignReplicasToDirsRequestData().setBrokerId(broker).setBrokerEpoch(epochs.getOrDefault(broker, 0L));
        Uuid directory = chance(0.9) ? directories.get(broker).get(below(2)) : uuid();
        var topic = new AssignReplicasToDirsRequestData.TopicData().setTopicId(chance(0.97) ? id : uuid());
        for (int i = 0; i <= below(3); i++) topic.partitions().add(new AssignReplicasToDirsRequestData.PartitionData().setPartitionIndex(i));
        request.directories().add(new AssignReplicasToDirsRequestData.DirectoryData().setId(directory).setTopics(List.of(topic)));
        decide("AssignReplicasToDirs", 0, request, () -> {
            var result = replication.handleAssignReplicasToDirs(request);
            return outcome(result.records(), bytes(result.response(), 0));
        });
    }
    ConfigResource someResource() {
        return switch (below(10)) {
            case 0 -> new ConfigResource(ConfigResource.Type.BROKER, "");
            case 1 -> new ConfigResource(ConfigResource.Type.BROKER, "" + (1 + below(6)));
            case 2 -> new ConfigResource(ConfigResource.Type.GROUP, chance(0.9) ? "g" : "");
            case 3 -> new ConfigResource(ConfigResource.Type.CLIENT_METRICS, chance(0.9) ? "m" : "");
            default -> new ConfigResource(ConfigResource.Type.TOPIC, someName());
        };
    }
    String[] configFor(ConfigResource resource) {
        return switch (resource.type()) {
            case GROUP -> new String[] {chance(0.9) ? "consumer.session.timeout.ms" : "nothing", chance(0.8) ? "50000" : "1"};
            case CLIENT_METRICS -> chance(0.5) ? new String[] {"interval.ms", chance(0.8) ? "1000" : "1"} : new String[] {"metrics", "a,b"};
            case BROKER -> chance(0.3) ? new String[] {"cordoned.log.dirs", "/d"} : chance(0.5) ? new String[] {"min.insync.replicas", "" + (1 + below(3))}
                : new String[] {"unclean.leader.election.enable", chance(0.5) ? "true" : "false"};
            default -> someConfig();
        };
    }
    void incrementalAlter() {
        ConfigResource resource = someResource();
        var request = new IncrementalAlterConfigsRequestData();
        var wanted = new IncrementalAlterConfigsRequestData.AlterConfigsResource().setResourceType(resource.type().id()).setResourceName(resource.name());
        Map<String, Entry<OpType, String>> changes = new LinkedHashMap<>();
        for (int i = 1 + below(2); i > 0; i--) {
            String[] config = configFor(resource);
            // Apache knows no lists among the configs of groups and client metrics; we do.
            boolean lists = resource.type() == ConfigResource.Type.TOPIC || resource.type() == ConfigResource.Type.BROKER;
            OpType op = chance(0.6) ? OpType.SET : OpType.values()[below(lists ? 4 : 2)];
            if (changes.containsKey(config[0])) continue;
            String value = op == OpType.DELETE ? null : config[1];
            changes.put(config[0], new SimpleImmutableEntry<>(op, value));
            wanted.configs().add(new IncrementalAlterConfigsRequestData.AlterableConfig().setName(config[0]).setConfigOperation(op.id()).setValue(value));
        }
        request.resources().add(wanted);
        decide("IncrementalAlterConfigs", 1, request, () -> {
            var result = configs.incrementalAlterConfigs(Map.of(resource, changes), false, true);
            ApiError error = result.response().get(resource);
            var response = new IncrementalAlterConfigsResponseData();
            response.responses().add(new IncrementalAlterConfigsResponseData.AlterConfigsResourceResponse().setResourceType(resource.type().id())
                .setResourceName(resource.name()).setErrorCode(error.error().code()).setErrorMessage(error.message()));
            return outcome(result.records(), bytes(response, 1));
        });
    }
    void legacyAlter() {
        ConfigResource resource = someResource();
        var request = new AlterConfigsRequestData();
        var wanted = new AlterConfigsRequestData.AlterConfigsResource().setResourceType(resource.type().id()).setResourceName(resource.name());
        Map<String, String> changes = new LinkedHashMap<>();
        for (int i = below(3); i > 0; i--) {
            String[] config = configFor(resource);
            if (changes.put(config[0], config[1]) == null)
                wanted.configs().add(new AlterConfigsRequestData.AlterableConfig().setName(config[0]).setValue(config[1]));
        }
        for (var config : wanted.configs()) config.setValue(changes.get(config.name()));
        request.resources().add(wanted);
        decide("AlterConfigs", 2, request, () -> {
            var result = configs.legacyAlterConfigs(Map.of(resource, changes), false, true);
            ApiError error = result.response().get(resource);
            var response = new AlterConfigsResponseData();
            response.responses().add(new AlterConfigsResponseData.AlterConfigsResourceResponse().setResourceType(resource.type().id())
                .setResourceName(resource.name()).setErrorCode(error.error().code()).setErrorMessage(error.message()));
            return outcome(result.records(), bytes(response, 2));
        });
    }
    void updateFeatures() {
        var request = new UpdateFeaturesRequestData().setTimeoutMs(1000);
        String[] all = {"metadata.version", "group.version", "transaction.version", "share.version", "eligible.leader.replicas.version", "no.such.feature"};
        String name = all[below(all.length)];
        short level = name.equals("metadata.version") ? (short) (6 + below(27)) : (short) (below(4) - (chance(0.1) ? 2 : 0));
        byte type = (byte) (chance(0.6) ? 1 : chance(0.1) ? 0 : 2 + below(2));
        request.featureUpdates().add(new UpdateFeaturesRequestData.FeatureUpdateKey().setFeature(name).setMaxVersionLevel(level).setUpgradeType(type));
        request.setValidateOnly(chance(0.2));
        decide("UpdateFeatures", 1, request, () -> {
            var result = configs.updateFeatures(Map.of(name, level), Map.of(name, FeatureUpdate.UpgradeType.fromCode(type)), request.validateOnly(), 1);
            var response = new UpdateFeaturesResponseData().setErrorMessage(null);
            ApiError error = result.response();
            if (error.isSuccess()) {
                response.results().add(new UpdateFeaturesResponseData.UpdatableFeatureResult().setFeature(name)
                    .setErrorMessage(error.error().message()));
            }
            String prefix = "The update failed for all features since the following feature had an error: ";
            return new Outcome(result.records(), error.error().code(), error.isSuccess() ? "" : prefix + error.message(),
                error.isSuccess() ? bytes(response, 1) : new byte[0]);
        });
    }
    void allocate() {
        int id = 1 + below(5);
        var request = new AllocateProducerIdsRequestData().setBrokerId(id).setBrokerEpoch(epochs.getOrDefault(id, 0L));
        decide("AllocateProducerIds", 0, request, () -> {
            var result = producerIds.generateNextProducerId(id, request.brokerEpoch());
            return outcome(result.records(), bytes(new AllocateProducerIdsResponseData().setProducerIdStart(result.response().firstProducerId())
                .setProducerIdLen(result.response().size()), 0));
        });
    }

    void electLeaders() {
        var request = new ElectLeadersRequestData().setTimeoutMs(1000).setElectionType((byte) below(2));
        String name = names[below(names.length)];
        List<Integer> partitions = new ArrayList<>();
        for (int i = 0; i <= below(3); i++) partitions.add(i);
        request.topicPartitions().add(new ElectLeadersRequestData.TopicPartitions().setTopic(name).setPartitions(partitions));
        decide("ElectLeaders", 2, request, () -> {
            var result = replication.electLeaders(request);
            return outcome(result.records(), bytes(result.response(), 2));
        });
    }
    void electByItself() {
        boolean unclean = chance(0.5);
        decide(unclean ? "ElectUncleanLeaders" : "BalanceLeaders", 0, null, () ->
            outcome((unclean ? replication.maybeElectUncleanLeaders() : replication.maybeBalancePartitionLeaders()).records(), new byte[0]));
    }
    void reassign() {
        var request = new AlterPartitionReassignmentsRequestData().setTimeoutMs(1000).setAllowReplicationFactorChange(chance(0.8));
        var asked = new ListPartitionReassignmentsRequestData().setTopics(new ArrayList<>());
        String name = names[below(names.length)];
        var topic = new AlterPartitionReassignmentsRequestData.ReassignableTopic().setName(name);
        for (int i = 0; i <= below(3); i++)
            topic.partitions().add(new AlterPartitionReassignmentsRequestData.ReassignablePartition().setPartitionIndex(i).setReplicas(chance(0.8) ? someBrokers() : null));
        request.topics().add(topic);
        asked.topics().add(new ListPartitionReassignmentsRequestData.ListPartitionReassignmentsTopics().setName(name).setPartitionIndexes(List.of(0, 1, 2, 3)));
        decide("AlterPartitionReassignments", 1, request, () -> {
            var result = replication.alterPartitionReassignments(request);
            return outcome(result.records(), bytes(result.response(), 1));
        });
        decide("ListPartitionReassignments", 0, asked, () ->
            outcome(List.of(), bytes(replication.listPartitionReassignments(asked.topics(), Long.MAX_VALUE), 0)));
    }

    static final String[] quotaKeys = {"producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate", "connection_creation_rate", "no_such_rate"};
    void alterQuotas() {
        var request = new AlterClientQuotasRequestData().setValidateOnly(chance(0.1));
        for (int n = 1 + below(3); n > 0; n--) {
            var entry = new AlterClientQuotasRequestData.EntryData();
            boolean address = chance(0.3);
            // Two faults of one entry: Apache tells of either.
            boolean odd = chance(0.1);
            if (address) {
                String[] names = {null, "10.0.0.1", "::1", "fe80::1:2", "1.2.3.4", odd ? "256.1.1.1.1" : "2001:db8::ff", odd ? "" : "9.9.9.9"};
                part(entry, "ip", names[below(names.length)]);
                if (odd && chance(0.3)) part(entry, "user", "u");
            } else {
                boolean both = chance(0.4);
                if (both || chance(0.5)) part(entry, "user", odd && chance(0.3) ? "" : chance(0.3) ? null : "u" + below(3));
                if (both || entry.entity().isEmpty()) part(entry, odd && chance(0.3) ? "group" : "client-id", chance(0.3) ? null : "c" + below(3));
                if (odd && chance(0.3)) entry.entity().clear();
            }
            List<String> keys = new ArrayList<>(List.of(quotaKeys));
            Collections.shuffle(keys, random);
            boolean wrong = chance(0.15);
            int ops = below(4);
            for (String key : keys) {
                if (!wrong && (key.equals("connection_creation_rate") != address || key.equals("no_such_rate"))) continue;
                if (entry.ops().size() >= (wrong ? 1 : ops)) break;
                double value = key.endsWith("percentage") || key.contains("mutation") ? (1 + below(1000)) / 8.0 : 1 + below(4) * 1000;
                if (wrong) value = new double[] {0, -1, 0.5, 3e9, 1e19, 1e300}[below(6)];
                entry.ops().add(new AlterClientQuotasRequestData.OpData().setKey(key).setValue(value).setRemove(chance(0.3)));
            }
            if (!entry.ops().isEmpty() && chance(0.05)) entry.ops().add(entry.ops().get(0).duplicate());
            request.entries().add(entry);
        }
        decide("AlterClientQuotas", 1, request, () -> {
            var wanted = new AlterClientQuotasRequest(request.duplicate(), (short) 1).entries();
            var result = quotas.alterClientQuotas(wanted);
            Map<org.apache.kafka.common.quota.ClientQuotaEntity, ApiError> ordered = new LinkedHashMap<>();
            for (var each : wanted) ordered.put(each.entity(), result.response().get(each.entity()));
            var response = AlterClientQuotasResponse.fromQuotaEntities(ordered, 0).data();
            for (var entry : response.entries())
                entry.entity().sort(Comparator.comparing(AlterClientQuotasResponseData.EntityData::entityType));
            return outcome(request.validateOnly() ? List.of() : result.records(), bytes(response, 1));
        });
    }
    static void part(AlterClientQuotasRequestData.EntryData entry, String type, String name) {
        entry.entity().add(new AlterClientQuotasRequestData.EntityData().setEntityType(type).setEntityName(name));
    }
    byte[] octets(int size) {
        byte[] out = new byte[size];
        random.nextBytes(out);
        return out;
    }
    void alterScram() {
        var request = new AlterUserScramCredentialsRequestData();
        String[] users = {"alice", "bob", "carol", "dave", ""};
        for (int n = below(3); n > 0; n--)
            request.deletions().add(new AlterUserScramCredentialsRequestData.ScramCredentialDeletion()
                .setName(users[below(chance(0.1) ? 5 : 4)]).setMechanism((byte) (chance(0.05) ? 3 : 1 + below(2))));
        for (int n = below(3); n > 0; n--)
            request.upsertions().add(new AlterUserScramCredentialsRequestData.ScramCredentialUpsertion()
                .setName(users[below(chance(0.1) ? 5 : 4)]).setMechanism((byte) (chance(0.05) ? 0 : 1 + below(2)))
                .setIterations(chance(0.9) ? 4096 + below(12_289) : chance(0.5) ? 4095 : 16385)
                .setSalt(octets(below(20))).setSaltedPassword(octets(chance(0.05) ? 0 : 1 + below(64))));
        decide("AlterUserScramCredentials", 0, request, () -> {
            var result = scram.alterCredentials(request.duplicate(), features.metadataVersionOrThrow());
            result.response().results().sort(Comparator.comparing(AlterUserScramCredentialsResponseData.AlterUserScramCredentialsResult::user));
            return outcome(result.records(), bytes(result.response(), 0));
        });
    }
    void runSecurity(int commands) {
        for (int i = 0; i < commands; i++) {
            if (chance(0.5)) alterQuotas(); else alterScram();
        }
    }

    void run(int commands) {
        for (int i = 0; i < 25; i++) {
            time.ms += below(300);
            if (i < 12) register(); else heartbeat(beat(1 + i % 5));
        }
        for (int i = 0; i < commands; i++) {
            time.ms += below(300);
            int kind = below(114);
            if (kind < 12) register();
            else if (kind < 45) heartbeat();
            else if (kind < 49) expire();
            else if (kind < 51) unregister();
            else if (kind < 61) createTopic();
            else if (kind < 65) createPartitions();
            else if (kind < 67) { if (i > commands / 2) deleteTopic(); }
            else if (kind < 82) alterPartition();
            else if (kind < 87) assignDirectories();
            else if (kind < 93) incrementalAlter();
            else if (kind < 96) legacyAlter();
            else if (kind < 98) updateFeatures();
            else if (kind < 100) allocate();
            else if (kind < 104) electLeaders();
            else if (kind < 106) electByItself();
            else reassign();
        }
    }

    public static void main(String[] args) throws Exception {
        if (args.length > 0 && args[0].equals("security")) {
            new Record(1, (short) 30, false).runSecurity(args.length > 1 ? Integer.parseInt(args[1]) : 400);
            new Record(2, (short) 8, false).runSecurity(30);
            Files.writeString(Path.of("security.tsv"), String.join("\n", lines) + "\n");
            System.exit(0);
        }
        int commands = args.length > 0 ? Integer.parseInt(args[0]) : 300;
        int rounds = args.length > 1 ? Integer.parseInt(args[1]) : 1;
        int scenario = 0;
        for (int round = 0; round < rounds; round++) {
            short[] levels = {30, 30, 24, 15, 8};
            for (int i = 0; i < levels.length; i++) {
                try {
                    new Record(++scenario, levels[i], i == 0 || i == 2).run(commands);
                } catch (RuntimeException e) {
                    // Apache's controller lost its way (it knows partitions of deleted topics in places).
                    System.out.println("scenario " + scenario + " ends early: " + e.getMessage());
                }
            }
        }
        Files.writeString(Path.of("commands.tsv"), String.join("\n", lines) + "\n");
        System.exit(0);
    }
}
