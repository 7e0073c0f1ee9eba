"""A full disk: writes are refused, what was acknowledged stays, and space brings all back."""

import pytest

from harness import disks
from harness import node as nodes
from harness import records, wire
from harness.processes import wait_until

DISK_MEGABYTES = 96
FILLER_MEGABYTES = 48
VALUE = "x" * 200_000
NOT_LEADER, STORAGE_ERROR = 6, 56
TOPIC = "full"


@pytest.fixture
def small_disk(folder, kind):
    """A file system of its own, with a file on it that can be removed to make room."""
    with disks.small_disk(folder / f"disk-{kind}.img", folder / f"disk-{kind}", DISK_MEGABYTES,
                          FILLER_MEGABYTES) as mount_point:
        (mount_point / "logs").mkdir()
        yield mount_point


def produce_until_refused(node):
    """Keys that were acknowledged, and the error that ended it ("closed" for a lost node)."""
    acknowledged = []
    try:
        with node.connect() as connection:
            for number in range(DISK_MEGABYTES * 10):
                answer = connection.call("Produce", 8, {
                    "Acks": -1, "TimeoutMs": 5000, "TopicData": [{
                        "Name": TOPIC, "PartitionData": [{"Index": 0, "Records": records.batch(
                            [(str(number), VALUE)])}]}]})
                code = answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
                if code:
                    return acknowledged, code
                acknowledged.append(str(number))
    except (wire.Closed, ConnectionRefusedError):
        return acknowledged, "closed"
    raise AssertionError("the disk did not fill up")


def read_keys(node):
    """Nothing while the partition has no leader, as after a start until the broker is unfenced."""
    keys, offset = [], 0
    with node.connect() as connection:
        while True:
            answer = connection.call("Fetch", 11, {
                "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "Topics": [{
                    "Topic": TOPIC, "Partitions": [{"Partition": 0, "FetchOffset": offset,
                                                    "PartitionMaxBytes": 4 << 20}]}]})
            one = answer["Responses"][0]["Partitions"][0]
            if one["ErrorCode"] == NOT_LEADER:
                return None
            assert one["ErrorCode"] == 0, one["ErrorCode"]
            batches = records.parse(one["Records"] or b"")
            if not batches:
                return keys
            keys += [key.decode() for batch in batches for _, key, _, _ in batch["records"]]
            offset = batches[-1]["records"][-1][0] + 1


def test_disk_full(kind, small_disk, folder):
    node = nodes.make(kind, folder / f"disk-full-{kind}", log__dirs=small_disk / "logs",
                      metadata__log__dir=folder / f"disk-full-{kind}" / "metadata",
                      log__segment__bytes=8 << 20)
    node.start()
    try:
        with node.connect() as connection:
            connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
                {"Name": TOPIC, "NumPartitions": 1, "ReplicationFactor": 1}]})
        acknowledged, error = produce_until_refused(node)
        assert len(acknowledged) > 50, f"refused after {len(acknowledged)} records: {error}"
        # Its only directory of logs has failed, so it ends.
        assert error in (STORAGE_ERROR, "closed")
        wait_until(lambda: not node.alive(), 60, "the halt")
        (small_disk / "filler").unlink()
        node.start()
        # What is not synced yet after an unclean end is hidden until it is.
        found = wait_until(lambda: (keys := read_keys(node)) and len(keys) >= len(acknowledged)
                           and keys, 60, "what was acknowledged")
        # One that was written whole but not acknowledged may be there, as the last.
        assert found[:len(acknowledged)] == acknowledged
        assert len(found) <= len(acknowledged) + 1
        with node.connect() as connection:
            answer = connection.call("Produce", 8, {
                "Acks": -1, "TimeoutMs": 5000, "TopicData": [{"Name": TOPIC, "PartitionData": [
                    {"Index": 0, "Records": records.batch([("more", "room")])}]}]})
        assert answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0
        assert read_keys(node) == [*found, "more"]
        node.stop()
    finally:
        node.kill()
