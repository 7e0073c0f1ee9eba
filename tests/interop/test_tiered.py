"""Topics with remote.storage.enable: clients see one log, as Apache shows it to them."""

import pathlib

import pytest

from harness import s3, sweep, tiered
from harness.drivers import Driver
from harness.processes import free_ports, scrape, wait_until
from scenarios import transactions

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
    wait_until(settled, 60, lambda: f"{topic} in the store: " + str(
        {name: list_offset(call, topic, SPECIAL[name]) for name in SPECIAL}))


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


def move(call, path):
    """The error of AlterReplicaLogDirs."""
    answer = call("AlterReplicaLogDirs", 2, {"Dirs": [
        {"Path": str(path), "Topics": [{"Name": "t", "Partitions": [0]}]}]})
    return answer["Results"][0]["Partitions"][0]["ErrorCode"]


def await_in(call, path):
    """Waits until the replica lies in a log directory, and has no copy."""
    def places():
        results = call("DescribeLogDirs", 4, {"Topics": [{"Topic": "t", "Partitions": [0]}]})
        return [(one["LogDir"], each["IsFutureKey"]) for one in results["Results"]
                for topic in one["Topics"] for each in topic["Partitions"]]
    wait_until(lambda: places() == [(str(path), False)], 60, lambda: f"one place: {places()}")


def moving_story(node, store):
    """What clients are told while a replica moves whose records are in the store."""
    view = sweep.Transcript(node)
    call = view.connection.call
    told = []

    def look(label, start=0, settled=True):
        for name, timestamp in SPECIAL.items():
            # Apache's new log knows of no copy until the next segment is looked for.
            if settled or name not in ("latest tiered", "earliest pending upload"):
                told.append((label, name, list_offset(call, "t", timestamp)))
        for record in (1, 60, 199):
            told.append((label, f"time of {record}",
                         list_offset(call, "t", FIRST_TIME + record)))
        told.append((label, "batches", read_all(call, "t", start)))

    view.create_topic("t", 1, CONFIGS)
    fill(view, "t", 200)
    await_tiered(call, "t")
    for number, path in enumerate([*node.directories, *node.directories]):
        told.append((str(path.name), "move", move(call, path)))
        await_in(call, path)
        look(f"{number}: in {path.name}", settled=False)
        local = list_offset(call, "t", SPECIAL["earliest local"])[2]
        assert min(int(one.stem) for one in path.glob("t-0/*.log")) >= local
        fill(view, "t", 41, 200 + 41 * number)
        await_tiered(call, "t")
        look(f"{number}: more in {path.name}")
    deleted = call("DeleteRecords", 2, {"TimeoutMs": 30000, "Topics": [
        {"Name": "t", "Partitions": [{"PartitionIndex": 0, "Offset": 70}]}]})
    told.append(("delete records", deleted["Topics"][0]["Partitions"][0]["ErrorCode"]))
    told.append(("move", move(call, node.directories[0])))
    await_in(call, node.directories[0])
    look("shortened", 70, settled=False)
    view.close()
    node.stop()
    node.start()
    view = sweep.Transcript(node)
    call = view.connection.call
    await_tiered(call, "t")
    look("restarted", 70)
    call("DeleteTopics", 5, {"TopicNames": ["t"], "TimeoutMs": 30000})
    wait_until(lambda: not tiered.segments(store), 60, "an empty store")
    view.close()
    return told


def test_a_replica_moves_between_log_directories(kind, folder):
    """It takes what is here along; what is in the store stays readable, and more is copied."""
    stories = []
    for each in dict.fromkeys(("apache", kind)):
        base = folder / f"tiered-move-{each}"
        node = tiered.make(each, base, several=True).start()
        try:
            stories.append(moving_story(node, base / "store"))
        finally:
            node.kill()
    assert [pair for pair in zip(*stories, strict=True) if len(set(map(repr, pair))) > 1] == []


