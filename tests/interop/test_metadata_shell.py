"""Equal metadata: each one's snapshots, read by both metadata shells, are the same trees."""

import pytest

from harness import node as nodes
from harness import processes, shell
from harness.cluster import Cluster
from test_controllers import caught_up

WAIT_SECONDS = 60
TOPIC, BROKER, METRICS, GROUP = 2, 4, 16, 32


def call(node, api, version, fields):
    with node.connect(timeout=30) as connection:
        return connection.call(api, version, fields)


def fill(node):
    """Leaves records of every kind that clients can ask for."""
    for number in range(4):
        call(node, "CreateTopics", 7, {"timeoutMs": 20000, "Topics": [{
            "Name": f"topic.{number}", "NumPartitions": 3, "ReplicationFactor": 1,
            "Configs": [{"Name": "retention.ms", "Value": "1234567"}]}]})
    call(node, "DeleteTopics", 6, {"TimeoutMs": 20000, "Topics": [{"Name": "topic.3"}]})
    for kind, name, key, value in (
            (BROKER, "", "log.cleaner.threads", "2"), (BROKER, "1", "background.threads", "11"),
            (METRICS, "metrics", "interval.ms", "1000"),
            (GROUP, "group", "consumer.session.timeout.ms", "50000")):
        call(node, "IncrementalAlterConfigs", 1, {"Resources": [
            {"ResourceType": kind, "ResourceName": name, "Configs": [
                {"Name": key, "ConfigOperation": 0, "Value": value}]}]})
    call(node, "AlterUserScramCredentials", 0, {"Deletions": [], "Upsertions": [
        {"Name": f"user-{mechanism}", "Mechanism": mechanism, "Iterations": 4096,
         "Salt": b"salt", "SaltedPassword": b"salted"} for mechanism in (1, 2)]})
    call(node, "InitProducerId", 4, {"TransactionalId": None, "TransactionTimeoutMs": 1000,
                                     "ProducerId": -1, "ProducerEpoch": -1})


@pytest.mark.parametrize("writer", ["apache", "millrace"])
def test_both_shells_read_the_same(folder, writer):
    if writer == "millrace" and not nodes.MillraceNode.has("metadata-shell"):
        pytest.skip("no millrace executable")
    node = nodes.make(writer, folder / f"shell-{writer}",
                      **{"metadata.log.max.record.bytes.between.snapshots": 3000})
    try:
        node.start()
        fill(node)
        written = processes.wait_until(
            lambda: shell.snapshots(node), WAIT_SECONDS, "a snapshot")
    finally:
        node.stop()
    for snapshot in {*written, *shell.snapshots(node)}:
        theirs = shell.apache_tree(snapshot)
        assert "topic.0" in theirs
        assert shell.our_tree(snapshot) == theirs
    assert "user-1" in shell.directory_tree(node.data)


def test_controllers_of_both_kinds_end_up_equal(folder):
    cluster = Cluster(folder / "shell-cluster", {
        1: ("apache", "controller"), 2: ("millrace", "controller"), 3: ("millrace", "controller"),
        11: ("apache", "broker"), 12: ("millrace", "broker")},
        **{"metadata.log.max.record.bytes.between.snapshots": 3000})
    try:
        cluster.start()
        fill(cluster.members[11])
        processes.wait_until(lambda: caught_up(cluster), WAIT_SECONDS, "all to catch up")
        for each in cluster.controllers:
            cluster.members[each].stop()
    finally:
        cluster.kill()
    for each in cluster.controllers:
        for snapshot in shell.snapshots(cluster.members[each]):
            assert shell.our_tree(snapshot) == shell.apache_tree(snapshot)
    trees = [shell.directory_tree(cluster.members[each].data, "/image/topics")
             for each in cluster.controllers]
    assert "topic.2" in trees[0]
    assert trees.count(trees[0]) == len(trees)
