"""Quorums of Apache's controllers and ours: each leads and follows; brokers of both kinds work."""

import pytest

from harness import processes

BROKERS = {11: ("apache", "broker"), 12: ("millrace", "broker")}
WAIT_SECONDS = 60


def controllers(*kinds):
    return {each: (kind, "controller") for each, kind in enumerate(kinds, start=1)}


def create(node, topic):
    """Creates a topic by a broker; done when a controller says so."""
    def created():
        with node.connect(timeout=30) as connection:
            answer = connection.call("CreateTopics", 7, {
                "Topics": [{"Name": topic, "NumPartitions": 3, "ReplicationFactor": 1,
                            "Assignments": [], "Configs": []}],
                "timeoutMs": 20000, "validateOnly": False})
            return answer["Topics"][0]["ErrorCode"] in (0, 36)  # TOPIC_ALREADY_EXISTS
    processes.wait_until(created, WAIT_SECONDS, f"topic {topic} by {node.kind}")
    return topic


def begin_producing(node):
    """A producer id, which the broker has from a block of the active controller's."""
    def given():
        with node.connect(timeout=30) as connection:
            return connection.call("InitProducerId", 4, {
                "TransactionalId": None, "TransactionTimeoutMs": 1000, "ProducerId": -1,
                "ProducerEpoch": -1})["ErrorCode"] == 0
    processes.wait_until(given, WAIT_SECONDS, f"a producer id of {node.kind}")


def topics_of(node):
    with node.connect(timeout=30) as connection:
        answer = connection.call("Metadata", 12, {"Topics": None})
        return {topic["Name"]: topic["TopicId"] for topic in answer["Topics"]}


def agree(cluster, expected):
    """All brokers know these topics, under the same ids."""
    def same():
        seen = [topics_of(node) for node in cluster.brokers.values()]
        return all(one == seen[0] for one in seen) and expected <= set(seen[0])
    processes.wait_until(same, WAIT_SECONDS, f"all brokers to know {sorted(expected)}")


def caught_up(cluster):
    """Every running replica has fetched to the leader's end."""
    found = cluster.describe_quorum()
    if found is None:
        return False
    ends = {one["ReplicaId"]: one["LogEndOffset"]
            for one in found["CurrentVoters"] + found["Observers"]}
    alive = {each for each, node in cluster.members.items() if node.alive()}
    return alive <= set(ends) and all(
        ends[each] >= found["HighWatermark"] - 2 for each in alive)


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("kinds", [
    ("apache", "apache", "millrace"), ("apache", "millrace", "millrace"),
], ids="-".join)
def test_each_controller_leads(start_cluster, kinds, dynamic):
    cluster = start_cluster({**controllers(*kinds), **BROKERS}, dynamic=dynamic)
    expected = set()
    led = set()
    for turn in range(4):
        leader = processes.wait_until(cluster.leader, WAIT_SECONDS, "a leader")
        led.add(leader)
        for node in cluster.brokers.values():
            expected.add(
                create(node, f"led-by-{cluster.members[leader].kind}-by-{node.kind}-{turn}"))
        agree(cluster, expected)
        processes.wait_until(lambda: caught_up(cluster), WAIT_SECONDS, "all to catch up")
        # A broker that leaves is let go, and comes back; its first block of producer ids is new.
        ours = cluster.members[12]
        assert ours.stop() == 0
        ours.start()
        begin_producing(ours)
        if led == set(cluster.controllers):
            break
        # Which of two equal logs leads is up to chance; who has missed records cannot.
        wanted = min(set(cluster.controllers) - led)
        rival, = set(cluster.controllers) - {leader, wanted}
        with cluster.members[rival].paused():
            expected.add(create(cluster.brokers[11], f"missed-by-{rival}-{turn}"))
            (cluster.members[leader].kill if turn % 2 else cluster.members[leader].stop)()
        processes.wait_until(
            lambda: cluster.leader() not in (None, leader), WAIT_SECONDS, "another leader")
        cluster.members[leader].start()
    assert led == set(cluster.controllers), f"only {led} led"
    for each in cluster.controllers:
        assert cluster.members[each].stop() == 0 or cluster.members[each].kind == "apache"
    logs = [cluster.metadata_log(each) for each in cluster.controllers]
    shortest = min(len(log.rstrip(b"\0")) for log in logs)
    assert shortest > 1000
    assert all(log[:shortest] == logs[0][:shortest] for log in logs)


def test_nodes_of_both_roles(start_cluster):
    """Each is a broker and a controller; the leader is killed, and comes back."""
    cluster = start_cluster({
        1: ("apache", "broker,controller"), 2: ("millrace", "broker,controller"),
        3: ("millrace", "broker,controller")})
    expected = set()
    for turn in range(3):
        leader = processes.wait_until(cluster.leader, WAIT_SECONDS, "a leader")
        for node in cluster.brokers.values():
            topic = f"turn-{turn}-by-{node.properties['node.id']}"
            create(node, topic)
            expected.add(topic)
        agree(cluster, expected)
        cluster.members[leader].kill()
        processes.wait_until(
            lambda: cluster.leader() not in (None, leader), WAIT_SECONDS, "another leader")
        cluster.members[leader].start()
    agree(cluster, expected)


@pytest.mark.parametrize("slow", ["apache", "millrace"])
def test_a_controller_that_was_away_gets_a_snapshot(start_cluster, slow):
    """Of the other kind, which leads."""
    other = "millrace" if slow == "apache" else "apache"
    cluster = start_cluster(
        {1: (other, "controller"), 2: (other, "controller"), 3: (slow, "controller"), **BROKERS},
        **{"metadata.log.max.record.bytes.between.snapshots": 3000,
           "metadata.max.retention.bytes": 6000, "internal.metadata.log.segment.bytes": 8192,
           "internal.metadata.max.batch.size.in.bytes": 8000})
    if processes.wait_until(cluster.leader, WAIT_SECONDS, "a leader") == 3:
        cluster.members[3].stop()
    else:
        cluster.members[3].kill()
    expected = set()
    for turn in range(60):
        topic = f"while-away-{turn}"
        create(cluster.members[12 if turn % 2 else 11], topic)
        expected.add(topic)
    data = cluster.members[3].data / "__cluster_metadata-0"
    before = {path.name for path in data.glob("*.checkpoint")}
    cluster.members[3].start()
    processes.wait_until(lambda: caught_up(cluster), WAIT_SECONDS, "it to catch up")
    assert {path.name for path in data.glob("*.checkpoint")} - before, "no snapshot was fetched"
    agree(cluster, expected)
