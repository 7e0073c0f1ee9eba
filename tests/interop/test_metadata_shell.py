"""Equal metadata: each one's snapshots, read by both metadata shells, are the same trees, and so is
what our shell reads from controllers that run."""

import shutil

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


def latest_by_apache(node):
    """Of a copy: the node has its directory locked, where Apache's shell would lock it."""
    copy = node.folder / "copied" / "latest.checkpoint"
    copy.parent.mkdir(exist_ok=True)
    copy.unlink(missing_ok=True)
    shutil.copy(shell.snapshots(node)[-1], copy)
    return shell.without_provenance(shell.apache_tree(copy))


def ends_up_as_the_snapshots(node, *flags):
    """While nothing happens but that time goes by, the latest snapshot is what is there."""
    processes.wait_until(lambda: shell.snapshots(node), WAIT_SECONDS, "a snapshot")
    processes.wait_until(lambda: shell.live_tree(*flags) == latest_by_apache(node), WAIT_SECONDS,
                         "the live tree and that of Apache's shell to be equal")


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("leads", ["apache", "millrace"])
def test_a_quorum_that_runs_is_read(folder, leads, dynamic):
    other = "millrace" if leads == "apache" else "apache"
    cluster = Cluster(
        folder / f"shell-live-{leads}-{dynamic}", {
            1: (leads, "controller"), 2: (leads, "controller"), 3: (leads, "controller"),
            11: (other, "broker")},
        dynamic=dynamic, **{"metadata.log.max.snapshot.interval.ms": 2000})
    conversation = None
    try:
        cluster.start()
        broker = cluster.members[11]
        fill(broker)
        controllers = [f"127.0.0.1:{node.controller_port}" for node in cluster.controllers.values()]
        for address in controllers:
            assert "topic.0" in shell.live_tree("--bootstrap-controller", address)
        through_broker = ("--bootstrap-server", broker.bootstrap)
        ends_up_as_the_snapshots(cluster.members[1], *through_broker)

        conversation = shell.Conversation("--bootstrap-controller", ",".join(controllers))
        before = conversation.ask("ls image/topics/byName")
        assert "topic.0" in before and "later" not in before
        leader = cluster.leader()
        cluster.members[leader].kill()
        processes.wait_until(lambda: cluster.leader() not in (None, leader), WAIT_SECONDS,
                             "another leader")
        created = call(broker, "CreateTopics", 7, {"timeoutMs": 20000, "Topics": [{
            "Name": "later", "NumPartitions": 1, "ReplicationFactor": 1}]})
        assert created["Topics"][0]["ErrorCode"] == 0
        assert "later" in conversation.ask("ls image/topics/byName")
        assert conversation.end() == 0
        says_what_is_wrong(cluster, broker, controllers[leader % 3])
    finally:
        if conversation:
            conversation.kill()
        cluster.kill()


def says_what_is_wrong(cluster, broker, controller):
    brief = cluster.members[1].folder / "brief.properties"
    brief.write_text("default.api.timeout.ms=4000\nrequest.timeout.ms=2000\n")
    brief = ("--command-config", str(brief))
    assert "has the id" in shell.live_refusal(
        "--bootstrap-controller", controller, "--cluster-id", "AAAAAAAAAAAAAAAAAAAAAA", *brief)
    assert "Use --bootstrap-server" in shell.live_refusal(
        "--bootstrap-controller", broker.bootstrap, *brief)
    assert "Use --bootstrap-controller" in shell.live_refusal(
        "--bootstrap-server", controller, *brief)
    assert "can be reached" in shell.live_refusal("--bootstrap-controller", "127.0.0.1:1", *brief)


@pytest.mark.parametrize("leads", ["apache", "millrace"])
def test_a_log_that_begins_with_a_snapshot_is_read(folder, leads):
    node = nodes.make(leads, folder / f"shell-short-{leads}", **{
        "metadata.log.max.record.bytes.between.snapshots": 3000,
        "metadata.log.max.snapshot.interval.ms": 2000,
        "metadata.max.retention.bytes": 5000,
        "internal.metadata.log.segment.bytes": 3000})
    try:
        node.start()
        fill(node)
        first = node.data / "__cluster_metadata-0" / f"{0:020}.log"
        # Apache's controllers look for what is too much once a minute.
        processes.wait_until(lambda: not first.exists(), 200, "the log's beginning to go")
        ends_up_as_the_snapshots(node, "--bootstrap-controller",
                                 f"127.0.0.1:{node.controller_port}")
    finally:
        node.stop()
