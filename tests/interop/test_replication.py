"""Replicas on Apache's brokers and ours: each leads and follows under kills, and ends up equal."""

import pytest

from harness import load, processes
from harness.cluster import Cluster

TOPIC = "replicated"
WAIT_SECONDS = 120
BROKERS = (11, 12, 13)


def all_alive(cluster):
    """No broker is fenced: one that is leads nothing."""
    with next(iter(cluster.brokers.values())).connect(timeout=30) as connection:
        answer = connection.call("Metadata", 12, {"Topics": []})
    return {one["NodeId"] for one in answer["Brokers"]} == set(BROKERS)


def create(cluster):
    """Each broker leads one partition, to begin with."""
    processes.wait_until(lambda: all_alive(cluster), WAIT_SECONDS, "all brokers")

    def created():
        with next(iter(cluster.brokers.values())).connect(timeout=30) as connection:
            answer = connection.call("CreateTopics", 7, {
                "Topics": [{
                    "Name": TOPIC, "NumPartitions": -1, "ReplicationFactor": -1,
                    "Assignments": [
                        {"PartitionIndex": index,
                         "BrokerIds": [*BROKERS[index:], *BROKERS[:index]]}
                        for index in range(load.PARTITIONS)],
                    "Configs": [{"Name": "min.insync.replicas", "Value": "2"}]}],
                "timeoutMs": 20000, "validateOnly": False})
            return answer["Topics"][0]["ErrorCode"] in (0, 36)  # TOPIC_ALREADY_EXISTS
    processes.wait_until(created, WAIT_SECONDS, "the topic")


def partitions_of(cluster):
    """Leader and replicas in sync of each partition, as a broker that lives has it."""
    node = next(node for node in cluster.brokers.values() if node.alive())
    with node.connect(timeout=30) as connection:
        answer = connection.call("Metadata", 12, {"Topics": None})
    return {one["PartitionIndex"]: (one["LeaderId"], set(one["IsrNodes"]))
            for topic in answer["Topics"] if topic["Name"] == TOPIC
            for one in topic["Partitions"]}


def all_in_sync(cluster):
    found = partitions_of(cluster)
    return found and all(isr == set(BROKERS) for _, isr in found.values())


def log_of(node, partition):
    folder = node.data / f"{TOPIC}-{partition}"
    return b"".join(path.read_bytes() for path in sorted(folder.glob("*.log")))


def are_equal(cluster):
    for partition in range(load.PARTITIONS):
        logs = [log_of(node, partition) for node in cluster.brokers.values()]
        if not logs[0] or any(one != logs[0] for one in logs):
            return False
    return True


def check(cluster, sent):
    """What was sent is there once and in order, where it was acknowledged to be."""
    assert not sent.errors, sent.errors[:3]
    for partition, (leader, _) in partitions_of(cluster).items():
        found = load.read_all(cluster.members[leader], TOPIC, partition)
        assert [key for _, key in found] == list(range(sent.sent[partition]))
        assert sent.acknowledged[partition] == {key: offset for offset, key in found}


@pytest.mark.parametrize("kinds", [
    ("apache", "apache", "millrace"), ("apache", "millrace", "millrace"),
    ("millrace", "millrace", "millrace"),
], ids="-".join)
def test_each_leads_and_follows(folder, kinds):
    members = {1: ("millrace", "controller"),
               **{each: (kind, "broker") for each, kind in zip(BROKERS, kinds)}}
    cluster = Cluster(folder / "-".join(kinds), members,
                      **{"replica.lag.time.max.ms": 5000, "default.replication.factor": 3})
    try:
        cluster.start()
        create(cluster)
        processes.wait_until(lambda: all_in_sync(cluster), WAIT_SECONDS, "all to be in sync")
        assert {leader for leader, _ in partitions_of(cluster).values()} == set(BROKERS)
        sent = load.Load(cluster.bootstrap, TOPIC, 1)
        for each, node in cluster.brokers.items():
            sent.wait_for(300, node)
            node.kill()
            processes.wait_until(
                lambda: all(leader not in (-1, each)
                            for leader, _ in partitions_of(cluster).values()),
                WAIT_SECONDS, "others to lead")
            sent.wait_for(300, node)
            node.start()
            processes.wait_until(lambda: all_in_sync(cluster), WAIT_SECONDS, "all to be in sync")
        sent.finish()
        processes.wait_until(lambda: are_equal(cluster), WAIT_SECONDS, "equal logs")
        check(cluster, sent)
    finally:
        cluster.kill()
