"""Topics with remote.storage.enable and several replicas, which share what is in the store."""

import confluent_kafka

from harness import tiered
from harness.cluster import Cluster
from harness.processes import wait_until
from test_replication import BROKERS, partitions_of
from test_tiered import CONFIGS, SPECIAL, VALUE, fetch, list_offset, read_all


def leader_and_isr(cluster, topic):
    return partitions_of(cluster, topic=topic).get(0, (-1, set()))


def local_bases(node, topic):
    return sorted(int(path.stem) for path in (node.data / f"{topic}-0").glob("*.log"))


def send(cluster, topic, count, start):
    """Records of a kilobyte, each in a batch of its own."""
    producer = confluent_kafka.Producer({
        "bootstrap.servers": cluster.bootstrap, "enable.idempotence": True,
        "batch.num.messages": 1, "message.timeout.ms": 120_000})
    for i in range(start, start + count):
        producer.produce(topic, f"{i} ".ljust(VALUE, "x").encode(), partition=0)
    assert producer.flush(120) == 0


def test_replicas_share_the_store(kind, folder):
    """Followers drop what is copied; one that was away goes on behind it, and then serves all."""
    store = tiered.store_of(kind, folder / f"shared-{kind}")
    # Controllers of their own, so that two brokers less are no majority less.
    cluster = Cluster(folder / f"tiered-cluster-{kind}",
                      {1: (kind, "controller"), **{each: (kind, "broker") for each in BROKERS}},
                      **{**tiered.FAST, **store, "replica.lag.time.max.ms": 5000,
                         "rlmm.config.remote.log.metadata.topic.replication.factor": 3})
    try:
        cluster.start()
        first = cluster.members[BROKERS[0]]
        wait_until(lambda: len(first.ready() or []) == 3, 60, "three brokers")
        with first.connect() as connection:
            (made,) = connection.call("CreateTopics", 7, {"timeoutMs": 30000, "Topics": [
                {"Name": "t", "NumPartitions": 1, "ReplicationFactor": 3, "Assignments": [],
                 "Configs": [{"Name": name, "Value": value} for name, value in CONFIGS.items()]}],
                "validateOnly": False})["Topics"]
            assert made["ErrorCode"] == 0, made
        send(cluster, "t", 60, 0)
        wait_until(lambda: all(local_bases(cluster.members[each], "t")[:1] > [20]
                               for each in BROKERS), 120, "followers to drop what is copied")
        leader, _ = leader_and_isr(cluster, "t")
        away = next(each for each in BROKERS if each != leader)
        cluster.members[away].kill()
        send(cluster, "t", 90, 60)
        wait_until(lambda: local_bases(cluster.members[leader], "t")[:1] > [100], 120,
                   "the leader to drop what is copied")
        cluster.members[away].start()
        wait_until(lambda: leader_and_isr(cluster, "t")[1] == set(BROKERS), 120,
                   lambda: f"{away} to be in sync: {cluster.members[away].tail()}")
        assert local_bases(cluster.members[away], "t")[0] > 100
        for each in BROKERS:
            if each != away:
                cluster.members[each].kill()
        wait_until(lambda: leader_and_isr(cluster, "t")[0] == away, 120, f"{away} to lead")
        with cluster.members[away].connect() as connection:
            # It is told of that later, and learns of what is in the store.
            wait_until(lambda: list_offset(connection.call, "t", SPECIAL["earliest"])[0] == 0 and
                       fetch(connection.call, "t", 0)["ErrorCode"] == 0, 60, "answers")
            assert list_offset(connection.call, "t", SPECIAL["earliest"])[2] == 0
            bases = [base for base, _ in read_all(connection.call, "t", 0)]
        assert bases == list(range(150))
    finally:
        cluster.kill()
