"""Transactions as partitions know them: records that raw requests wrote, and their markers."""

from harness.records import TRANSACTIONAL, batch
from scenarios import scenario
from scenarios.data import _fetch

COMMIT, ABORT = True, False


def append(t, label, topic, producer, epoch, sequence, *, partition=0, count=1, keep=True):
    """Records of a transaction; the coordinator knows of none."""
    data = batch([(f"p{producer}", f"v{sequence + i}") for i in range(count)],
                 attributes=TRANSACTIONAL, producer_id=producer, producer_epoch=epoch,
                 sequence=sequence)
    return t.call(label, "Produce", 9, {
        "TransactionalId": "any", "Acks": -1, "TimeoutMs": 30000, "TopicData": [{
            "Name": topic, "PartitionData": [{"Index": partition, "Records": data}]}]}, keep)


def marker(producer, epoch, result, topics, coordinator=0, transaction_version=0):
    return {"ProducerId": producer, "ProducerEpoch": epoch, "TransactionResult": result,
            "CoordinatorEpoch": coordinator, "TransactionVersion": transaction_version,
            "Topics": [{"Name": name, "PartitionIndexes": list(partitions)}
                       for name, partitions in topics.items()]}


def mark(t, label, version, *markers):
    if version < 2:
        markers = [{k: v for k, v in one.items() if k != "TransactionVersion"} for one in markers]
    return t.call(label, "WriteTxnMarkers", version, {"Markers": list(markers)})


def look(t, label, topic, partitions=(0,)):
    """What readers of both kinds see, where transactions stand, which producers are known."""
    for partition in partitions:
        for isolation in (0, 1):
            t.call(f"{label}: {partition}, isolation {isolation}", "Fetch", 12,
                   _fetch(topic, None, 12, partition, 0, IsolationLevel=isolation))
            for stamp in (-1, 0):
                t.call(f"{label}: {partition}, isolation {isolation}", "ListOffsets", 7, {
                    "ReplicaId": -1, "IsolationLevel": isolation, "Topics": [
                        {"Name": topic, "Partitions": [
                            {"PartitionIndex": partition, "Timestamp": stamp}]}]})
    raw = t.call("", "DescribeProducers", 0, {"Topics": [
        {"Name": topic, "PartitionIndexes": list(partitions)}]}, False)
    t.note(f"DescribeProducers {label}", raw)


@scenario("WriteTxnMarkers")
def ends_transactions(t):
    t.create_topic("marked", 3)
    for version in t.versions("WriteTxnMarkers"):
        first = 910_000 + version * 1000
        append(t, "in a transaction", "marked", first, 0, 0, count=3)
        append(t, "of another producer", "marked", first + 1, 5, 0)
        append(t, "in another partition", "marked", first, 0, 0, partition=1)
        look(t, "open", "marked", (0, 1, 2))
        mark(t, "commit in two partitions", version,
             marker(first, 0, COMMIT, {"marked": (0, 1)}, coordinator=3))
        look(t, "one is open", "marked", (0, 1))
        append(t, "outside of the open transaction", "marked", first + 1, 5, 1)
        mark(t, "abort", version, marker(first + 1, 5, ABORT, {"marked": (0,)}))
        look(t, "none is open", "marked", (0, 1))
        append(t, "goes on", "marked", first, 0, 3)
        append(t, "in the first partition", "marked", first + 2, 0, 0)
        append(t, "in the second", "marked", first + 2, 0, 0, partition=1)
        mark(t, "several at once", version,
             marker(first, 0, ABORT, {"marked": (0,)}, coordinator=3),
             marker(first + 2, 0, COMMIT, {"marked": (0,)}),
             marker(first + 2, 0, ABORT, {"marked": (1,)}))
        look(t, "all at the end", "marked", (0, 1, 2))


