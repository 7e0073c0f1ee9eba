// Writes streams.tsv: what the group coordinator of Apache Kafka 4.3.1 decides about random
// commands of members of streams groups. Run as Record.java is:
//   javac -cp '.../jars/*' -d /tmp/record Record.java RecordStreams.java
//   java -cp '/tmp/record:.../jars/*' org.apache.kafka.coordinator.group.RecordStreams
// The lines are those of Record.java.
package org.apache.kafka.coordinator.group;

import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.message.StreamsGroupHeartbeatRequestData.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.coordinator.common.runtime.*;
import org.apache.kafka.coordinator.group.streams.StreamsGroupHeartbeatResult;

public class RecordStreams extends Record {
    static class Member {
        String id;
        String process;
        int epoch = 0;
        int endpoints = -1;
        boolean away;
        boolean told = true;
        int port;
        Map<String, String> tags = Map.of();
        Topology topology;
        TreeMap<String, TreeSet<Integer>> active = new TreeMap<>();
        TreeMap<String, TreeSet<Integer>> standby = new TreeMap<>();
    }

    final List<Member> members = new ArrayList<>();
    int ids = 0;

    RecordStreams(int scenario) { super(scenario); }

    // Of its own bucket: among members of one, the history of a table decides who comes first.
    String newId() {
        for (;;) {
            String id = "m" + ++ids;
            if (members.stream().noneMatch(member -> bucket(member.id) == bucket(id))) return id;
        }
    }
    static int bucket(String id) {
        return (id.hashCode() ^ id.hashCode() >>> 16) & 15;
    }

    @Override
    Map<String, Object> options() {
        Map<String, Object> props = new LinkedHashMap<>();
        props.put("group.streams.assignment.interval.ms", scenario % 3 == 0 ? 1000 : 0);
        props.put("group.streams.max.size", scenario % 5 == 0 ? 4 : 1000);
        props.put("group.streams.initial.rebalance.delay.ms", scenario % 4 == 0 ? 3000 : 0);
        props.put("group.streams.num.standby.replicas", scenario % 3);
        return props;
    }

    static TopicInfo info(String name, int partitions) {
        TopicInfo info = new TopicInfo().setName(name).setPartitions(partitions);
        info.topicConfigs().add(new StreamsGroupHeartbeatRequestData.KeyValue().setKey("cleanup.policy").setValue("compact"));
        info.topicConfigs().add(new StreamsGroupHeartbeatRequestData.KeyValue().setKey("segment.bytes").setValue("1000"));
        return info;
    }
    // One of a few, which depends on the scenario alone.
    Topology topology(int epoch) {
        int kind = scenario % 6;
        Subtopology first = new Subtopology().setSubtopologyId("0").setSourceTopics(new ArrayList<>(List.of("a")));
        Subtopology second = new Subtopology().setSubtopologyId("1").setSourceTopics(new ArrayList<>(List.of("b-1")));
        List<Subtopology> all = new ArrayList<>(List.of(first));
        if (kind >= 1) first.stateChangelogTopics().add(info("g-store-changelog", 0));
        if (kind >= 2) all.add(second);
        if (kind >= 3) {
            first.repartitionSinkTopics().add("g-by-repartition");
            second.repartitionSourceTopics().add(info("g-by-repartition", kind == 5 ? 4 : 0));
            second.stateChangelogTopics().add(info("g-sum-changelog", 0));
            second.stateChangelogTopics().add(info("g-count-changelog", 0));
        }
        if (kind >= 4) {
            second.copartitionGroups().add(new CopartitionGroup().setSourceTopics(List.of((short) 0)).setRepartitionSourceTopics(List.of((short) 0)));
            all.add(new Subtopology().setSubtopologyId("10").setSourceTopics(new ArrayList<>(List.of("c"))));
        }
        return new Topology().setEpoch(epoch).setSubtopologies(all);
    }

    static List<TaskIds> ids(TreeMap<String, TreeSet<Integer>> tasks) {
        List<TaskIds> ids = new ArrayList<>();
        tasks.forEach((subtopology, partitions) -> ids.add(new TaskIds().setSubtopologyId(subtopology).setPartitions(new ArrayList<>(partitions))));
        return ids;
    }
    static TreeMap<String, TreeSet<Integer>> tasks(List<StreamsGroupHeartbeatResponseData.TaskIds> ids) {
        TreeMap<String, TreeSet<Integer>> tasks = new TreeMap<>();
        for (var each : ids) tasks.put(each.subtopologyId(), new TreeSet<>(each.partitions()));
        return tasks;
    }

