"""Records: produce, fetch, offsets, their deletion."""

from harness.processes import wait_until
from harness.records import CONTROL, TRANSACTIONAL, batch
from scenarios import scenario
from scenarios.topics import NOBODY

NOW = 1_700_000_000_000
PAIRS = [("a", "1"), ("b", "2"), (None, None)]


def _produce(t, label, version, topic, topic_id, data, index=0, acks=-1, **more):
    name = {"TopicId": topic_id} if version >= 13 else {"Name": topic}
    return t.call(label, "Produce", version, {
        "Acks": acks, "TimeoutMs": 30000, **more,
        "TopicData": [{**name, "PartitionData": [{"Index": index, "Records": data}]}]})


@scenario("Produce")
def appends(t):
    topic_id = t.create_topic("produce", 2)
    for version in t.versions("Produce"):
        if version < 3:
            continue
        send = lambda label, *more, **fields: _produce(  # noqa: E731
            t, label, version, "produce", topic_id, *more, **fields)
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            send(f"codec {codec}", batch(PAIRS, codec=codec))
        send("acks 1", batch([("k", "v", [("h1", "x"), ("h2", None)])]), acks=1)
        send("unknown partition", batch(PAIRS), index=7)
        send("no bytes", b"")
        send("acks 5", batch(PAIRS), acks=5)
        _produce(t, "unknown topic", version, "produce-unknown", NOBODY, batch(PAIRS))
    t.call("read back", "Fetch", 12, _fetch("produce", None, 12, 0, 0))


@scenario("Produce")
def two_partitions_one_request(t):
    t.create_topic("produce-both", 2)
    for version in (3, 8, 12):
        t.call("both", "Produce", version, {"Acks": -1, "TimeoutMs": 1000, "TopicData": [{
            "Name": "produce-both", "PartitionData": [
                {"Index": 0, "Records": batch(PAIRS)}, {"Index": 1, "Records": batch(PAIRS)},
                {"Index": 2, "Records": batch(PAIRS)}]}]})


@scenario("Produce")
def refuses_batches(t):
    topic_id = t.create_topic("produce-bad")
    one = [("k", "v")]
    bad = {
        "wrong crc": batch(one, crc=1),
        "two batches": batch(one) + batch(one),
        "magic 1": batch(one, magic=1),
        "magic 3": batch(one, magic=3),
        "magic -1": batch(one, magic=-1),
        "control": batch(one, attributes=CONTROL),
        "base offset": batch(one, base_offset=5),
        "count too high": batch(one, count=2),
        "count too low": batch(one + one, count=1),
        "count zero": batch(one, count=0),
        "count negative": batch(one, count=-1),
        "count of two billion": batch(one, count=2_000_000_000),
        "last delta": batch(one, last_offset_delta=3),
        "last delta of two billion": batch(one, last_offset_delta=2_000_000_000),
        "transactional without id": batch(one, attributes=TRANSACTIONAL, producer_id=1,
                                          producer_epoch=0, sequence=0),
        "codec 5": batch(one, attributes=5),
        "codec 7": batch(one, attributes=7),
        "gzip garbage": batch(one, codec="gzip", payload=b"garbage"),
        "snappy garbage": batch(one, codec="snappy", payload=b"\xff\xff\xff\xff\x0f garbage"),
        "lz4 garbage": batch(one, codec="lz4", payload=b"garbage"),
        "zstd garbage": batch(one, codec="zstd", payload=b"garbage"),
        "record length": batch(one, payload=b"\x7f" + bytes(8)),
        "negative record length": batch(one, payload=b"\x01" + bytes(8)),
        "key length": batch(one, payload=b"\x10\0\0\0\x7e\0\0\0\0"),
        "behind the records": batch(one, payload=b"\x0c\0\0\0\x01\x01\0" + bytes(9)),
        "header count": batch(one, payload=b"\x0c\0\0\0\x01\x01\x7f"),
        "negative header count": batch(one, payload=b"\x0c\0\0\0\x01\x01\x01"),
        "null header key": batch(one, payload=b"\x10\0\0\0\x01\x01\x02\x01\x01"),
        "cut header": batch(one)[:40],
        "cut body": batch(one)[:-2],
        "sixteen bytes": bytes(16),
        "length -1": batch(one)[:8] + b"\xff\xff\xff\xff" + batch(one)[12:],
        "length of two gigabytes": batch(one)[:8] + b"\x7f\xff\xff\xff" + batch(one)[12:],
        "one and a half": batch(one) + batch(one)[:30],
        "attributes bit 7": batch(one, attributes=0x80),
        "log append time asked": batch(one, attributes=8),
        "delete horizon": batch(one, attributes=0x40),
    }
    for label, data in bad.items():
        for version in (3, 9, 13):
            _produce(t, label, version, "produce-bad", topic_id, data)
    t.call("what is there", "Fetch", 12, _fetch("produce-bad", None, 12, 0, 0))


