"""The same records under retention by Apache Kafka and by Millrace: the same segments stay."""

import random
import time

import pytest

from harness import node as nodes
from harness import records, sweep
from harness.processes import wait_until

TOPIC = "kept"
MINUTE = 60_000
OFFSET_NOT_AVAILABLE = 78


def start(kind, folder):
    node = nodes.make(kind, folder, log__retention__check__interval__ms=300,
                      log__initial__task__delay__ms=100, log__segment__delete__delay__ms=500,
                      log__flush__start__offset__checkpoint__interval__ms=1000)
    return node.start()


def view_of(node, **configs):
    view = sweep.Transcript(node)
    view.create_topic(TOPIC, 1, {"retention.ms": "-1", "internal.segment.bytes": "2000",
                                 "message.timestamp.after.max.ms": str(2**62)} | configs)
    return view


def appends(seed, now):
    """Batches whose times wander, some without one, a few in the future."""
    draw = random.Random(seed)
    for number in range(120):
        timestamp = now - (120 - number) * MINUTE + draw.randint(-20, 20) * MINUTE
        if draw.random() < 0.03:
            timestamp = now + 600 * MINUTE if number > 80 else -1
        batch = [(f"k{number}", "v" * draw.randint(1, 400)) for _ in range(draw.randint(1, 3))]
        yield batch, {"timestamp": timestamp, "codec": draw.choice(list(records.CODECS))}


def produce(view, seed, now):
    for batch, fields in appends(seed, now):
        data = records.batch(batch, **fields)
        answer = view.connection.call("Produce", 9, {"Acks": -1, "TimeoutMs": 30000, "TopicData": [
            {"Name": TOPIC, "PartitionData": [{"Index": 0, "Records": data}]}]})
        result = answer["Responses"][0]["PartitionResponses"][0]
        assert result["ErrorCode"] == 0, result


def set_configs(view, **values):
    answer = view.connection.call("IncrementalAlterConfigs", 1, {"Resources": [
        {"ResourceType": 2, "ResourceName": TOPIC, "Configs": [
            {"Name": name.replace("_", "."), "ConfigOperation": 0, "Value": value}
            for name, value in values.items()]}]})
    assert answer["Responses"][0]["ErrorCode"] == 0, answer
    view.settle()


def offset(view, timestamp):
    def ask():
        answer = view.connection.call("ListOffsets", 7, {"ReplicaId": -1, "Topics": [
            {"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": -1,
                                            "Timestamp": timestamp}]}]})
        partition = answer["Topics"][0]["Partitions"][0]
        return partition if partition["ErrorCode"] != OFFSET_NOT_AVAILABLE else None

    partition = wait_until(ask, 30, "what is hidden until it is synced")
    return partition["Offset"], partition["Timestamp"], partition["ErrorCode"]


def delete_below(view, before):
    answer = view.connection.call("DeleteRecords", 2, {"TimeoutMs": 30000, "Topics": [
        {"Name": TOPIC, "Partitions": [{"PartitionIndex": 0, "Offset": before}]}]})
    return answer["Topics"][0]["Partitions"][0]["LowWatermark"]


def segments(data):
    return sorted(int(path.stem) for path in (data / f"{TOPIC}-0").glob("*.log"))


def settled(node):
    """The segments, once two looks a round apart find the same ones and no deleted file waits."""
    seen = [None]

    def same():
        now = segments(node.data)
        waiting = list((node.data / f"{TOPIC}-0").glob("*.deleted"))
        before, seen[0] = seen[0], now
        time.sleep(0.7)
        return before == now and not waiting
    wait_until(same, 60, lambda: f"retention ends: {seen[0]}")
    return seen[0]


def look_ups(view, now):
    """Offsets of times all along the log, and of its ends."""
    return [offset(view, at) for at in
            (-1, -2, -3, -4, 0, *(now + minutes * MINUTE for minutes in range(-150, 20, 7)))]


def test_the_same_segments_stay(folder):
    now = int(time.time() * 1000)
    running = {kind: start(kind, folder / f"retention-{kind}") for kind in ("apache", "millrace")}
    try:
        views = {kind: view_of(node) for kind, node in running.items()}
        steps = [
            {"retention_bytes": "14000"}, {"retention_ms": str(90 * MINUTE)},
            {"retention_ms": str(45 * MINUTE)}, {"retention_bytes": "6000"}, {"cleanup_policy": ""},
            {"retention_bytes": "0"}, {"cleanup_policy": "delete"},
        ]
        found = {kind: [] for kind in running}
        for kind, view in views.items():
            produce(view, 7, now)
            found[kind].append((settled(running[kind]), look_ups(view, now)))
        assert found["millrace"] == found["apache"]
        assert len(found["apache"][0][0]) > 8
        for step in steps:
            for kind, view in views.items():
                set_configs(view, **step)
                found[kind].append((settled(running[kind]), look_ups(view, now)))
            assert found["millrace"][-1] == found["apache"][-1], step
        assert len({str(one) for one, _ in found["apache"]}) > 4
        assert len(found["apache"][-1][0]) == 1
        for view in views.values():
            view.close()
    finally:
        for node in running.values():
            node.kill()


@pytest.mark.parametrize("first", ["apache", "millrace"])
def test_a_start_that_was_moved_is_where_the_other_begins(first, folder):
    other = {"apache": "millrace", "millrace": "apache"}[first]
    node = start(first, folder / f"retained-by-{first}")
    successor = node.successor(other)
    now = int(time.time() * 1000)
    try:
        view = view_of(node)
        produce(view, 11, now)
        set_configs(view, retention_bytes="9000")
        settled(node)
        (begin, _, _), (end, _, _) = offset(view, -2), offset(view, -1)
        assert 0 < begin < end
        moved = delete_below(view, begin + 5)  # amid a segment
        assert moved == begin + 5
        time.sleep(2.5)  # it is written down each second
        found = look_ups(view, now)
        view.close()
        node.kill()
        successor.start()
        view = sweep.Transcript(successor)
        assert look_ups(view, now) == found
        assert offset(view, -2)[0] == moved
        view.close()
    finally:
        node.kill()
        successor.kill()
