"""Topics: their making, growing, describing and end."""

from harness import codec, wire
from scenarios import scenario

NOBODY = "AAAAAAAAAAAAAAAAAAAAZA"


def _topic(name, partitions=1, replicas=1, **more):
    return {"Name": name, "NumPartitions": partitions, "ReplicationFactor": replicas, **more}


def _create(t, label, version, topics, validate=False, keep=True):
    raw = t.call(label, "CreateTopics", version, {
        "Topics": topics, "timeoutMs": 30000, "validateOnly": validate}, keep)
    for topic in raw["Topics"] if raw else ():
        if topic.get("TopicId", codec.ZERO_UUID) != codec.ZERO_UUID:
            t.names[topic["TopicId"]] = f"id of {topic['Name']}"
    return raw


@scenario("CreateTopics")
def creates(t):
    """Plain, with configs, with assignments, by default counts, and only validated."""
    for version in t.versions("CreateTopics"):
        name = f"create-{version}"
        good = [
            _topic(name, 3),
            _topic(f"{name}-configs", Configs=[
                {"Name": "retention.ms", "Value": "3600000"},
                {"Name": "cleanup.policy", "Value": "compact,delete"}]),
            _topic(f"{name}-assigned", -1, -1, Assignments=[
                {"PartitionIndex": 0, "BrokerIds": [1]}, {"PartitionIndex": 1, "BrokerIds": [1]}]),
        ]
        _create(t, "only validated", version, good, validate=True)
        _create(t, "good", version, good)
        _create(t, "again", version, [_topic(name)])
        if version >= 4:
            _create(t, "default counts", version, [_topic(f"{name}-defaults", -1, -1)])


@scenario("CreateTopics")
def refuses_topics(t):
    """Wrong names, counts, assignments and configs."""
    bad = {
        "empty name": _topic(""),
        "dot": _topic("."),
        "bad characters": _topic("a b"),
        "250 characters": _topic("x" * 250),
        "no partitions": _topic("refused-1", 0),
        "negative partitions": _topic("refused-2", -5),
        "no replicas": _topic("refused-3", 1, 0),
        "too many replicas": _topic("refused-4", 1, 3),
        "unknown broker": _topic("refused-5", -1, -1, Assignments=[
            {"PartitionIndex": 0, "BrokerIds": [9]}]),
        "gap in assignments": _topic("refused-6", -1, -1, Assignments=[
            {"PartitionIndex": 1, "BrokerIds": [1]}]),
        "duplicate replica": _topic("refused-7", -1, -1, Assignments=[
            {"PartitionIndex": 0, "BrokerIds": [1, 1]}]),
        "count and assignment": _topic("refused-8", 1, 1, Assignments=[
            {"PartitionIndex": 0, "BrokerIds": [1]}]),
        "unknown config": _topic("refused-9", Configs=[{"Name": "no.such", "Value": "1"}]),
        "wrong value": _topic("refused-10", Configs=[{"Name": "retention.ms", "Value": "x"}]),
        "out of range": _topic("refused-11", Configs=[{"Name": "segment.bytes", "Value": "1"}]),
        "wrong policy": _topic("refused-12", Configs=[{"Name": "cleanup.policy", "Value": "?"}]),
        "null value": _topic("refused-13", Configs=[{"Name": "retention.ms", "Value": None}]),
    }
    for label, topic in bad.items():
        _create(t, label, 7, [topic])
        _create(t, label, 2, [topic])
    _create(t, "twice in one request", 7, [_topic("refused-twice"), _topic("refused-twice", 2)])
    _create(t, "none", 7, [])
    _create(t, "collision", 7, [_topic("coll.ision")])
    _create(t, "collision of dot and underscore", 7, [_topic("coll_ision")])
    _create(t, "internal name", 7, [_topic("__cluster_metadata")])


