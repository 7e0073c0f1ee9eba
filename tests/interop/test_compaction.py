"""The same keyed records, compacted by Apache Kafka and by Millrace: the same ones survive."""

import pathlib
import random
import time
from functools import partial

import pytest

from harness import node as nodes
from harness import records, sweep
from harness.processes import wait_until
from test_data_directory import _records, dump

TOPIC = "compacted"
# Whole days: nothing is compacted until the topic's lag says so, and then all at once.
NEVER = str(7 * 24 * 3600 * 1000)
HORIZON = 0x40
IDEMPOTENT, TRANSACTIONAL = [7000, 7001, 7002], [8000, 8001]


def script(seed, turn, sequences):
    """The calls of one turn, the same for every node: batches, transactions and their ends."""
    draw = random.Random(seed * 1000 + turn)
    codecs = list(records.CODECS)
    open_transactions = set()
    for number in range(250):
        batch = []
        for _ in range(draw.randint(1, 5)):
            value = f"{turn}.{number} " + "v" * draw.randint(0, 200)
            if draw.random() < 0.15:
                value = None
            batch.append((f"key-{draw.randint(0, 60)}", value))
        fields = {"codec": draw.choice(codecs)}
        if draw.random() < 0.4:
            producer = draw.choice(IDEMPOTENT + TRANSACTIONAL)
            sequence = sequences.get(producer, 0)
            sequences[producer] = sequence + len(batch)
            fields |= {"producer_id": producer, "producer_epoch": 0, "sequence": sequence}
            if producer in TRANSACTIONAL:
                fields["attributes"] = records.TRANSACTIONAL
                open_transactions.add(producer)
        yield partial(append, batch, fields)
        if open_transactions and (number == 249 or draw.random() < 0.1):
            for producer in sorted(open_transactions):
                committed = draw.random() < 0.5
                yield partial(end_transaction, producer, committed)
            open_transactions.clear()


def append(batch, fields, view, timestamp):
    data = records.batch(batch, timestamp=timestamp, **fields)
    answer = view.connection.call("Produce", 9, {
        "TransactionalId": "any", "Acks": -1, "TimeoutMs": 30000, "TopicData": [
            {"Name": TOPIC, "PartitionData": [{"Index": 0, "Records": data}]}]})
    result = answer["Responses"][0]["PartitionResponses"][0]
    assert result["ErrorCode"] == 0, result


def end_transaction(producer, committed, view, _timestamp):
    answer = view.connection.call("WriteTxnMarkers", 1, {"Markers": [{
        "ProducerId": producer, "ProducerEpoch": 0, "TransactionResult": committed,
        "CoordinatorEpoch": 1, "Topics": [{"Name": TOPIC, "PartitionIndexes": [0]}]}]})
    (told,) = answer["Markers"][0]["Topics"][0]["Partitions"]
    assert told["ErrorCode"] == 0, answer


def produce(view, seed, turn, sequences, timestamp):
    for step in script(seed, turn, sequences):
        step(view, timestamp)


def set_config(view, name, value):
    answer = view.connection.call("IncrementalAlterConfigs", 1, {"Resources": [
        {"ResourceType": 2, "ResourceName": TOPIC, "Configs": [
            {"Name": name, "ConfigOperation": 0, "Value": value}]}]})
    assert answer["Responses"][0]["ErrorCode"] == 0, answer
    view.settle()


def cleaned_to(data: pathlib.Path):
    """What the node's checkpoint says of the topic; -1 when it says nothing."""
    try:
        lines = (data / "cleaner-offset-checkpoint").read_text().splitlines()[2:]
    except FileNotFoundError:
        return -1
    return next((int(line.split()[2]) for line in lines if line.split()[0] == TOPIC), -1)


def segments(data):
    return sorted(int(path.stem) for path in (data / f"{TOPIC}-0").glob("*.log"))


def compact(view, data):
    """Lets the cleaner work once, on all but the active segment."""
    set_config(view, "min.compaction.lag.ms", "0")
    wait_until(lambda: cleaned_to(data) == segments(data)[-1], 60,
               lambda: f"cleaned to {cleaned_to(data)} of {segments(data)}")
    set_config(view, "min.compaction.lag.ms", NEVER)


