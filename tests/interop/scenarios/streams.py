"""Streams groups (KIP-1071): members, topologies and their internal topics, tasks, offsets."""

from harness.processes import wait_until
from scenarios import scenario

NOT_READY = {14, 15, 16}
MEMBER, OTHER = "member-1", "member-2"


def at_once(t, group, **configs):
    """Assignments of the group need not wait."""
    configs = {"streams.initial.rebalance.delay.ms": 0, "streams.assignment.interval.ms": 0,
               **configs}
    t.connection.call("IncrementalAlterConfigs", 1, {"Resources": [{
        "ResourceType": 32, "ResourceName": group, "Configs": [
            {"Name": name, "ConfigOperation": 0, "Value": str(value)}
            for name, value in configs.items()]}]})
    t.settle()


def info(name, partitions=0, **configs):
    return {"Name": name, "Partitions": partitions, "ReplicationFactor": 0,
            "TopicConfigs": [{"Key": key, "Value": value} for key, value in configs.items()]}


def subtopology(name, *sources, changelogs=(), sinks=(), repartition=(), together=()):
    return {"SubtopologyId": name, "SourceTopics": list(sources), "SourceTopicRegex": [],
            "StateChangelogTopics": list(changelogs), "RepartitionSinkTopics": list(sinks),
            "RepartitionSourceTopics": list(repartition), "CopartitionGroups": [
                {"SourceTopics": external, "SourceTopicRegex": [],
                 "RepartitionSourceTopics": internal} for external, internal in together]}


def heartbeat(group, epoch, member=MEMBER, subtopologies=None, owned=None, **more):
    fields = {"GroupId": group, "MemberId": member, "MemberEpoch": epoch,
              "EndpointInformationEpoch": -1, **more}
    if subtopologies is not None:
        fields |= {"Topology": {"Epoch": fields.pop("TopologyEpoch", 0),
                                "Subtopologies": subtopologies},
                   "RebalanceTimeoutMs": 60000, "ProcessId": "process-1", "ActiveTasks": [],
                   "StandbyTasks": [], "WarmupTasks": [], "ClientTags": [], **more}
        fields.pop("TopologyEpoch", None)
    if owned is not None:
        fields |= {"ActiveTasks": [{"SubtopologyId": name, "Partitions": partitions}
                                   for name, partitions in owned.items()],
                   "StandbyTasks": [], "WarmupTasks": []}
    return fields


def beat(t, label, *arguments, keep=True, **more):
    """A heartbeat that a coordinator has answered."""
    fields = heartbeat(*arguments, **more)
    held = {}

    def answered():
        held["told"] = t.connection.call("StreamsGroupHeartbeat", 0, fields)
        return held["told"]["ErrorCode"] not in NOT_READY
    wait_until(answered, 60, f"a coordinator of {fields['GroupId']}")
    if keep:
        t.note(f"StreamsGroupHeartbeat v0 {label}", held["told"])
    return held["told"]


def describe(t, label, *groups):
    t.call(label, "StreamsGroupDescribe", 0,
           {"GroupIds": list(groups), "IncludeAuthorizedOperations": True})