@scenario("DeleteTopics")
def deletes(t):
    for version in t.versions("DeleteTopics"):
        first, second = f"delete-{version}-a", f"delete-{version}-b"
        t.create_topic(first)
        second_id = t.create_topic(second, 3)
        if version < 6:
            fields = {"TopicNames": [first, second, "delete-unknown"], "TimeoutMs": 30000}
        else:
            fields = {"Topics": [{"Name": first}, {"Name": None, "TopicId": second_id},
                                 {"Name": "delete-unknown"}, {"Name": None, "TopicId": NOBODY},
                                 {"Name": None}], "TimeoutMs": 30000}
        t.call("good and unknown", "DeleteTopics", version, fields)
        t.call("again", "DeleteTopics", version, fields)
        t.settle()
        t.call("after", "Metadata", 12, {"Topics": [{"Name": first}, {"Name": second}],
                                         "AllowAutoTopicCreation": False})


@scenario("DeleteTopics")
def refuses_deletes(t):
    name_id = t.create_topic("delete-odd")
    t.call("name and id", "DeleteTopics", 6, {
        "Topics": [{"Name": "delete-odd", "TopicId": name_id}], "TimeoutMs": 1000})
    t.call("twice", "DeleteTopics", 6, {
        "Topics": [{"Name": "delete-odd"}, {"Name": "delete-odd"}], "TimeoutMs": 1000})
    t.call("none", "DeleteTopics", 6, {"Topics": [], "TimeoutMs": 1000})


@scenario("CreatePartitions")
def grows(t):
    for version in t.versions("CreatePartitions"):
        name = f"grow-{version}"
        t.create_topic(name)
        cases = {
            "only validated": ({"Name": name, "Count": 2, "Assignments": None}, True),
            "two": ({"Name": name, "Count": 2, "Assignments": None}, False),
            "same count": ({"Name": name, "Count": 2, "Assignments": None}, False),
            "fewer": ({"Name": name, "Count": 1, "Assignments": None}, False),
            "zero": ({"Name": name, "Count": 0, "Assignments": None}, False),
            "assigned": ({"Name": name, "Count": 3, "Assignments": [{"BrokerIds": [1]}]}, False),
            "unknown broker": (
                {"Name": name, "Count": 4, "Assignments": [{"BrokerIds": [9]}]}, False),
            "too few assignments": (
                {"Name": name, "Count": 6, "Assignments": [{"BrokerIds": [1]}]}, False),
            "unknown topic": ({"Name": "grow-unknown", "Count": 4, "Assignments": None}, False),
        }
        for label, (topic, validate) in cases.items():
            t.call(label, "CreatePartitions", version, {
                "Topics": [topic], "TimeoutMs": 30000, "ValidateOnly": validate})
        t.await_partitions(name, 3)
        t.call("twice", "CreatePartitions", version, {"TimeoutMs": 1000, "Topics": [
            {"Name": name, "Count": 4, "Assignments": None},
            {"Name": name, "Count": 5, "Assignments": None}]})


@scenario("Metadata")
def describes_topics(t):
    topic_id = t.create_topic("metadata", 3)
    for version in t.versions("Metadata"):
        by_name = [{"Name": "metadata"}, {"Name": "metadata-unknown"}]
        quiet = {"AllowAutoTopicCreation": False} if version >= 4 else {}
        names = by_name if version >= 4 else by_name[:1]
        t.call("by name", "Metadata", version, {"Topics": names, **quiet})
        if version >= 8:
            flags = {"IncludeTopicAuthorizedOperations": True}
            if version <= 10:
                flags["IncludeClusterAuthorizedOperations"] = True
            t.call("with operations", "Metadata", version, {"Topics": names, **quiet, **flags})
        if version >= 10:
            t.call("by id", "Metadata", version, {"Topics": [
                {"Name": None, "TopicId": topic_id}, {"Name": None, "TopicId": NOBODY}], **quiet})
        if version >= 1:
            t.call("none", "Metadata", version, {"Topics": [], **quiet})
        raw = t.call("", "Metadata", version, {"Topics": None if version else [], **quiet}, False)
        raw["Topics"] = [one for one in raw["Topics"] if one["Name"] == "metadata"]
        t.note(f"Metadata v{version} all", raw)
    t.call("bad names", "Metadata", 12, {
        "Topics": [{"Name": "a b"}, {"Name": ""}, {"Name": "metadata"}, {"Name": "metadata"}],
        "AllowAutoTopicCreation": True})


