"""Topics with remote.storage.enable: clients see one log, as Apache shows it to them."""

import pathlib

import pytest

from harness import s3, sweep, tiered
from harness.drivers import Driver
from harness.processes import wait_until

SEGMENT = 20_000
VALUE = 1000
PER_SEGMENT = 18  # records, each in a batch of its own
FIRST_TIME = 1_700_000_000_000
CONFIGS = {
    "remote.storage.enable": "true",
    "local.retention.bytes": "1",
    "internal.segment.bytes": str(SEGMENT),
}
SPECIAL = {"latest": -1, "earliest": -2, "max timestamp": -3, "earliest local": -4,
           "latest tiered": -5, "earliest pending upload": -6}


def list_offset(call, topic, timestamp, partition=0):
    """What ListOffsets says of one partition."""
    (one,) = call("ListOffsets", 11, {"ReplicaId": -1, "IsolationLevel": 0, "TimeoutMs": 30000,
                                      "Topics": [{"Name": topic, "Partitions": [
        {"PartitionIndex": partition, "CurrentLeaderEpoch": -1, "Timestamp": timestamp}]}]})[
            "Topics"][0]["Partitions"]
    return one["ErrorCode"], one["Timestamp"], one["Offset"], one["LeaderEpoch"]


def fetch(call, topic, offset, partition=0, most=1 << 20):
    """One partition of a Fetch answer."""
    answer = call("Fetch", 11, {
        "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "Topics": [{
            "Topic": topic, "Partitions": [{"Partition": partition, "FetchOffset": offset,
                                            "PartitionMaxBytes": most}]}]})
    return answer["Responses"][0]["Partitions"][0]


def alter(call, topic, **configs):
    """The error of IncrementalAlterConfigs."""
    return call("IncrementalAlterConfigs", 1, {"Resources": [
        {"ResourceType": 2, "ResourceName": topic, "Configs": [
            {"Name": name.replace("__", "."), "ConfigOperation": 0, "Value": value}
            for name, value in configs.items()]}]})["Responses"][0]["ErrorCode"]


def read_all(call, topic, offset):
    """Offsets and sizes of the batches from `offset` to the end."""
    found = []
    end = list_offset(call, topic, -1)[2]
    while offset < end:
        one = fetch(call, topic, offset)
        assert one["ErrorCode"] == 0, (offset, one)
        if not one["Records"]:
            continue
        for batch in sweep.batches.parse(one["Records"]):
            found.append((batch["base"], batch["last delta"]))
            offset = batch["base"] + batch["last delta"] + 1
    return found


def fill(view, topic, count, start=0):
    """`count` records of a kilobyte, each in a batch of its own."""
    for i in range(start, start + count):
        view.produce(topic, f"{i} ".ljust(VALUE, "x"), timestamp=FIRST_TIME + i)


def await_tiered(call, topic):
    """Waits until all but the active segment is in the store, and nowhere else."""
    def settled():
        _, _, local, _ = list_offset(call, topic, SPECIAL["earliest local"])
        _, _, copied, _ = list_offset(call, topic, SPECIAL["latest tiered"])
        _, _, end, _ = list_offset(call, topic, SPECIAL["latest"])
        return copied + 1 == local and end - local < PER_SEGMENT
    wait_until(settled, 60, f"{topic} in the store")


def story(node, store):
    """What clients are told in the life of a tiered topic."""
    view = sweep.Transcript(node)
    call = view.connection.call
    told = []

    def offsets(label):
        for name, timestamp in SPECIAL.items():
            told.append((label, name, list_offset(call, "t", timestamp)))
        for record in (0, 1, 17, 25, 99, 150, 199):
            told.append((label, f"time of {record}",
                         list_offset(call, "t", FIRST_TIME + record)))
        told.append((label, "later", list_offset(call, "t", FIRST_TIME + 10_000)))

    def refusals(label, *wanted):
        for offset in wanted:
            one = fetch(call, "t", offset)
            told.append((label, f"fetch at {offset}", one["ErrorCode"], one["HighWatermark"],
                         one["LogStartOffset"], one["AbortedTransactions"]))

    view.create_topic("t", 1, CONFIGS)
    for name, timestamp in SPECIAL.items():
        told.append(("empty", name, list_offset(call, "t", timestamp)))
    fill(view, "t", 200)
    await_tiered(call, "t")
    offsets("tiered")
    copied = len(tiered.segments(store))
    told.append(("tiered", "segments", copied))
    told.append(("tiered", "batches", read_all(call, "t", 0)))
    refusals("tiered", 0, 50, 200, 201)

    node.stop()
    node.start()
    view = sweep.Transcript(node)
    call = view.connection.call
    await_tiered(call, "t")
    offsets("restarted")
    told.append(("restarted", "batches", read_all(call, "t", 0)))

    deleted = call("DeleteRecords", 2, {"TimeoutMs": 30000, "Topics": [
        {"Name": "t", "Partitions": [{"PartitionIndex": 0, "Offset": 50}]}]})
    (one,) = deleted["Topics"][0]["Partitions"]
    told.append(("delete records", one["ErrorCode"], one["LowWatermark"]))
    # The two that lie wholly below; the third has some of what is left.
    wait_until(lambda: len(tiered.segments(store)) == copied - 2, 60,
               lambda: f"two of {copied} segments to go: {tiered.segments(store)}")
    offsets("shortened")
    refusals("shortened", 0, 49, 50)
    told.append(("shortened", "batches", read_all(call, "t", 50)))

    told.append(("disable and keep", alter(call, "t", remote__storage__enable="false")))
    told.append(("compact", alter(call, "t", cleanup__policy="compact")))
    told.append(("local above all", alter(call, "t", retention__ms="1000",
                                          local__retention__ms="2000")))
    told.append(("stop copying", alter(call, "t", remote__log__copy__disable="true")))
    told.append(("stop copying with equal bounds", alter(
        call, "t", remote__log__copy__disable="true", local__retention__bytes="-2")))
    told.append(("copy again", alter(call, "t", remote__log__copy__disable="false",
                                     local__retention__bytes="1")))
    told.append(("disable", alter(call, "t", remote__storage__enable="false",
                                  remote__log__delete__on__disable="true")))
    wait_until(lambda: not tiered.segments(store), 60, "an empty store")
    start = list_offset(call, "t", -2)
    told.append(("disabled", start, list_offset(call, "t", -4), list_offset(call, "t", -5)))
    told.append(("disabled", "batches", read_all(call, "t", start[2])))

    view.create_topic("u", 1, CONFIGS)
    fill(view, "u", 100)
    await_tiered(call, "u")
    told.append(("second", "segments", len(tiered.segments(store))))
    call("DeleteTopics", 5, {"TopicNames": ["u"], "TimeoutMs": 30000})
    wait_until(lambda: not tiered.segments(store), 60, "an empty store")
    view.close()
    return told