@scenario("StreamsGroupHeartbeat")
def members_of_streams_groups(t):
    t.create_topic("streamed", 2)
    plain = [subtopology("0", "streamed")]
    refused = "streams-refused"
    cases = {
        "no member": heartbeat(refused, 0, "", plain),
        "no group": heartbeat("", 0, MEMBER, plain),
        "instance": heartbeat(refused, 0, MEMBER, plain, InstanceId="i"),
        "empty rack": heartbeat(refused, 0, MEMBER, plain, RackId=""),
        "no topology": heartbeat(refused, 0),
        "no rebalance timeout": heartbeat(refused, 0, MEMBER, plain, RebalanceTimeoutMs=-1),
        "owns when joining": heartbeat(refused, 0, MEMBER, plain, owned={"0": [0]}),
        "epoch -2": heartbeat(refused, -2),
        "epoch -3": heartbeat(refused, -3),
        "topology later": heartbeat(refused, 1, MEMBER, plain),
        "some tasks alone": heartbeat(refused, 1, ActiveTasks=[]),
        "warm-up tasks": heartbeat(refused, 1, ActiveTasks=[], StandbyTasks=[], WarmupTasks=[
            {"SubtopologyId": "0", "Partitions": [0]}]),
        "task offsets": heartbeat(refused, 1, TaskOffsets=[]),
        "unknown group": heartbeat(refused, 1),
        "leaves an unknown group": heartbeat(refused, -1),
        "internal topic": heartbeat(refused, 0, MEMBER, [subtopology("0", "__consumer_offsets")]),
        "bad topic": heartbeat(refused, 0, MEMBER, [subtopology("0", "a b")]),
        "pattern": heartbeat(refused, 0, MEMBER, [
            subtopology("0", "streamed") | {"SourceTopicRegex": ["x.*"]}]),
        "changelog with partitions": heartbeat(refused, 0, MEMBER, [
            subtopology("0", "streamed", changelogs=[info("c-changelog", 3)])]),
    }
    for label, fields in cases.items():
        t.call(label, "StreamsGroupHeartbeat", 0, fields)
    group = "streams-members"
    at_once(t, group)
    told = beat(t, "joins", group, 0, MEMBER, plain,
                UserEndpoint={"Host": "host", "Port": 1}, RackId="rack",
                ClientTags=[{"Key": "zone", "Value": "z"}])
    epoch = told["MemberEpoch"]
    t.call("beats", "StreamsGroupHeartbeat", 0,
           heartbeat(group, epoch, owned={"0": [0, 1]}))
    t.call("has no such task", "StreamsGroupHeartbeat", 0,
           heartbeat(group, epoch, owned={"0": [7]}))
    t.call("is ahead", "StreamsGroupHeartbeat", 0, heartbeat(group, epoch + 5))
    t.call("is nobody", "StreamsGroupHeartbeat", 0, heartbeat(group, epoch, OTHER))
    t.call("another topology", "StreamsGroupHeartbeat", 0,
           heartbeat(group, 0, OTHER, [subtopology("0", "streamed", sinks=["x"])]))
    describe(t, "one member", group, refused, "")
    t.call("list", "ListGroups", 5, {"TypesFilter": ["streams"], "StatesFilter": ["Stable"]})
    t.call("of another kind", "ConsumerGroupDescribe", 0, {"GroupIds": [group]})
    t.call("of another kind", "ShareGroupDescribe", 1, {"GroupIds": [group]})
    t.call("of another kind", "DescribeGroups", 6, {"Groups": [group]})
    t.call("of another kind", "ConsumerGroupHeartbeat", 1, {
        "GroupId": group, "MemberId": OTHER, "MemberEpoch": 0, "RebalanceTimeoutMs": 60000,
        "SubscribedTopicNames": ["streamed"], "TopicPartitions": []})
    t.call("classic", "JoinGroup", 9, {
        "GroupId": group, "SessionTimeoutMs": 10000, "RebalanceTimeoutMs": 10000, "MemberId": "",
        "ProtocolType": "consumer", "Protocols": [{"Name": "range", "Metadata": b""}]})
    commits_of_members(t, group, epoch)
    t.call("delete with a member", "DeleteGroups", 2, {"GroupsNames": [group]})
    second = beat(t, "another joins", group, 0, OTHER, plain, ProcessId="process-2")
    beat(t, "is to give back", group, epoch, owned={"0": [0, 1]})
    beat(t, "gives back", group, epoch, owned={"0": [0]})
    beat(t, "gets it", group, second["MemberEpoch"], OTHER, owned={})
    describe(t, "two members", group)
    t.call("leaves", "StreamsGroupHeartbeat", 0, heartbeat(group, -1))
    t.call("wants all to end", "StreamsGroupHeartbeat", 0,
           heartbeat(group, -1, OTHER, ShutdownApplication=True))
    describe(t, "it empty", group)
    t.call("delete", "DeleteGroups", 2, {"GroupsNames": [group]})
    describe(t, "it gone", group)


