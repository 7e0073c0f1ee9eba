"""Configs, features, log directories, the quorum."""

from scenarios import scenario

TOPIC, BROKER, LOGGER, METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
BROKER_KEYS = """
advertised.listeners auto.create.topics.enable background.threads broker.id broker.rack
compression.type connections.max.idle.ms controller.listener.names controlled.shutdown.enable
default.replication.factor delete.topic.enable fetch.max.bytes group.initial.rebalance.delay.ms
group.max.session.timeout.ms group.min.session.timeout.ms inter.broker.listener.name
log.cleaner.threads
log.cleanup.policy log.flush.interval.messages log.index.interval.bytes
log.message.timestamp.type log.retention.bytes log.retention.hours log.retention.ms
log.roll.hours log.segment.bytes max.connections max.connections.per.ip message.max.bytes
min.insync.replicas node.id num.io.threads num.network.threads num.partitions
offsets.retention.minutes offsets.topic.num.partitions offsets.topic.replication.factor
process.roles producer.id.expiration.ms queued.max.requests replica.lag.time.max.ms
request.timeout.ms sasl.enabled.mechanisms socket.request.max.bytes ssl.keystore.password
transaction.max.timeout.ms unclean.leader.election.enable
""".split()


def _known_keys(raw, only=None):
    """Without what only Millrace has, and with documentation as a mere yes or no."""
    for result in raw["Results"] if raw else ():
        if only:
            result["Configs"] = [one for one in result["Configs"] if one["Name"] in only]
        for config in result["Configs"]:
            if config.get("Documentation"):
                config["Documentation"] = "<text>"
    return raw


@scenario("DescribeConfigs")
def topic_configs(t):
    t.create_topic("configured", configs={"retention.ms": "1234567", "segment.bytes": "2000000"})

    def ask(label, version, name="configured", keys=None, **flags):
        raw = t.call("", "DescribeConfigs", version, {**flags, "Resources": [
            {"ResourceType": TOPIC, "ResourceName": name, "ConfigurationKeys": keys}]}, False)
        t.note(f"DescribeConfigs v{version} {label}", _known_keys(raw))

    for version in t.versions("DescribeConfigs"):
        ask("all", version)
        ask("synonyms", version, IncludeSynonyms=True)
        ask("some", version, keys=["retention.ms", "cleanup.policy", "no.such"])
        ask("no keys", version, keys=[])
        ask("unknown topic", version, name="configured-unknown")
        ask("bad name", version, name="a b")
        if version >= 3:
            ask("documented", version, IncludeDocumentation=True)


@scenario("DescribeConfigs")
def broker_configs(t):
    def ask(label, version, name, keys=None, **flags):
        raw = t.call("", "DescribeConfigs", version, {**flags, "Resources": [
            {"ResourceType": BROKER, "ResourceName": name, "ConfigurationKeys": keys}]}, False)
        t.note(f"DescribeConfigs v{version} {label}", _known_keys(raw, BROKER_KEYS))

    for version in t.versions("DescribeConfigs"):
        ask("all of the broker", version, "1")
        ask("synonyms", version, "1", IncludeSynonyms=True)
        ask("some", version, "1", BROKER_KEYS[:8] + ["no.such"], IncludeSynonyms=True)
        ask("cluster default", version, "")
        ask("another broker", version, "7")
        ask("no number", version, "x")


