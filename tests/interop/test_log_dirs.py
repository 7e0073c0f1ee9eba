"""Several log directories: replicas move between them while they are written, one is cordoned, one
fails. Apache and the node are asked the same, and either goes on with what the other left."""

import json
import subprocess

import pytest

from harness import disks
from harness import node as nodes
from harness import records, sweep, wire
from harness.drivers import Driver, DriverError
from harness.processes import wait_until

BROKER, SET, DELETE = 4, 0, 1
LIMIT = "replica.alter.log.dirs.io.max.bytes.per.second"
CORDONED = "cordoned.log.dirs"
VALUE = "v" * 5000


def directories(node):
    return [f"{node.data}/{name}" for name in "abc"]


def several(kind, folder, **overrides):
    data = folder / "data"
    return nodes.make(kind, folder, metadata__log__dir=data / "meta",
                      log__dirs=",".join(str(data / name) for name in "abc"), **overrides)


def describe(connection, topic):
    """{(partition, is it a copy): (path, bytes, lag)} of one topic, and the errors of paths."""
    answer = connection.call("DescribeLogDirs", 4, {"Topics": None})
    errors = {one["LogDir"]: one["ErrorCode"] for one in answer["Results"]}
    found = {}
    for one in answer["Results"]:
        for partitions in (each["Partitions"] for each in one["Topics"] if each["Name"] == topic):
            for each in partitions:
                key = (each["PartitionIndex"], each["IsFutureKey"])
                if key in found:  # Apache shows both for the moment of the switch
                    key = (*key, "twice")
                found[key] = (one["LogDir"], each["PartitionSize"], each["OffsetLag"])
    return found, errors


def move(connection, topic, path, partitions):
    answer = connection.call("AlterReplicaLogDirs", 2, {"Dirs": [
        {"Path": str(path), "Topics": [{"Name": topic, "Partitions": partitions}]}]})
    return [one["ErrorCode"] for one in answer["Results"][0]["Partitions"]]


def await_moved(connection, topic, path, count):
    def done():
        found, _ = describe(connection, topic)
        return found.keys() == {(i, False) for i in range(count)} and all(
            where == str(path) for where, _, _ in found.values())
    wait_until(done, 60, lambda: f"{topic} in {path}: {describe(connection, topic)}")


def configure(connection, name, value, broker=""):
    answer = connection.call("IncrementalAlterConfigs", 1, {"Resources": [{
        "ResourceType": BROKER, "ResourceName": broker, "Configs": [{
            "Name": name, "ConfigOperation": DELETE if value is None else SET, "Value": value}]}]})
    return answer["Responses"][0]["ErrorCode"]


def is_cordoned(connection, path):
    results = connection.call("DescribeLogDirs", 5, {"Topics": []})["Results"]
    return next(one["IsCordoned"] for one in results if one["LogDir"] == path)


def create(connection, topic, partitions):
    return connection.call("CreateTopics", 7, {"timeoutMs": 30000, "Topics": [{
        "Name": topic, "NumPartitions": partitions, "ReplicationFactor": 1}]})[
            "Topics"][0]["ErrorCode"]


def read_all(connection, topic, partition):
    values, offset = [], 0
    while True:
        answer = connection.call("Fetch", 11, {
            "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 8 << 20, "Topics": [{
                "Topic": topic, "Partitions": [{"Partition": partition, "FetchOffset": offset,
                                                "PartitionMaxBytes": 4 << 20}]}]})
        one = answer["Responses"][0]["Partitions"][0]
        assert one["ErrorCode"] == 0, one
        batches = records.parse(one["Records"] or b"")
        if not batches:
            return values
        values += [(r[0], r[2]) for batch in batches for r in batch["records"]]
        offset = values[-1][0] + 1