@scenario("Produce")
def checks_topic_configs(t):
    cases = {
        "compact": ({"cleanup.policy": "compact"}, batch([(None, "v"), ("k", "v")])),
        "compact-good": ({"cleanup.policy": "compact"}, batch([("k", "v")])),
        "small": ({"max.message.bytes": "100"}, batch([("k", "v" * 100)])),
        "before": ({"message.timestamp.before.max.ms": "1000"}, batch([("k", "v"), ("l", "w")])),
        "after": ({"message.timestamp.after.max.ms": "1000"},
                  batch([("k", "v")], timestamp=4_000_000_000_000)),
        "append-time": ({"message.timestamp.type": "LogAppendTime"}, batch([("k", "v")])),
        "gzip": ({"compression.type": "gzip"}, batch([("k", "v" * 50)], codec="zstd")),
        "plain": ({"compression.type": "uncompressed"}, batch([("k", "v" * 50)], codec="lz4")),
    }
    for label, (configs, data) in cases.items():
        name = f"produce-config-{label}"
        topic_id = t.create_topic(name, configs=configs)
        for version in (3, 8, 13):
            _produce(t, label, version, name, topic_id, data)
        t.call(f"of {label}", "Fetch", 12, _fetch(name, None, 12, 0, 0))


def _new_producer_id(t):
    """Apache has none while its first block of ids is on the way."""
    ids = []

    def given():
        answer = t.call("", "InitProducerId", 4, {
            "TransactionalId": None, "TransactionTimeoutMs": 1}, False)
        ids.append(answer["ProducerId"])
        return answer["ErrorCode"] == 0

    wait_until(given, 30, "a producer id")
    return ids[-1]


@scenario("Produce")
def idempotent(t):
    topic_id = t.create_topic("produce-idempotent")
    producer = _new_producer_id(t)
    send = lambda label, sequence, epoch=0, count=1, version=9: _produce(  # noqa: E731
        t, label, version, "produce-idempotent", topic_id,
        batch([("k", "v")] * count, producer_id=producer, producer_epoch=epoch,
              sequence=sequence))
    send("first", 0)
    send("again", 0)
    send("next", 1, count=3)
    send("gap", 9)
    send("old again", 0)
    send("part of an old one", 1, count=1)
    for i in range(4, 10):
        send(f"sequence {i}", i)
    send("too old", 0)
    send("new epoch with a sequence", 5, epoch=1)
    send("new epoch", 0, epoch=1)
    send("old epoch", 10, epoch=0)
    send("negative sequence", -1, epoch=1)
    send("latest version", 1, epoch=1, version=13)
    unknown = producer + 100_000
    for label, sequence in (("unknown producer", 7), ("unknown producer goes on", 8)):
        _produce(t, label, 9, "produce-idempotent", topic_id, batch(
            PAIRS[:1], producer_id=unknown, producer_epoch=3, sequence=sequence))
    raw = t.call("", "DescribeProducers", 0, {"Topics": [
        {"Name": "produce-idempotent", "PartitionIndexes": [0]}]}, False)
    for state in raw["Topics"][0]["Partitions"][0]["ActiveProducers"]:
        state["ProducerId"] -= producer
    t.note("DescribeProducers of both", raw)


@scenario("DescribeProducers")
def describes_producers(t):
    t.create_topic("producers", 2)
    t.produce("producers", "a", producer_id=424_242, producer_epoch=3, sequence=5)
    for version in t.versions("DescribeProducers"):
        t.call("both", "DescribeProducers", version, {"Topics": [
            {"Name": "producers", "PartitionIndexes": [0, 1, 7]},
            {"Name": "producers-unknown", "PartitionIndexes": [0]}]})


@scenario("InitProducerId")
def hands_out_ids(t):
    for version in t.versions("InitProducerId"):
        ids = []
        for _ in range(2):
            raw = t.call("", "InitProducerId", version, {
                "TransactionalId": None, "TransactionTimeoutMs": 1000}, False)
            ids.append(raw.pop("ProducerId"))
            t.note(f"InitProducerId v{version}", raw)
        t.note(f"InitProducerId v{version} ascends", [ids[0] >= 0, ids[1] == ids[0] + 1])
        t.call("empty transactional id", "InitProducerId", version, {
            "TransactionalId": "", "TransactionTimeoutMs": 1000})


