"""kafka-replica-verification, Apache's and ours, over brokers of both kinds."""

import contextlib
import itertools
import re

import crc32c
import pytest

from harness import processes, records, toolchains
from harness.node import MillraceNode
from harness.processes import wait_until

WAIT_SECONDS = 60
NUMBERS = itertools.count(1)
TOPIC = "rv"
CRC, CHECKED = 17, 21  # where the CRC of a batch lies, and what it is of
COMMANDS = {
    "apache": lambda: [*toolchains.java(), "org.apache.kafka.tools.ReplicaVerificationTool"],
    "millrace": lambda: [MillraceNode.executable, "replica-verification"],
}


def produce(node, *values):
    """Each in a batch of its own, once it is on all replicas."""
    with node.connect() as connection:
        for value in values:
            answer = connection.call("Produce", 9, {
                "Acks": -1, "TimeoutMs": 30000, "TopicData": [{
                    "Name": TOPIC, "PartitionData": [
                        {"Index": 0, "Records": records.batch([("k", value)])}]}]})
            assert answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0, answer


@contextlib.contextmanager
def verification(tool, cluster, folder):
    """What a tool that runs has printed, without the times."""
    log = folder / f"replica-verification-{tool}-{next(NUMBERS)}.log"
    running = processes.Process([
        *COMMANDS[tool](), "--broker-list", cluster.bootstrap, "--topics-include", TOPIC,
        "--time", -2, "--report-interval-ms", 300, "--max-wait-ms", 100], log)

    def printed():
        text = log.read_text(errors="replace")
        return re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}: (.*)$", text, re.M)
    try:
        yield printed
    finally:
        running.stop()


@pytest.fixture
def cluster(start_cluster):
    return start_cluster({1: ("millrace", "broker,controller"), 2: ("apache", "broker")})


def leader(cluster):
    """The leader that every broker knows, with both replicas in sync."""
    def told_by(node):
        with node.connect() as connection:
            topic = connection.call("Metadata", 12, {
                "Topics": [{"Name": TOPIC}], "AllowAutoTopicCreation": False})["Topics"][0]
        if topic["ErrorCode"]:
            return None
        partition = topic["Partitions"][0]
        return partition["LeaderId"] if sorted(partition["IsrNodes"]) == [1, 2] else None

    def found():
        (told, *others) = {told_by(node) for node in cluster.brokers.values()}
        return None if others else cluster.brokers.get(told)
    return wait_until(found, WAIT_SECONDS, "a leader with both replicas in sync")


def change_first_value(node, before, after):
    """Another record in the place of the first, and its batch is whole."""
    (segment,) = node.data.glob(f"{TOPIC}-0/*.log")
    data = bytearray(segment.read_bytes())
    size = 12 + int.from_bytes(data[8:12], "big")
    first = bytes(data[:size]).replace(before, after)
    assert first != bytes(data[:size])
    data[:size] = first
    data[CRC:CRC + 4] = crc32c.crc32c(first[CHECKED:]).to_bytes(4, "big")
    segment.write_bytes(data)


@pytest.mark.parametrize("tool", COMMANDS)
def test_replicas_are_compared(cluster, folder, tool):
    with cluster.brokers[1].connect() as connection:
        connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
            {"Name": TOPIC, "NumPartitions": 1, "ReplicationFactor": 2}]})
    produce(leader(cluster), "value-0", "value-1", "value-2")

    def lag(end):
        return f"max lag is 0 for partition {TOPIC}-0 at offset {end} among 1 partitions"

    with verification(tool, cluster, folder) as printed:
        wait_until(lambda: lag(3) in printed(), WAIT_SECONDS, lambda: printed())
        produce(leader(cluster), "value-3", "value-4")
        wait_until(lambda: lag(5) in printed(), WAIT_SECONDS, lambda: printed())
        assert printed()[0] == "verification process is started"
        assert all(line.startswith(("max lag", "verification")) for line in printed())

    changed = cluster.brokers[2]
    changed.stop()
    change_first_value(changed, b"value-0", b"VALUE-0")
    changed.start()
    leader(cluster)
    with verification(tool, cluster, folder) as printed:
        wait_until(lambda: lag(5) in printed(), WAIT_SECONDS, lambda: printed())
        found = [line for line in printed() if "checksum" in line]
        assert len(found) == 1
        assert re.fullmatch(
            rf"partition {TOPIC}-0 has unmatched checksum at offset 0; replica 1's checksum \d+; "
            r"replica 2's checksum \d+", found[0])