@scenario("WriteTxnMarkers")
def checks_epochs(t):
    t.create_topic("marked-epochs")
    topic = {"marked-epochs": (0,)}
    producer = 920_000
    for version in t.versions("WriteTxnMarkers"):
        for transaction_version in (0, 1, 2, 3, 127, -1, -2) if version >= 2 else (0,):
            producer += 1

            def send(label, epoch, coordinator=4, result=COMMIT):
                mark(t, f"{label}, transaction version {transaction_version}", version,
                     marker(producer, epoch, result, topic, coordinator, transaction_version))

            send("nothing to end", 3)
            append(t, "data", "marked-epochs", producer, 7, 0)
            send("old epoch", 6)
            send("same epoch", 7)
            append(t, "more data", "marked-epochs", producer, 7, 1)
            append(t, "data of the next epoch", "marked-epochs", producer, 8, 0)
            send("next epoch", 9, result=ABORT)
            send("the same again", 9, result=ABORT)
            send("old coordinator", 9, coordinator=3)
            send("old coordinator, new epoch", 10, coordinator=3)
            send("new coordinator", 10, coordinator=5)
            append(t, "data of the last epoch", "marked-epochs", producer, 32767, 0)
            send("last epoch", 32767, coordinator=5)
            send("negative epoch", -2)
    look(t, "after all", "marked-epochs")


@scenario("WriteTxnMarkers")
def refuses_markers(t):
    t.create_topic("marked-not")
    t.create_topic("marked-scarce", configs={"min.insync.replicas": "2"})
    t.create_topic("marked-compact", configs={"cleanup.policy": "compact"})
    t.create_topic("marked-gzip", configs={"compression.type": "gzip",
                                           "message.timestamp.type": "LogAppendTime"})
    for version in t.versions("WriteTxnMarkers"):
        producer = 930_000 + version
        send = lambda label, *markers: mark(t, label, version, *markers)  # noqa: E731
        send("no markers")
        send("no topics", marker(producer, 0, COMMIT, {}))
        send("no partitions", marker(producer, 0, COMMIT, {"marked-not": ()}))
        send("unknown", marker(producer, 0, COMMIT, {"marked-not": (7,), "marked-none": (0,)}))
        send("unknown and known", marker(producer, 0, COMMIT, {"marked-not": (0, 7)}))
        send("too few replicas", marker(producer, 0, COMMIT, {"marked-scarce": (0,)}))
        send("compacted", marker(producer, 0, ABORT, {"marked-compact": (0,)}))
        send("codec and time of the topic", marker(producer, 0, ABORT, {"marked-gzip": (0,)}))
        send("no producer", marker(-1, 0, COMMIT, {"marked-not": (0,)}))
        send("no epoch", marker(producer, -1, COMMIT, {"marked-not": (0,)}))
        send("no producer nowhere", marker(-1, 0, COMMIT, {"marked-not": (7,)}))
        send("other negative producer", marker(-5, 0, COMMIT, {"marked-not": (0,)}))
        send("internal topic", marker(producer, 0, COMMIT, {"__consumer_offsets": (0, 77)}))
    for topic in ("marked-not", "marked-compact", "marked-gzip"):
        look(t, "after all", topic)


@scenario("WriteTxnMarkers")
def aborted_in_segments(t):
    """Aborted transactions that reach over segments, seen from each offset."""
    t.create_topic("marked-rolled", configs={"segment.bytes": "1048576"})
    producer = 940_000
    for turn in range(4):
        append(t, "long transaction", "marked-rolled", producer, 0, turn, keep=False)
        for i in range(3):
            t.produce("marked-rolled", "x" * 300_000)
        append(t, "short", "marked-rolled", producer + 1 + turn, 0, 0, keep=False)
        mark(t, "short one ends", 1, marker(
            producer + 1 + turn, 0, ABORT if turn % 2 else COMMIT, {"marked-rolled": (0,)}))
    mark(t, "long one ends", 1, marker(producer, 0, ABORT, {"marked-rolled": (0,)}))
    for offset in range(0, 25, 3):
        t.call(f"from {offset}", "Fetch", 12, _fetch(
            "marked-rolled", None, 12, 0, offset, IsolationLevel=1, PartitionMaxBytes=700_000))