    void send(Member member, StreamsGroupHeartbeatRequestData request) {
        StreamsGroupHeartbeatResponseData response;
        String records = "";
        Map<String, CreateTopicsRequestData.CreatableTopic> missing = Map.of();
        try {
            CoordinatorResult<StreamsGroupHeartbeatResult, CoordinatorRecord> result = shard.streamsGroupHeartbeat(new Context(0), request);
            response = result.response().data();
            missing = result.response().creatableTopics();
            records = apply(result);
        } catch (ApiException error) {
            response = new StreamsGroupHeartbeatResponseData().setErrorCode(Errors.forException(error).code()).setErrorMessage(error.getMessage());
        } catch (NoSuchElementException error) {  // an endpoint while source topics are missing
            throw new IllegalStateException(error);
        }
        line("StreamsGroupHeartbeat", 0, hex.formatHex(bytes(request, 0)), hex.formatHex(bytes(response, 0)), records);
        if (chance(0.3)) {
            for (var topic : new TreeMap<>(missing).values())
                if (chance(0.9)) createTopic(topic.name(), scenario % 6 < 2 || chance(0.97) ? topic.numPartitions() : topic.numPartitions() + 1);
        }
        if (response.errorCode() != 0) {
            forget(member);
        } else if (request.memberEpoch() >= 0) {
            member.epoch = response.memberEpoch();
            member.endpoints = response.endpointInformationEpoch();
            if (response.activeTasks() != null) {
                member.active = tasks(response.activeTasks());
                member.standby = tasks(response.standbyTasks());
                member.told = false;
            }
        }
    }
    void forget(Member member) {
        member.epoch = 0;
        member.endpoints = -1;
        member.active.clear();
        member.standby.clear();
        if (chance(0.3)) member.id = newId();
    }
    StreamsGroupHeartbeatRequestData request(Member member) {
        return new StreamsGroupHeartbeatRequestData().setGroupId("g").setMemberId(member.id).setMemberEpoch(member.epoch)
            .setEndpointInformationEpoch(member.endpoints);
    }
    void beat(Member member) {
        StreamsGroupHeartbeatRequestData request = request(member);
        if (member.epoch == 0) {
            member.active.clear();
            member.standby.clear();
            request.setRebalanceTimeoutMs(60_000 + 1_000 * below(3)).setTopology(chance(0.03) ? topology(1) : topology(2)).setProcessId(member.process)
                .setActiveTasks(List.of()).setStandbyTasks(List.of()).setWarmupTasks(List.of());
            if (member.port > 0) request.setUserEndpoint(new Endpoint().setHost("host").setPort(member.port));
            List<StreamsGroupHeartbeatRequestData.KeyValue> tags = new ArrayList<>();
            member.tags.forEach((key, value) -> tags.add(new StreamsGroupHeartbeatRequestData.KeyValue().setKey(key).setValue(value)));
            request.setClientTags(tags);
        } else if (!member.told || chance(0.2)) {
            if (chance(0.8)) {
                request.setActiveTasks(ids(member.active)).setStandbyTasks(ids(member.standby)).setWarmupTasks(List.of());
                member.told = true;
            }
            if (chance(0.05)) request.setProcessId("p" + below(4));
            if (chance(0.05)) request.setRackId("rack-" + below(2));
        }
        if (chance(0.03) && member.epoch != 0) request.setMemberEpoch(Math.max(1, member.epoch + below(4) - 2));
        if (chance(0.01)) request.setShutdownApplication(true);
        send(member, request);
    }
    void leave(Member member) {
        send(member, request(member).setMemberEpoch(-1).setShutdownApplication(chance(0.1)));
        forget(member);
    }
    void commit(Member member) {
        List<String> names = new ArrayList<>(topics.keySet());
        OffsetCommitRequestData request = new OffsetCommitRequestData().setGroupId("g").setMemberId(member.id)
            .setGenerationIdOrMemberEpoch(chance(0.7) ? member.epoch : Math.max(0, member.epoch - 1 - below(2)));
        String name = names.get(below(names.size()));
        request.topics().add(new OffsetCommitRequestData.OffsetCommitRequestTopic().setName(name).setTopicId(topics.get(name)).setPartitions(List.of(
            new OffsetCommitRequestData.OffsetCommitRequestPartition().setPartitionIndex(below(partitions.get(name))).setCommittedOffset(below(100)))));
        commit(request);
    }
    void changeStreamsTopics() {
        if (chance(0.3)) {
            List<String> internal = new ArrayList<>(topics.keySet());
            internal.removeIf(name -> !name.startsWith("g-"));
            if (!internal.isEmpty()) {
                metadata(List.of(new org.apache.kafka.common.metadata.RemoveTopicRecord().setTopicId(topics.remove(internal.get(below(internal.size()))))));
                return;
            }
        }
        changeTopics();
    }

    @Override
    void run() {
        int count = 2 + below(6);
        for (int i = 0; i < count; i++) {
            Member member = new Member();
            member.id = newId();
            member.process = "p" + below(4);
            // Apache Kafka fails a member with an endpoint while source topics are missing.
            if (scenario % 6 < 2 && chance(0.5)) member.port = 1000 + i;
            if (chance(0.3)) member.tags = Map.of("zone", "z" + below(2), "cluster", "k" + below(2));
            members.add(member);
        }
        for (int turn = 0; turn < 130; turn++) {
            pass(1 + below(chance(0.05) ? 40_000 : 3_000));
            if (scenario % 6 >= 2 && chance(0.05)) changeStreamsTopics();
            Member member = members.get(below(members.size()));
            if (member.away) { member.away = !chance(0.1); continue; }
            if (chance(0.02)) { member.away = true; continue; }
            if (member.epoch > 0 && chance(0.04)) leave(member);
            else if (member.epoch > 0 && !topics.isEmpty() && chance(0.1)) commit(member);
            else beat(member);
        }
    }

    public static void main(String[] args) throws Exception {
        int scenarios = args.length > 0 ? Integer.parseInt(args[0]) : 18;
        for (int scenario = 1; scenario <= scenarios; scenario++) new RecordStreams(scenario).run();
        Files.write(Path.of(args.length > 1 ? args[1] : "streams.tsv"), lines);
        System.exit(0);
    }
}