@pytest.fixture(scope="module")
def oracle_story(folder):
    """Apache's."""
    node = tiered.make("apache", folder / "tiered-oracle").start()
    told = story(node, folder / "tiered-oracle" / "store")
    node.kill()
    return told


def test_clients_are_told_what_apache_tells_them(kind, folder, oracle_story):
    """Offsets, times, errors and the log's start, through the life of a topic."""
    assert dict(enumerate(oracle_story))  # Apache itself gets to the end
    if kind == "apache":
        return
    node = tiered.make(kind, folder / "tiered-node").start()
    told = story(node, folder / "tiered-node" / "store")
    node.kill()
    assert [pair for pair in zip(oracle_story, told, strict=True) if pair[0] != pair[1]] == []


@pytest.mark.parametrize("client", ["java", "confluent-kafka", "franz-go"])
def test_clients_read_from_the_beginning(kind, folder, client):
    """Every record once, in order, from the store and from the node."""
    node = tiered.make(kind, folder / f"tiered-{client}").start()
    view = sweep.Transcript(node)
    view.create_topic("t", 1, CONFIGS)
    fill(view, "t", 150)
    await_tiered(view.connection.call, "t")
    driver = Driver(client, pathlib.Path(folder) / f"tiered-{client}-{kind}.log")
    try:
        driver.connect(bootstrap=node.bootstrap)
        driver.join(member="reader", group=f"tiered-{client}", topic="t")
        wait_until(lambda: len(driver.received(member="reader")) >= 150, 60, "150 records")
        got = driver.received(member="reader")
        driver.leave(member="reader")
    finally:
        driver.close()
        view.close()
        node.kill()
    assert [one[2] for one in got] == list(range(150))
    assert [int(one[4].split()[0]) for one in got] == list(range(150))


def test_segments_live_in_s3(kind, folder):
    """The same log from a real S3 server; nothing is left of a topic that is deleted."""
    if kind == "apache":
        pytest.skip("Apache Kafka comes without a store for S3")
    server = s3.Server(folder / "tiered-s3-server").start()
    node = tiered.make(kind, folder / "tiered-s3", server.settings()).start()
    try:
        view = sweep.Transcript(node)
        call = view.connection.call
        view.create_topic("t", 1, CONFIGS)
        fill(view, "t", 150)
        await_tiered(call, "t")
        assert server.objects()
        assert read_all(call, "t", 0) == [(i, 0) for i in range(150)]
        assert list_offset(call, "t", FIRST_TIME + 30)[2] == 30
        node.kill()
        node.start()
        view = sweep.Transcript(node)
        call = view.connection.call
        await_tiered(call, "t")
        assert read_all(call, "t", 0) == [(i, 0) for i in range(150)]
        call("DeleteTopics", 5, {"TopicNames": ["t"], "TimeoutMs": 30000})
        wait_until(lambda: not server.objects(), 60, lambda: f"no objects: {server.objects()}")
    finally:
        node.kill()
        server.kill()


def test_either_goes_on_with_the_others_metadata(kind, folder, tools):
    """Where the log begins and how far it is copied is read from the other's records."""
    writer = tiered.make(kind, folder / f"tiered-writer-{kind}").start()
    view = sweep.Transcript(writer)
    view.create_topic("t", 1, CONFIGS)
    fill(view, "t", 120)
    await_tiered(view.connection.call, "t")
    wanted = {name: list_offset(view.connection.call, "t", SPECIAL[name])[2] for name in SPECIAL}
    view.close()
    writer.stop()
    found = []
    for path in sorted(writer.data.glob("__remote_log_metadata-*/*.log")):
        run = tools.run("dump-log", "--remote-log-metadata-decoder", "--files", path)
        assert run.status == 0, run.out + run.err
        found += [line for line in run.out.splitlines() if "RemoteLogSegmentMetadata" in line]
    assert len([one for one in found if "state=COPY_SEGMENT_FINISHED" in one]) == len(
        tiered.segments(folder / f"tiered-writer-{kind}" / "store"))

    other = "millrace" if kind == "apache" else "apache"
    reader = writer.successor(other)
    reader.properties = tiered.with_store(
        reader.properties, tiered.store_of(other, folder / f"tiered-writer-{kind}" / "other"))
    reader.start()
    try:
        view = sweep.Transcript(reader)
        call = view.connection.call
        wait_until(lambda: list_offset(call, "t", SPECIAL["latest tiered"])[2] >= 0, 60,
                   "the metadata")
        assert {name: list_offset(call, "t", SPECIAL[name])[2] for name in SPECIAL} == wanted
        view.close()
    finally:
        reader.kill()