def exercise(t):
    """Moves, errors and cordons: what a client sees of them."""
    a, b, c = directories(t.node)
    call = t.connection.call

    def shown(label):
        raw = call("DescribeLogDirs", t.versions("DescribeLogDirs")[-1], {"Topics": [
            {"Topic": name, "Partitions": [0, 1, 2]} for name in ("moved", "later")]})
        t.note(label, raw)

    t.create_topic("moved", 3)
    for partition in range(3):
        t.produce("moved", "one", "two", partition=partition)
    t.answers.append(("gathered", move(t.connection, "moved", a, [0, 1, 2])))
    await_moved(t.connection, "moved", a, 3)
    shown("gathered")
    t.answers.append(("moved on", move(t.connection, "moved", b, [0, 1, 2])))
    t.produce("moved", "three", partition=1)
    await_moved(t.connection, "moved", b, 3)
    t.produce("moved", "four", partition=1)
    shown("moved on")
    t.answers.append(("records", read_all(t.connection, "moved", 1)))
    t.answers.append(("unknown directory", move(t.connection, "moved", c + "c", [0])))

    t.answers.append(("not there yet", move(t.connection, "later", c, [0, 1])))
    t.create_topic("later", 2)
    shown("made where it was asked for")

    t.answers.append(("cordoned unknown", configure(t.connection, CORDONED, c + "c", "1")))
    t.answers.append(("cordoned for all", configure(t.connection, CORDONED, c, "")))
    t.answers.append(("all and another", configure(t.connection, CORDONED, f"*,{c}", "1")))
    t.answers.append(("cordoned", configure(t.connection, CORDONED, c, "1")))
    wait_until(lambda: is_cordoned(t.connection, c), 30, "a cordon")
    shown("cordoned")
    t.answers.append(("into the cordoned one", move(t.connection, "moved", c, [0])))
    t.answers.append(("out of the cordoned one", move(t.connection, "later", a, [0])))
    t.create_topic("around", 8)
    found, _ = describe(t.connection, "around")
    t.answers.append(("around", sorted({where == c for where, _, _ in found.values()})))
    t.answers.append(("all cordoned", configure(t.connection, CORDONED, "*", "1")))
    wait_until(lambda: create(t.connection, "nowhere", 1) != 0, 30, "a refusal")
    t.answers.append(("nowhere", create(t.connection, "nowhere-2", 1)))
    t.answers.append(("free again", configure(t.connection, CORDONED, None, "1")))
    wait_until(lambda: create(t.connection, "somewhere", 1) in (0, 36), 30, "a place")


def tells_the_controller(t):
    """AssignReplicasToDirs at the controller's listener, from brokers that it does not know."""
    _, _, c = directories(t.node)
    t.create_topic("told", 1)
    with wire.Connection(t.node.controller_port) as controller:
        for label, broker, epoch in (("stale", 1, -1), ("of the future", 1, 1 << 40),
                                     ("unknown broker", 7, 0)):
            answer = controller.call("AssignReplicasToDirs", 0, {
                "BrokerId": broker, "BrokerEpoch": epoch, "Directories": [{
                    "Id": "AAAAAAAAAAAAAAAAAAAACQ", "Topics": [{
                        "TopicId": "AAAAAAAAAAAAAAAAAAAACQ",
                        "Partitions": [{"PartitionIndex": 0}]}]}]})
            t.note(label, answer)


def test_answers_are_apaches(folder):
    transcripts = []
    for kind in ("apache", "millrace"):
        node = several(kind, folder / f"log-dirs-{kind}").start()
        try:
            transcript = sweep.Transcript(node)
            transcripts.append(transcript)
            exercise(transcript)
            tells_the_controller(transcript)
            transcript.close()
            assert node.alive(), node.tail()
        finally:
            node.kill()
    lines = sweep.compare(*transcripts)
    assert not lines, "\n".join(lines)


def expect_alike_told(node, tools):
    """Our log-dirs prints of a node what Apache's prints: a copy, and how far it is behind."""
    arguments = ["--bootstrap-server", node.bootstrap, "--describe", "--topic-list", "moved"]
    def documents():
        theirs = tools.run("log-dirs", *arguments)
        ours = subprocess.run([nodes.MillraceNode.executable, "log-dirs", *arguments],
                              capture_output=True, text=True, timeout=60, check=True)
        assert theirs.status == 0, theirs.err
        return sorted_document(ours.stdout), sorted_document(theirs.out)

    # The copy may have grown between the two.
    wait_until(lambda: len({json.dumps(one) for one in documents()}) == 1, 30,
               lambda: f"equal documents: {documents()}")