@scenario("Metadata")
def makes_topics(t):
    """A topic that is asked for is made, where that is allowed."""
    for version in t.versions("Metadata"):
        name = f"metadata-made-{version}"
        flag = {"AllowAutoTopicCreation": True} if version >= 4 else {}
        t.call("unknown", "Metadata", version, {"Topics": [{"Name": name}], **flag})
        t.await_leaders(name)
        raw = t.call("", "Metadata", version, {"Topics": [{"Name": name}], **flag}, False)
        for topic in raw["Topics"]:
            t.names[topic.get("TopicId", codec.ZERO_UUID)] = f"id of {name}"
        t.names[codec.ZERO_UUID] = "no id"
        t.note(f"Metadata v{version} made", raw)


@scenario("DescribeTopicPartitions")
def pages(t):
    t.create_topic("page-a", 5)
    t.create_topic("page-b", 2)
    topics = [{"Name": "page-b"}, {"Name": "page-a"}, {"Name": "page-unknown"}]
    for version in t.versions("DescribeTopicPartitions"):
        for limit in (1, 3, 5, 6, 100, 0, -1):
            t.call(f"limit {limit}", "DescribeTopicPartitions", version, {
                "Topics": topics, "ResponsePartitionLimit": limit})
        for cursor in (("page-a", 0), ("page-a", 3), ("page-b", 1), ("page-b", 9), ("zzz", 0)):
            t.call(f"from {cursor}", "DescribeTopicPartitions", version, {
                "Topics": topics, "ResponsePartitionLimit": 3,
                "Cursor": {"TopicName": cursor[0], "PartitionIndex": cursor[1]}})
        t.call("negative cursor", "DescribeTopicPartitions", version, {
            "Topics": topics, "Cursor": {"TopicName": "page-a", "PartitionIndex": -1}})


@scenario("DescribeCluster")
def describes_cluster(t):
    for version in t.versions("DescribeCluster"):
        t.call("plain", "DescribeCluster", version)
        t.call("with operations", "DescribeCluster", version, {
            "IncludeClusterAuthorizedOperations": True})
        if version >= 1:
            for kind in (1, 2, 0, 3):
                t.call(f"endpoints {kind}", "DescribeCluster", version, {"EndpointType": kind})
        if version >= 2:
            t.call("fenced too", "DescribeCluster", version, {"IncludeFencedBrokers": True})


@scenario("ApiVersions")
def advertises(t):
    """Every range that the node gives is Apache's; the node may still lack some APIs."""
    for version in range(0, 5):
        software = {"ClientSoftwareName": "interop", "ClientSoftwareVersion": "1.0"}
        raw = t.connection.call("ApiVersions", version, software if version >= 3 else {})
        raw["ApiKeys"] = [one for one in raw["ApiKeys"] if one["ApiKey"] in MAIN_JOB]
        t.note(f"ApiVersions v{version}", raw)
    for name, text in (("", "1"), ("a b", "1"), ("a", ""), ("-a", "1"), ("a", "1_0")):
        t.call(f"software {name!r} {text!r}", "ApiVersions", 4, {
            "ClientSoftwareName": name, "ClientSoftwareVersion": text})


MAIN_JOB_NAMES = """
ApiVersions Metadata DescribeCluster DescribeTopicPartitions CreateTopics DeleteTopics
CreatePartitions Produce Fetch ListOffsets OffsetForLeaderEpoch DeleteRecords InitProducerId
FindCoordinator JoinGroup SyncGroup Heartbeat LeaveGroup OffsetCommit OffsetFetch OffsetDelete
DescribeGroups ListGroups DeleteGroups DescribeConfigs IncrementalAlterConfigs AlterConfigs
AlterReplicaLogDirs DescribeLogDirs DescribeProducers WriteTxnMarkers DescribeQuorum
ListConfigResources UpdateFeatures
""".split()
MAIN_JOB = {wire.schema.apis()[name].key for name in MAIN_JOB_NAMES}