def aborted_story(node):
    """What readers of committed records are told, of each offset and of answers of many sizes."""
    view = sweep.Transcript(node)
    call = view.connection.call
    view.create_topic("t", 1, {**CONFIGS, "index.interval.bytes": "2000"})
    number = 0
    for i in range(150):
        producer = 700 + i % 3
        transactions.append(view, "", "t", producer, 0, i // 3, keep=False)
        number += 1
        if i % 7 == 0:
            fill(view, "t", 3, number)
        if i % 10 == 9:
            transactions.mark(view, "", 1, transactions.marker(
                700 + i // 10 % 3, 0, i % 20 == 9, {"t": (0,)}))
    for producer in (700, 701, 702):
        transactions.mark(view, "", 1, transactions.marker(producer, 0, False, {"t": (0,)}))
    fill(view, "t", PER_SEGMENT + 1, number)
    await_tiered(call, "t")
    end = list_offset(call, "t", SPECIAL["earliest local"])[2]
    assert end > 150
    told = []
    for most in (1, 3000, 1 << 20):
        for offset in range(end):
            answer = call("Fetch", 11, {
                "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "IsolationLevel": 1, "Topics": [{
                    "Topic": "t", "Partitions": [{"Partition": 0, "FetchOffset": offset,
                                                  "PartitionMaxBytes": most}]}]})
            one = answer["Responses"][0]["Partitions"][0]
            aborted = sorted((each["ProducerId"], each["FirstOffset"])
                             for each in one["AbortedTransactions"] or [])
            batches = [each["base"] for each in sweep.batches.parse(one["Records"] or b"")]
            told.append((most, offset, one["ErrorCode"], aborted, batches))
    view.close()
    return told


def test_readers_of_committed_records_are_told_what_apache_tells(kind, folder):
    """The aborted transactions of each answer from the store, exactly."""
    stories = []
    for each in dict.fromkeys(("apache", kind)):
        node = tiered.make(each, folder / f"tiered-aborted-{each}").start()
        try:
            stories.append(aborted_story(node))
        finally:
            node.kill()
    assert any(one[3] for one in stories[0])
    assert [pair for pair in zip(*stories, strict=True) if len(set(map(repr, pair))) > 1] == []


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


def test_figures_follow(kind, folder):
    """Each figure of tiered storage moves at /metrics when what it counts happens."""
    if kind == "apache":
        pytest.skip("Apache Kafka shows its figures by JMX")
    server = s3.Server(folder / "tiered-figures-server").start()
    fault = {"word": None}
    proxy = s3.Proxy(server, lambda *_: fault["word"])
    (port,) = free_ports(1)
    node = tiered.make(kind, folder / "tiered-figures",
                       server.settings(s3__endpoint__url=proxy.endpoint))
    node.properties |= {
        "metrics.listeners": f"127.0.0.1:{port}", "remote.fetch.max.wait.ms": 300,
        "remote.list.offsets.request.timeout.ms": 300,
        "remote.log.manager.task.retry.backoff.ms": 100,
        "remote.log.manager.copy.max.bytes.per.second": 1 << 20}
    node.start()

    def figure(name, attribute, family="kafka_server_BrokerTopicMetrics", samples=None, **labels):
        told = "".join(f',{key}="{value}"' for key, value in labels.items())
        return (samples or scrape(port)).get(f'{family}_{attribute}{{name="{name}"{told}}}', 0)

    def both(name, attribute="Count"):
        """Of all topics, and of the topic."""
        samples = scrape(port)
        whole, own = (figure(name, attribute, samples=samples, **labels)
                      for labels in ({}, {"topic": "t"}))
        assert whole == own, (name, whole, own)
        return whole

    def moves(name, attribute="Count", **where):
        wait_until(lambda: figure(name, attribute, **where) > 0, 60, name)
    try:
        view = sweep.Transcript(node)
        call = view.connection.call
        view.create_topic("t", 1, {**CONFIGS, "retention.bytes": "500000"})
        fault["word"] = 503
        fill(view, "t", 60)
        moves("RemoteCopyLagBytes", "Value")
        assert both("RemoteCopyLagSegments", "Value") >= 3
        fault["word"] = 403  # for good
        moves("RemoteCopyErrorsPerSec")
        fault["word"] = None
        await_tiered(call, "t")
        assert both("RemoteCopyRequestsPerSec") >= 3
        assert both("RemoteCopyBytesPerSec") >= 3 * 15_000
        wait_until(lambda: both("RemoteCopyLagBytes", "Value") == 0, 30, "no lag")
        moves("RemoteLogMetadataCount", "Value")
        # Counted anew whenever remote retention is looked at.
        wait_until(lambda: both("RemoteLogSizeBytes", "Value") >= 3 * 15_000, 30, "its size")

        assert both("RemoteFetchRequestsPerSec") == 0
        read_all(call, "t", 0)
        assert both("RemoteFetchRequestsPerSec") >= 1
        assert both("RemoteFetchBytesPerSec") >= 3 * 15_000
        remote = "kafka_log_remote_RemoteLogManager"
        assert figure("RemoteLogReaderFetchRateAndTimeMs", "Count", family=remote) >= 1
        assert figure("RetentionSizeInPercent", "Value", family=remote, topic="t",
                      partition=0) > 10
        threads = "kafka_log_remote_RemoteStorageThreadPool"
        assert 0 < figure("RemoteLogReaderAvgIdlePercent", "Value", family=threads) <= 1
        assert 0 < figure("RemoteLogManagerTasksAvgIdlePercent", "Value", family=remote) <= 1

        fault["word"] = ("wait", 3)
        fetch(call, "t", 0)
        moves("ExpiresPerSec", family="kafka_server_DelayedRemoteFetchMetrics")
        assert list_offset(call, "t", FIRST_TIME + 30)[0] in (0, 7)
        fault["word"] = 403
        wait_until(lambda: fetch(call, "t", 5)["ErrorCode"] != 0, 30, "an error of the store")
        moves("RemoteFetchErrorsPerSec")

        fill(view, "t", 20, 60)
        alter(call, "t", retention__bytes="30000")
        moves("RemoteDeleteLagBytes", "Value")
        assert both("RemoteDeleteLagSegments", "Value") >= 1
        moves("RemoteDeleteErrorsPerSec")
        fault["word"] = None
        wait_until(lambda: both("RemoteDeleteLagBytes", "Value") == 0, 60, "no lag")
        assert both("RemoteDeleteRequestsPerSec") >= 2
        view.close()
    finally:
        node.kill()
        proxy.close()
        server.kill()


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