def sorted_document(text):
    *lines, document = text.strip().splitlines()
    document = json.loads(document)
    for broker in document["brokers"]:
        broker["logDirs"].sort(key=lambda one: one["logDir"])
    return lines, document


@pytest.mark.parametrize("first, second", [("apache", "millrace"), ("millrace", "apache")])
def test_a_move_is_gone_on_with(folder, tools, first, second):
    """One node is killed in the middle of a move; the other goes on with it."""
    node = several(first, folder / f"log-dirs-move-{first}").start()
    other = node.successor(second)
    try:
        with node.connect() as connection:
            assert create(connection, "moved", 1) == 0
            wait_until(lambda: describe(connection, "moved")[0], 30, "a leader")
            source = describe(connection, "moved")[0][(0, False)][0]
            target = next(path for path in directories(node) if path != source)
            assert configure(connection, LIMIT, "1000") == 0
            for number in range(600):
                answer = connection.call("Produce", 8, {
                    "Acks": -1, "TimeoutMs": 30000, "TopicData": [{
                        "Name": "moved", "PartitionData": [{"Index": 0, "Records": records.batch(
                            [(str(number), VALUE)])}]}]})
                assert answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0
            assert move(connection, "moved", target, [0]) == [0]
            wait_until(lambda: describe(connection, "moved")[0].get((0, True), ("", 0))[1] > 0,
                       60, "the first bytes of the copy")
            found, _ = describe(connection, "moved")
            assert found[(0, False)][0] == source and found[(0, True)][0] == target, found
            before = read_all(connection, "moved", 0)
        expect_alike_told(node, tools)
        node.kill()
        other.start()
        with other.connect() as connection:
            assert configure(connection, LIMIT, None) == 0
            await_moved(connection, "moved", target, 1)
            assert read_all(connection, "moved", 0) == before
        assert other.stop() in (0, 143)
        node.start()
        with node.connect() as connection:
            assert describe(connection, "moved")[0][(0, False)][0] == target
            assert read_all(connection, "moved", 0) == before
        node.stop()
    finally:
        node.kill()
        other.kill()


def test_the_java_client_moves(kind, folder):
    """What kafka-reassign-partitions does for log directories, by the client that it uses."""
    node = several(kind, folder / f"log-dirs-java-{kind}").start()
    driver = Driver("java", folder / "log-dirs-java.log")
    try:
        driver.connect(bootstrap=node.bootstrap)
        driver.create_topic(topic="moved", partitions=1)
        replica = {"topic": "moved", "partition": 0, "broker": 1}
        wait_until(lambda: driver.replica_places(**replica)[0], 30, "the replica")
        for path in directories(node):
            driver.move_replica(**replica, path=path)
            wait_until(lambda path=path: driver.replica_places(**replica) == [path, None], 60,
                       f"a move to {path}")
        with pytest.raises(DriverError, match="LogDirNotFoundException"):
            driver.move_replica(**replica, path="/nowhere")
        with pytest.raises(DriverError, match="UnknownTopicOrPartitionException"):
            driver.move_replica(**{**replica, "topic": "none"}, path=directories(node)[0])
    finally:
        driver.close()
        node.kill()


@pytest.fixture
def small_disk(folder, kind):
    """A file system that is soon full; what fills it can be removed."""
    directory = folder / f"log-dirs-fail-{kind}" / "data" / "b"
    with disks.small_disk(folder / f"dir-{kind}.img", directory, 64, 24) as mount_point:
        yield mount_point