def commits_of_members(t, group, epoch):
    for label, version, member, its_epoch, topic in [
            ("of a member", 9, MEMBER, epoch, "streamed"), ("old", 8, MEMBER, epoch, "streamed"),
            ("ahead", 9, MEMBER, epoch + 1, "streamed"),
            ("behind", 9, MEMBER, epoch - 1, "streamed"),
            ("behind, not read", 9, MEMBER, epoch - 1, "elsewhere"),
            ("of nobody", 9, OTHER, epoch, "streamed"), ("from outside", 9, "", -1, "streamed")]:
        t.call(label, "OffsetCommit", version, {
            "GroupId": group, "GenerationIdOrMemberEpoch": its_epoch, "MemberId": member,
            "Topics": [{"Name": topic, "Partitions": [
                {"PartitionIndex": 0, "CommittedOffset": 5, "CommittedMetadata": ""}]}]})
    for label, member, its_epoch in [("of a member", MEMBER, epoch), ("ahead", MEMBER, epoch + 1),
                                     ("of nobody", OTHER, epoch), ("from outside", None, -1)]:
        t.call(label, "OffsetFetch", 9, {"Groups": [{
            "GroupId": group, "MemberId": member, "MemberEpoch": its_epoch,
            "Topics": [{"Name": "streamed", "PartitionIndexes": [0]}]}]})
    t.call("of a topic that is read", "OffsetDelete", 0, {"GroupId": group, "Topics": [
        {"Name": "streamed", "Partitions": [{"PartitionIndex": 0}]},
        {"Name": "elsewhere", "Partitions": [{"PartitionIndex": 0}]}]})


@scenario("StreamsGroupDescribe")
def topologies(t):
    """Which internal topics follow from a topology, and what is wrong with others."""
    t.create_topic("wide", 3)
    t.create_topic("narrow", 1)
    through = dict(sinks=["made-repartition"])
    cases = {
        "missing sources": [subtopology("0", "nowhere", "wide", "neither")],
        "no sources": [subtopology("0")],
        "never written": [subtopology("0", "wide"),
                          subtopology("1", repartition=[info("lost-repartition")])],
        "in a loop": [subtopology("0", sinks=["loop-repartition"],
                                  repartition=[info("loop-repartition")])],
        "not together": [subtopology("0", "wide", "narrow", together=[([0, 1], [])])],
        "fixed otherwise": [
            subtopology("0", "narrow", sinks=["fixed-repartition"]),
            subtopology("1", "wide", repartition=[info("fixed-repartition", 2)],
                        together=[([0], [0])])],
    }
    for number, (label, subtopologies) in enumerate(cases.items()):
        group = f"topology-{number}"
        at_once(t, group)
        beat(t, label, group, 0, MEMBER, subtopologies)
        describe(t, label, group)
    group = "topology-made"
    at_once(t, group, **{"streams.num.standby.replicas": 1})
    whole = [
        subtopology("0", "wide", changelogs=[info("made-a-changelog", **{
            "cleanup.policy": "compact", "segment.bytes": "2000000"})], **through),
        subtopology("1", "narrow", repartition=[info("made-repartition", **{
            "cleanup.policy": "delete"})], changelogs=[info("made-b-changelog")])]
    epoch = beat(t, "internal topics are missing", group, 0, MEMBER, whole)["MemberEpoch"]
    for topic in ("made-repartition", "made-a-changelog", "made-b-changelog"):
        t.await_partitions(topic, 3)
    t.settle()
    told = beat(t, "they are there", group, epoch, owned={})
    describe(t, "they are there", group)
    t.call("of what was made", "DescribeConfigs", 4, {"Resources": [
        {"ResourceType": 2, "ResourceName": "made-a-changelog",
         "ConfigurationKeys": ["cleanup.policy", "segment.bytes"]},
        {"ResourceType": 2, "ResourceName": "made-repartition",
         "ConfigurationKeys": ["cleanup.policy"]}]})
    t.call("deleted", "DeleteTopics", 6, {"TimeoutMs": 30000, "Topics": [
        {"Name": "made-b-changelog"}]})
    t.settle()
    t.create_topic("made-b-changelog", 5)
    beat(t, "one is otherwise", group, told["MemberEpoch"], owned={"0": [0, 1, 2], "1": [0, 1, 2]})
    describe(t, "one is otherwise", group)