def _fetch(topic, topic_id, version, partition, offset, **more):
    name = {"TopicId": topic_id} if version >= 13 else {"Topic": topic}
    one = {"Partition": partition, "FetchOffset": offset, "PartitionMaxBytes": 1 << 20}
    for key in ("PartitionMaxBytes", "CurrentLeaderEpoch", "LastFetchedEpoch"):
        if key in more:
            one[key] = more.pop(key)
    fields = {"MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1 << 24, **more,
              "Topics": [{**name, "Partitions": [one]}]}
    if version < 15:
        fields["ReplicaId"] = -1
    return fields


@scenario("Fetch")
def reads(t):
    topic_id = t.create_topic("fetch", 3)
    for codec in ("none", "gzip", "snappy", "lz4"):
        t.produce("fetch", "x", "y", "z", codec=codec)
    for version in t.versions("Fetch"):
        ask = lambda label, *more, **fields: t.call(  # noqa: E731
            label, "Fetch", version, _fetch("fetch", topic_id, version, *more, **fields))
        ask("all", 0, 0)
        ask("from the middle of a batch", 0, 4)
        ask("read committed", 0, 3, IsolationLevel=1)
        ask("at the end", 0, 12)
        ask("beyond the end", 0, 13)
        ask("negative offset", 0, -1)
        ask("empty partition", 1, 0)
        ask("unknown partition", 9, 0)
        ask("one byte", 0, 0, PartitionMaxBytes=1)
        ask("one byte in all", 0, 0, MaxBytes=1)
        ask("two batches", 0, 0, PartitionMaxBytes=200)
        ask("waits in vain", 0, 12, MinBytes=1, MaxWaitMs=60)
        if version >= 9:
            ask("leader epoch", 0, 0, CurrentLeaderEpoch=0)
            ask("future leader epoch", 0, 0, CurrentLeaderEpoch=5)
        if version >= 12:
            ask("last fetched epoch", 0, 3, CurrentLeaderEpoch=0, LastFetchedEpoch=0)
            ask("unknown fetched epoch", 0, 3, CurrentLeaderEpoch=0, LastFetchedEpoch=4)
        t.call("unknown topic", "Fetch", version, _fetch("fetch-none", NOBODY, version, 0, 0))


@scenario("Fetch")
def reads_zstd(t):
    """Versions before 10 do not know zstd."""
    topic_id = t.create_topic("fetch-zstd")
    t.produce("fetch-zstd", "x", "y", codec="zstd")
    for version in t.versions("Fetch"):
        t.call("zstd", "Fetch", version, _fetch("fetch-zstd", topic_id, version, 0, 0))


@scenario("Fetch")
def sessions(t):
    topic_id = t.create_topic("session", 2)
    for version in t.versions("Fetch"):
        if version < 7:
            continue
        name = {"TopicId": topic_id} if version >= 13 else {"Topic": "session"}
        end = t.produce("session", f"v{version}", partition=1)

        def ask(label, session, epoch, partitions, forgotten=()):
            topics = [{**name, "Partitions": [
                {"Partition": p, "FetchOffset": o, "PartitionMaxBytes": 1 << 20}
                for p, o in partitions]}] if partitions else []
            fields = {"MaxWaitMs": 0, "MinBytes": 0, "SessionId": session, "SessionEpoch": epoch,
                      "Topics": topics, "ForgottenTopicsData": [
                          {**name, "Partitions": list(forgotten)}] if forgotten else []}
            if version < 15:
                fields["ReplicaId"] = -1
            return t.call(label, "Fetch", version, fields)

        session = ask("new session", 0, 0, [(0, 0), (1, end)])["SessionId"]
        ask("nothing new", session, 1, [(1, end + 1)])
        t.produce("session", "more", partition=1)
        ask("something new", session, 2, [])
        ask("wrong epoch", session, 9, [])
        ask("unknown session", session + 1, 1, [])
        ask("forget one", session, 3, [], [1])
        ask("after it", session, 4, [])
        ask("end of the session", session, -1, [(0, 0)])
        ask("after the end", session, 5, [])


