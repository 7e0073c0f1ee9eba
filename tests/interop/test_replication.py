"""Replicas on Apache's brokers and ours: each leads and follows under kills, and ends up equal."""

import functools
import socket

import pytest

from harness import certificates, load, processes
from harness.cluster import Cluster

TOPIC = "replicated"
# Followers that speak TLS on a small machine keep up with this.
PACE = 0.001
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


def partitions_of(cluster, node=None, topic=TOPIC):
    """Leader and replicas in sync of each partition, as this broker, or one that lives, has it."""
    node = node or next(node for node in cluster.brokers.values() if node.alive())
    with node.connect(timeout=30) as connection:
        answer = connection.call("Metadata", 12, {"Topics": None})
    return {one["PartitionIndex"]: (one["LeaderId"], set(one["IsrNodes"]))
            for each in answer["Topics"] if each["Name"] == topic
            for one in each["Partitions"]}


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


def lead_and_follow(cluster):
    """Each broker leads a partition and is killed under load; the logs end up equal."""
    cluster.start()
    create(cluster)
    processes.wait_until(lambda: all_in_sync(cluster), WAIT_SECONDS, "all to be in sync")
    assert {leader for leader, _ in partitions_of(cluster).values()} == set(BROKERS)
    sent = load.Load(cluster.bootstrap, TOPIC, 1, PACE)
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


def members_of(kinds):
    return {1: ("millrace", "controller"),
            **{each: (kind, "broker") for each, kind in zip(BROKERS, kinds)}}


@pytest.mark.parametrize("kinds", [
    ("apache", "apache", "millrace"), ("apache", "millrace", "millrace"),
    ("millrace", "millrace", "millrace"),
], ids="-".join)
def test_each_leads_and_follows(folder, kinds):
    cluster = Cluster(folder / "-".join(kinds), members_of(kinds),
                      **{"replica.lag.time.max.ms": 5000, "default.replication.factor": 3})
    try:
        lead_and_follow(cluster)
    finally:
        cluster.kill()


def speak_tls(cluster, folder):
    """Brokers reach each other, and all reach the controllers, by TLS with certificates of both
    sides; clients do without."""
    authority = certificates.Authority(folder / "between-ca", "Between brokers")
    for each, node in cluster.members.items():
        own = authority.issue(f"node-{each}", f"/CN=node-{each}")
        node.properties |= {
            **certificates.keystore(own, "PEM"), **certificates.truststore(authority, "PEM"),
            "ssl.client.auth": "required"}
        if each in cluster.controllers:
            node.ready = functools.partial(accepts, node.controller_port)
        if each in cluster.brokers:
            port, = processes.free_ports(1)
            for key in ("listeners", "advertised.listeners"):
                node.properties[key] += f",BETWEEN://127.0.0.1:{port}"
            node.properties["inter.broker.listener.name"] = "BETWEEN"


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False


@pytest.mark.parametrize("controller, kinds", [
    ("millrace", ("apache", "millrace", "millrace")),
    ("apache", ("millrace", "millrace", "apache")),
], ids=["millrace-controller", "apache-controller"])
def test_brokers_and_controllers_talk_by_tls(folder, controller, kinds):
    members = members_of(kinds) | {1: (controller, "controller")}
    cluster = Cluster(folder / f"tls-{controller}", members, **{
        "replica.lag.time.max.ms": 5000, "default.replication.factor": 3,
        "listener.security.protocol.map":
            "CONTROLLER:SSL,PLAINTEXT:PLAINTEXT,BETWEEN:SSL"})
    try:
        speak_tls(cluster, folder / f"tls-{controller}")
        lead_and_follow(cluster)
    finally:
        cluster.kill()