@scenario("DescribeConfigs")
def other_resources(t):
    for version in t.versions("DescribeConfigs"):
        for kind, name in ((GROUP, "some-group"), (METRICS, "some-metrics"), (0, "x"), (99, "x"),
                           (1, "x")):
            raw = t.call("", "DescribeConfigs", version, {"Resources": [
                {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": None}]}, False)
            t.note(f"DescribeConfigs v{version} type {kind}", _known_keys(raw))


def _read(t, kind, name, keys):
    raw = t.connection.call("DescribeConfigs", 4, {"Resources": [
        {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": keys}],
        "IncludeSynonyms": True})
    return _known_keys(raw)


@scenario("IncrementalAlterConfigs")
def alters_step_by_step(t):
    t.create_topic("altered")
    keys = ["retention.ms", "cleanup.policy", "segment.bytes", "compression.type",
            "leader.replication.throttled.replicas"]
    for version in t.versions("IncrementalAlterConfigs"):
        def alter(label, *steps, kind=TOPIC, name="altered", validate=False):
            t.call(label, "IncrementalAlterConfigs", version, {
                "ValidateOnly": validate, "Resources": [
                    {"ResourceType": kind, "ResourceName": name, "Configs": [
                        {"Name": n, "ConfigOperation": o, "Value": v} for n, o, v in steps]}]})
            if kind == TOPIC and name == "altered":
                t.settle()
                t.note(f"IncrementalAlterConfigs v{version} after {label}",
                       _read(t, kind, name, keys))

        alter("validated", ("retention.ms", SET, "1"), validate=True)
        alter("set", ("retention.ms", SET, "777"), ("segment.bytes", SET, "1048576"))
        alter("delete", ("retention.ms", DELETE, None))
        alter("append", ("cleanup.policy", APPEND, "compact"))
        alter("subtract", ("cleanup.policy", SUBTRACT, "compact"))
        alter("append to no list", ("retention.ms", APPEND, "1"))
        alter("subtract what is not there", ("cleanup.policy", SUBTRACT, "compact"))
        alter("wrong value", ("retention.ms", SET, "many"))
        alter("out of range", ("segment.bytes", SET, "3"))
        alter("unknown key", ("no.such", SET, "3"))
        alter("null value", ("retention.ms", SET, None))
        alter("twice the key", ("retention.ms", SET, "1"), ("retention.ms", DELETE, None))
        alter("unknown operation", ("retention.ms", 9, "1"))
        alter("wrong codec", ("compression.type", SET, "brotli"))
        alter("throttled replicas", ("leader.replication.throttled.replicas", SET, "0:1,1:1"))
        alter("wrong throttled replicas", ("leader.replication.throttled.replicas", SET, "x"))
        alter("unknown topic", ("retention.ms", SET, "1"), name="altered-unknown")
        alter("nothing")
        alter("unknown type", ("retention.ms", SET, "1"), kind=77)
        alter("empty topic name", ("retention.ms", SET, "1"), name="")


@scenario("IncrementalAlterConfigs")
def alters_brokers(t):
    for version in t.versions("IncrementalAlterConfigs"):
        def alter(label, name, key, operation, value):
            t.call(label, "IncrementalAlterConfigs", version, {"Resources": [
                {"ResourceType": BROKER, "ResourceName": name, "Configs": [
                    {"Name": key, "ConfigOperation": operation, "Value": value}]}]})
            t.settle()
            for read in ("1", ""):
                t.note(f"IncrementalAlterConfigs v{version} {label} of {read or 'all'}",
                       _read(t, BROKER, read, [key]))

        alter("own", "1", "log.cleaner.threads", SET, "2")
        alter("own gone", "1", "log.cleaner.threads", DELETE, None)
        alter("cluster-wide", "", "message.max.bytes", SET, "2000000")
        alter("cluster-wide gone", "", "message.max.bytes", DELETE, None)
        alter("read only", "1", "node.id", SET, "2")
        alter("read only cluster-wide", "", "process.roles", SET, "broker")
        alter("wrong value", "1", "message.max.bytes", SET, "x")
        alter("unknown key", "1", "no.such", SET, "x")
        alter("unknown key gone", "1", "no.such", DELETE, None)
        alter("another broker", "9", "log.cleaner.threads", SET, "2")
        alter("no number", "x", "log.cleaner.threads", SET, "2")


@scenario("IncrementalAlterConfigs")
def alters_groups(t):
    for name, key, value in (
            ("altered-group", "consumer.session.timeout.ms", "50000"),
            ("altered-group", "consumer.session.timeout.ms", "1"),
            ("altered-group", "no.such", "1"), ("", "consumer.session.timeout.ms", "50000")):
        t.call(f"{name} {key} {value}", "IncrementalAlterConfigs", 1, {"Resources": [
            {"ResourceType": GROUP, "ResourceName": name, "Configs": [
                {"Name": key, "ConfigOperation": SET, "Value": value}]}]})
    t.settle()
    t.note("group after", _read(t, GROUP, "altered-group", None))


@scenario("AlterConfigs")
def alters_whole(t):
    t.create_topic("replaced", configs={"retention.ms": "5", "segment.bytes": "2000000"})
    keys = ["retention.ms", "cleanup.policy", "segment.bytes"]
    for version in t.versions("AlterConfigs"):
        def alter(label, configs, name="replaced", kind=TOPIC, validate=False):
            t.call(label, "AlterConfigs", version, {"ValidateOnly": validate, "Resources": [
                {"ResourceType": kind, "ResourceName": name, "Configs": [
                    {"Name": n, "Value": v} for n, v in configs.items()]}]})
            t.settle()
            t.note(f"AlterConfigs v{version} after {label}", _read(t, TOPIC, "replaced", keys))

        alter("validated", {"retention.ms": "6"}, validate=True)
        alter("one", {"retention.ms": "7"})
        alter("another", {"cleanup.policy": "compact"})
        alter("wrong value", {"retention.ms": "x"})
        alter("unknown key", {"no.such": "x"})
        alter("null value", {"retention.ms": None})
        alter("unknown topic", {"retention.ms": "7"}, name="replaced-unknown")
        alter("none", {})
        alter("unknown type", {"retention.ms": "7"}, kind=55)


@scenario("ListConfigResources")
def lists_resources(t):
    t.create_topic("resource")
    for version in t.versions("ListConfigResources"):
        for kinds in ([], [TOPIC], [BROKER], [LOGGER], [METRICS], [GROUP], [TOPIC, BROKER], [99]):
            if version == 0 and kinds:
                continue
            fields = {"ResourceTypes": kinds} if version else {}
            raw = t.call("", "ListConfigResources", version, fields, False)
            if raw:
                raw["ConfigResources"] = [
                    one for one in raw["ConfigResources"]
                    if one.get("ResourceType") not in (TOPIC, GROUP)
                    or one["ResourceName"] == "resource"]
            t.note(f"ListConfigResources v{version} {kinds}", raw)


@scenario("DescribeLogDirs")
def log_directories(t):
    t.create_topic("dirs", 2)
    t.produce("dirs", "a", "b", "c")
    for version in t.versions("DescribeLogDirs"):
        t.call("some", "DescribeLogDirs", version, {"Topics": [
            {"Topic": "dirs", "Partitions": [0, 1, 9]},
            {"Topic": "dirs-unknown", "Partitions": [0]}]})
        t.call("none", "DescribeLogDirs", version, {"Topics": []})
        raw = t.call("", "DescribeLogDirs", version, {"Topics": None}, False)
        for result in raw["Results"]:
            result["Topics"] = [one for one in result["Topics"] if one["Name"] == "dirs"]
        t.note(f"DescribeLogDirs v{version} all", raw)


@scenario("AlterReplicaLogDirs")
def moves_of_replicas(t):
    t.create_topic("moved", 2)
    here = str(t.node.data)
    for version in t.versions("AlterReplicaLogDirs"):
        def ask(label, *wanted):
            t.call(label, "AlterReplicaLogDirs", version, {"Dirs": [
                {"Path": path, "Topics": [{"Name": topic, "Partitions": partitions}]}
                for path, topic, partitions in wanted]})

        ask("to where it lies", (here, "moved", [0, 1]))
        ask("to where nothing is", (here + "-unknown", "moved", [0]))
        ask("no path", ("", "moved", [0]))
        ask("relative path", ("data", "moved", [0]))
        ask("unknown topic", (here, "moved-unknown", [0]))
        ask("unknown topic to where nothing is", (here + "-unknown", "moved-unknown", [0]))
        ask("unknown partition", (here, "moved", [9, -1]))
        ask("longest name", (here, "n" * 214, [0]))
        ask("too long a name", (here, "n" * 215, [0]))
        ask("named twice", (here + "-unknown", "moved", [0]), (here, "moved", [0]))
        t.call("nothing", "AlterReplicaLogDirs", version, {"Dirs": []})
        t.call("no topics", "AlterReplicaLogDirs", version, {"Dirs": [
            {"Path": here, "Topics": []}]})


@scenario("DescribeQuorum")
def quorum(t):
    def ask(label, version, topic, partition):
        raw = t.call("", "DescribeQuorum", version, {"Topics": [
            {"TopicName": topic, "Partitions": [{"PartitionIndex": partition}]}]}, False)
        for found in raw["Topics"] if raw else ():
            for one in found["Partitions"]:
                one["HighWatermark"] = one["HighWatermark"] > 0
                one["LeaderEpoch"] = one["LeaderEpoch"] > 0
                for replica in one["CurrentVoters"] + one["Observers"]:
                    replica["LogEndOffset"] = replica["LogEndOffset"] > 0
        t.note(f"DescribeQuorum v{version} {label}", raw)

    for version in t.versions("DescribeQuorum"):
        ask("metadata", version, "__cluster_metadata", 0)
        ask("another partition", version, "__cluster_metadata", 1)
        ask("another topic", version, "no-such", 0)


@scenario("UpdateFeatures")
def features(t):
    for version in t.versions("UpdateFeatures"):
        def update(label, *updates, validate=True):
            fields = {"timeoutMs": 30000, "FeatureUpdates": [
                {"Feature": name, "MaxVersionLevel": level, **(
                    {"UpgradeType": kind} if version else {"AllowDowngrade": kind > 1})}
                for name, level, kind in updates]}
            if version:
                fields["ValidateOnly"] = validate
            t.call(label, "UpdateFeatures", version, fields)

        update("unknown feature", ("no.such", 1, 1))
        update("too high", ("metadata.version", 99, 1))
        update("the same", ("metadata.version", 30, 1))
        update("zero", ("metadata.version", 0, 1))
        update("negative", ("metadata.version", -1, 1))
        update("none")
        if version:
            update("downgrade as upgrade", ("metadata.version", 29, 1))
            update("downgrade", ("metadata.version", 29, 2))
            update("unknown type", ("metadata.version", 30, 0))
            update("of a group", ("group.version", 0, 2))
            update("two, one wrong", ("group.version", 0, 2), ("no.such", 1, 1))


@scenario("UpdateFeatures")
def features_really(t):
    for level, kind in ((0, 2), (1, 1)):
        t.call(f"to {level}", "UpdateFeatures", 2, {"timeoutMs": 30000, "FeatureUpdates": [
            {"Feature": "group.version", "MaxVersionLevel": level, "UpgradeType": kind}]})
        t.settle()
        raw = t.call("", "ApiVersions", 4, {
            "ClientSoftwareName": "interop", "ClientSoftwareVersion": "1"}, False)
        t.note(f"finalized at {level}", {"Finalized": raw["FinalizedFeatures"]})