def surviving(view):
    """Every batch that holds records, without the times that a node gives: of delete horizons and
    of markers."""
    start, end, *found = _records(view.connection.call, TOPIC, 0)
    for batch in found:
        if batch["attributes"] & HORIZON:
            batch["base time"] = "horizon"
        if batch["attributes"] & records.CONTROL:
            batch["base time"] = batch["max time"] = "of the marker"
    return [start, end, *(batch for batch in found if batch["records"])]


def aborted(view):
    """The aborted transactions that a consumer of committed records is told of."""
    answer = view.connection.call("Fetch", 11, {
        "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "IsolationLevel": 1, "Topics": [{
            "Topic": TOPIC, "Partitions": [{"Partition": 0, "FetchOffset": 0,
                                            "PartitionMaxBytes": 16 << 20}]}]})
    (told,) = answer["Responses"][0]["Partitions"]
    assert told["ErrorCode"] == 0, told
    return sorted((one["ProducerId"], one["FirstOffset"]) for one in told["AbortedTransactions"])


def start(kind, folder):
    node = nodes.make(kind, folder, log__cleaner__backoff__ms=300,
                      log__cleaner__threads=2, log__segment__delete__delay__ms=1000)
    return node.start()


def test_the_same_records_survive(folder, tools):
    seed = 20
    timestamp = int(time.time() * 1000)
    running = {kind: start(kind, folder / f"compaction-{kind}") for kind in ("apache", "millrace")}
    try:
        views = {kind: sweep.Transcript(node) for kind, node in running.items()}
        for view in views.values():
            view.create_topic(TOPIC, 1, {
                "cleanup.policy": "compact", "internal.segment.bytes": "20000",
                "min.cleanable.dirty.ratio": "0.001", "min.compaction.lag.ms": NEVER,
                "delete.retention.ms": "1", "segment.index.bytes": "2000"})
        for turn in range(3):
            found, lost, left = {}, {}, {}
            for kind, view in views.items():
                sequences = {}
                for earlier in range(turn):
                    for _ in script(seed, earlier, sequences):
                        pass
                produce(view, seed, turn, sequences, timestamp)
                lost[kind] = aborted(view)
                compact(view, running[kind].data)
                found[kind], left[kind] = surviving(view), aborted(view)
            assert lost["millrace"] == lost["apache"] != []
            assert left["millrace"] == left["apache"]
            assert segments(running["millrace"].data) == segments(running["apache"].data)
            assert found["millrace"] == found["apache"], f"turn {turn}, seed {seed}"
            kept = sum(len(batch["records"]) for batch in found["apache"][2:])
            assert 60 <= kept < 500, kept
        for view in views.values():
            view.close()
        running["millrace"].stop()
        assert dump(tools, running["millrace"]) > 3
    finally:
        for node in running.values():
            node.kill()


@pytest.mark.parametrize("first", ["apache", "millrace"])
def test_what_was_compacted_is_opened_by_the_other_after_a_kill(first, folder):
    other = {"apache": "millrace", "millrace": "apache"}[first]
    node = start(first, folder / f"compacted-by-{first}")
    successor = node.successor(other)
    try:
        view = sweep.Transcript(node)
        view.create_topic(TOPIC, 1, {
            "cleanup.policy": "compact", "internal.segment.bytes": "20000",
            "min.cleanable.dirty.ratio": "0.001", "min.compaction.lag.ms": NEVER})
        produce(view, 3, 0, {}, int(time.time() * 1000))
        compact(view, node.data)
        found = surviving(view)
        producers = described(view)
        view.close()
        node.kill()
        successor.start()
        view = sweep.Transcript(successor)
        assert surviving(view) == found
        assert described(view) == producers
        view.close()
    finally:
        node.kill()
        successor.kill()


def described(view):
    (topic,) = view.connection.call("DescribeProducers", 0, {"Topics": [
        {"Name": TOPIC, "PartitionIndexes": [0]}]})["Topics"]
    return sorted(topic["Partitions"][0]["ActiveProducers"], key=lambda one: one["ProducerId"])
