"""A cluster changes from Apache's nodes to ours and back, one node after the other, on the data
directories and under the ids that they have, while an idempotent producer and a consumer group go
on: nothing is lost, doubled or reordered, and no client hears of an error."""

import pytest

from harness import load, processes
from harness.cluster import Cluster
from harness.following import Reader
from test_replication import (
    BROKERS, TOPIC, WAIT_SECONDS, all_in_sync, are_equal, check, create)

PACE = 0.005


def members_of(roles, full):
    if roles == "combined":
        return {each: ("apache", "broker,controller") for each in BROKERS}
    controllers = (1, 2, 3) if full else (1,)
    return {**{each: ("apache", "controller") for each in controllers},
            **{each: ("apache", "broker") for each in BROKERS}}


def change(cluster, each, kind):
    """The node stops in order, and one of another kind goes on in its place."""
    node = cluster.members[each]
    assert node.stop() in (0, 143), node.tail()
    successor = node.successor(kind)
    successor.host, successor.prefix = node.host, node.prefix
    if "broker" not in node.properties["process.roles"]:
        successor.ready = Cluster.listens(successor)
    cluster.members[each] = successor
    successor.start()


@pytest.mark.parametrize("roles", ["separate", "combined"])
def test_node_by_node(folder, request, roles):
    full = request.config.getoption("--full")
    members = members_of(roles, full)
    cluster = Cluster(folder / f"migration-{roles}", members, **{
        "default.replication.factor": 3, "offsets.topic.replication.factor": 3,
        "offsets.topic.num.partitions": 3, "replica.lag.time.max.ms": 10_000})
    try:
        cluster.start()
        create(cluster)
        processes.wait_until(lambda: all_in_sync(cluster), WAIT_SECONDS, "all to be in sync")
        sent = load.Load(cluster.bootstrap, TOPIC, 1, PACE)
        reader = Reader(cluster.bootstrap, TOPIC, "migration")
        for kind in ("millrace", "apache"):
            for each in members:
                change(cluster, each, kind)
                processes.wait_until(lambda: all_in_sync(cluster), WAIT_SECONDS,
                                     f"all to be in sync with {each} as {kind}")
                sent.wait_for(100, cluster.members[each])
        sent.finish()
        processes.wait_until(lambda: are_equal(cluster), WAIT_SECONDS, "equal logs")
        check(cluster, sent)
        reader.finish(sent)
    finally:
        cluster.kill()