def error_codes(connection, topic, partition):
    """What each API says of a partition."""
    def one(api, version, fields, *path):
        value = connection.call(api, version, fields)
        for step in path:
            value = value[step]
        return value["ErrorCode"]

    return {
        "Produce": one("Produce", 8, {"Acks": -1, "TimeoutMs": 5000, "TopicData": [{
            "Name": topic, "PartitionData": [{"Index": partition, "Records": records.batch(
                [("k", "v")])}]}]}, "Responses", 0, "PartitionResponses", 0),
        "Fetch": one("Fetch", 11, {"ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "Topics": [{
            "Topic": topic, "Partitions": [{"Partition": partition, "FetchOffset": 0,
                                            "PartitionMaxBytes": 1 << 20}]}]},
                     "Responses", 0, "Partitions", 0),
        "ListOffsets": one("ListOffsets", 7, {"ReplicaId": -1, "Topics": [{
            "Name": topic, "Partitions": [{"PartitionIndex": partition, "Timestamp": -1}]}]},
                           "Topics", 0, "Partitions", 0),
        "DeleteRecords": one("DeleteRecords", 1, {"TimeoutMs": 5000, "Topics": [{
            "Name": topic, "Partitions": [{"PartitionIndex": partition, "Offset": 0}]}]},
                             "Topics", 0, "Partitions", 0),
        "OffsetForLeaderEpoch": one("OffsetForLeaderEpoch", 3, {"ReplicaId": -2, "Topics": [{
            "Topic": topic, "Partitions": [{"Partition": partition, "LeaderEpoch": 0}]}]},
                                    "Topics", 0, "Partitions", 0),
        "DescribeProducers": one("DescribeProducers", 0, {"Topics": [{
            "Name": topic, "PartitionIndexes": [partition]}]}, "Topics", 0, "Partitions", 0),
    }


def test_a_directory_fails(kind, folder, tools, small_disk):
    """Its partitions are refused, the others served; with room again all is there."""
    node = several(kind, folder / f"log-dirs-fail-{kind}", log__segment__bytes=4 << 20).start()
    a, b, c = directories(node)
    try:
        with node.connect() as connection:
            for topic in ("lost", "kept"):
                assert create(connection, topic, 1) == 0
            assert move(connection, "lost", b, [0]) == [0]
            await_moved(connection, "lost", b, 1)
            assert move(connection, "kept", a, [0]) == [0]
            await_moved(connection, "kept", a, 1)
            acknowledged = 0
            code = 0
            while not code:
                answer = connection.call("Produce", 8, {
                    "Acks": -1, "TimeoutMs": 5000, "TopicData": [{
                        "Name": "lost", "PartitionData": [{"Index": 0, "Records": records.batch(
                            [("k", "x" * 200_000)])}]}]})
                code = answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
                acknowledged += not code
            assert code == 56

            def leaderless():
                topic = connection.call("Metadata", 12, {"Topics": [{"Name": "lost"}]})["Topics"]
                one = topic[0]["Partitions"][0]
                return (one["ErrorCode"], one["LeaderId"], one["OfflineReplicas"]) == (5, -1, [1])
            wait_until(leaderless, 30, "a partition without a leader")
            assert set(error_codes(connection, "lost", 0).values()) == {56}
            assert set(error_codes(connection, "kept", 0).values()) == {0}
            expect_alike_told(node, tools)
            found, errors = describe(connection, "lost")
            assert found == {} and errors == {a: 0, b: 56, c: 0}
            assert move(connection, "kept", b, [0]) == [56]
            assert move(connection, "kept", c, [0]) == [56], "a copy may be in the lost one"
            assert move(connection, "lost", c, [0]) == [56]
            assert create(connection, "new", 6) == 0
            wait_until(lambda: len(describe(connection, "new")[0]) == 6, 30, "new partitions")
            assert {where for where, _, _ in describe(connection, "new")[0].values()} == {a, c}
        node.kill()
        (small_disk / "filler").unlink()
        node.start()
        with node.connect() as connection:
            wait_until(lambda: error_codes(connection, "lost", 0)["ListOffsets"] == 0, 60,
                       "the partition")
            assert len(read_all(connection, "lost", 0)) >= acknowledged
        node.stop()
    finally:
        node.kill()