@scenario("Fetch")
def waits(t):
    """A fetch that waits is answered when records come, from another connection."""
    topic_id = t.create_topic("wait")
    for version in t.versions("Fetch"):
        end = t.produce("wait", "first")
        with t.other_connection() as waiting:
            sent = waiting.send("Fetch", version, _fetch(
                "wait", topic_id, version, 0, end + 1, MinBytes=1, MaxWaitMs=20000))
            t.produce("wait", f"woken by {version}")
            woken = waiting.receive("Fetch", version, sent)
        # Apache tells the offsets from before the records if fetch and records came at once.
        partition = woken["Responses"][0]["Partitions"][0]
        for field in ("HighWatermark", "LastStableOffset"):
            partition[field] = max(partition[field], end + 2)
        t.note(f"Fetch v{version} woken", woken)


@scenario("ListOffsets")
def finds_offsets(t):
    t.create_topic("list", 2)
    for i in range(4):
        t.produce("list", "a", "b", timestamp=NOW + 1000 * (i if i != 2 else 10))
    for version in t.versions("ListOffsets"):
        for isolation in (0, 1) if version >= 2 else (None,):
            for stamp in (-1, -2, -3, -4, -5, -6, -9, 0, NOW, NOW + 1, NOW + 1500, NOW + 9000,
                          NOW + 20000):
                for partition in (0, 1):
                    fields = {"ReplicaId": -1, "Topics": [{"Name": "list", "Partitions": [
                        {"PartitionIndex": partition, "Timestamp": stamp}]}]}
                    if isolation is not None:
                        fields["IsolationLevel"] = isolation
                    shown = stamp - NOW if stamp >= NOW else stamp
                    t.call(f"{shown} of {partition}, isolation {isolation}",
                           "ListOffsets", version, fields)
        t.call("unknown", "ListOffsets", version, {"ReplicaId": -1, "Topics": [
            {"Name": "list", "Partitions": [{"PartitionIndex": 9, "Timestamp": -1}]},
            {"Name": "list-unknown", "Partitions": [{"PartitionIndex": 0, "Timestamp": -1}]}]})
        if version >= 4:
            for epoch in (0, 3):
                t.call(f"leader epoch {epoch}", "ListOffsets", version, {
                    "ReplicaId": -1, "Topics": [{"Name": "list", "Partitions": [
                        {"PartitionIndex": 0, "Timestamp": -1, "CurrentLeaderEpoch": epoch}]}]})


@scenario("OffsetForLeaderEpoch")
def finds_epoch_ends(t):
    t.create_topic("epoch", 2)
    t.produce("epoch", "a", "b")
    for version in t.versions("OffsetForLeaderEpoch"):
        for epoch in (-1, 0, 1, 5):
            for current in (-1, 0, 4):
                fields = {"Topics": [{"Topic": "epoch", "Partitions": [
                    {"Partition": p, "LeaderEpoch": epoch, "CurrentLeaderEpoch": current}
                    for p in (0, 1, 9)]}]}
                if version >= 3:
                    fields["ReplicaId"] = -1
                t.call(f"epoch {epoch}, current {current}", "OffsetForLeaderEpoch", version,
                       fields)


@scenario("DeleteRecords")
def deletes_records(t):
    t.create_topic("deleted", 2)
    t.produce("deleted", *"abcdefghijklmnop")
    first = 0
    for version in t.versions("DeleteRecords"):
        first += 3
        for offset in (first, first - 1, 16 if version == 2 else first, -1, 99, -2):
            t.call(f"before {offset}", "DeleteRecords", version, {
                "Topics": [{"Name": "deleted", "Partitions": [
                    {"PartitionIndex": 0, "Offset": offset}]}], "TimeoutMs": 30000})
        t.call("unknown", "DeleteRecords", version, {"TimeoutMs": 1000, "Topics": [
            {"Name": "deleted", "Partitions": [{"PartitionIndex": 5, "Offset": 0}]},
            {"Name": "deleted-unknown", "Partitions": [{"PartitionIndex": 0, "Offset": 0}]}]})
        t.call("before the start", "Fetch", 12, _fetch("deleted", None, 12, 0, 0))
        t.call("earliest", "ListOffsets", 6, {"ReplicaId": -1, "Topics": [
            {"Name": "deleted", "Partitions": [{"PartitionIndex": 0, "Timestamp": -2}]}]})


@scenario("DeleteRecords")
def policy_forbids(t):
    t.create_topic("deleted-compact", configs={"cleanup.policy": "compact"})
    t.produce("deleted-compact", "a", "b")
    t.call("compacted topic", "DeleteRecords", 2, {"TimeoutMs": 30000, "Topics": [
        {"Name": "deleted-compact", "Partitions": [{"PartitionIndex": 0, "Offset": 1}]}]})
