"""Transactions of client libraries: what is committed is read, once; through kill -9, too, and
where the coordinator moves between Apache's brokers and ours."""

import collections
import os
import random
import threading

import pytest

from harness import drivers
from harness.cluster import Cluster
from harness.processes import wait_until

SECONDS = 90
SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "7"))
CLIENTS = ["java", "confluent-kafka"]
KILLS, FULL_KILLS = 3, 30


@pytest.fixture(scope="module")
def transaction_node(kind, start_node):
    return start_node(kind, "transactions", transaction__partition__verification__enable="true")


@pytest.fixture(scope="module", params=CLIENTS)
def driver(request, folder):
    made = drivers.Driver(request.param, folder / f"transactions-{request.param}.log")
    yield made
    made.close()


@pytest.fixture
def client(driver, transaction_node, request):
    driver.connect(bootstrap=transaction_node.bootstrap)
    driver.topic = f"{driver.name}-{request.function.__name__}"
    yield driver
    assert transaction_node.alive(), transaction_node.tail()


def make_topic(client, topic, partitions, **options):
    client.create_topic(topic=topic, partitions=partitions, configs={}, **options)
    wait_until(lambda: topic in client.list_topics(), SECONDS, "the topic is listed")


def numbered(first, count):
    return [{"key": f"key-{i}", "value": f"value-{i}"} for i in range(first, first + count)]


def values(first, count):
    return [f"value-{i}" for i in range(first, first + count)]


def everything(read):
    return sorted(value for partition in read for value in partition)


def test_what_is_committed_is_read(client):
    make_topic(client, client.topic, 4)
    mine = {"producer": f"{client.topic}-1", "transactional_id": client.topic}
    wanted, written = [], []
    for turn in range(12):
        client.begin(**mine)
        client.write(producer=mine["producer"], topic=client.topic, records=numbered(turn * 10, 10))
        commit = turn % 3 != 1
        client.end(producer=mine["producer"], commit=commit)
        written += values(turn * 10, 10)
        wanted += values(turn * 10, 10) if commit else []
    read = client.read(topic=client.topic, partitions=4, committed=True)
    assert everything(read) == sorted(wanted)
    read = client.read(topic=client.topic, partitions=4, committed=False)
    assert everything(read) == sorted(written)


def test_whoever_comes_next_fences(client):
    make_topic(client, client.topic, 1)
    first = {"producer": f"{client.topic}-1", "transactional_id": client.topic}
    second = {"producer": f"{client.topic}-2", "transactional_id": client.topic}
    client.begin(**first)
    client.write(producer=first["producer"], topic=client.topic, records=numbered(0, 5))
    client.begin(**second)  # aborts what the first has open
    client.write(producer=second["producer"], topic=client.topic, records=numbered(10, 5))
    with pytest.raises(drivers.DriverError, match="(?i)fenced|epoch"):
        client.end(producer=first["producer"], commit=True)
    client.end(producer=second["producer"], commit=True)
    read = client.read(topic=client.topic, partitions=1, committed=True)
    assert read == [values(10, 5)]


class Copy:
    """One topic copied to another by transactions, while the test does something to the nodes."""

    COUNT = 2_000

    def __init__(self, client, **options):
        self.client = client
        self.source, self.target = f"{client.topic}-from", f"{client.topic}-to"
        make_topic(client, self.source, 3, **options)
        make_topic(client, self.target, 3, **options)
        client.produce(topic=self.source, records=numbered(0, self.COUNT), codec="none")
        self.failed = []
        self.thread = threading.Thread(target=self._copy)
        self.thread.start()

    def _copy(self):
        try:
            self.client.copy(transactional_id=self.client.topic, group=self.client.topic,
                             source=self.source, target=self.target, idle=15)
        except Exception as error:  # the test is to see it
            self.failed.append(error)

    def check(self):
        self.thread.join(SECONDS * 2)
        assert not self.thread.is_alive() and not self.failed, self.failed
        read = everything(self.client.read(topic=self.target, partitions=3, committed=True))
        twice = [value for value, times in collections.Counter(read).items() if times > 1]
        assert not twice, f"{len(twice)} copied twice: {twice[:3]}"
        assert read == sorted(values(0, self.COUNT))


def test_copy_is_exact_through_kills(client, transaction_node, kind, request):
    kills = FULL_KILLS if request.config.getoption("--full") else KILLS
    if kind == "apache":
        kills = 1
    print(f"seed {SEED}, {kills} kills")
    chance = random.Random(SEED)
    copy = Copy(client)
    for _ in range(kills):
        copy.thread.join(chance.uniform(0.5, 3.0))
        transaction_node.kill()
        transaction_node.start()
    copy.check()


def in_sync(cluster):
    """Both brokers are in sync everywhere."""
    with next(iter(cluster.brokers.values())).connect(timeout=30) as connection:
        answer = connection.call("Metadata", 12, {"Topics": None})
    return all(len(one["IsrNodes"]) == 2 for topic in answer["Topics"]
               for one in topic["Partitions"])


def test_coordinators_of_both_kinds(driver, folder):
    cluster = Cluster(
        folder / f"coordinators-{driver.name}",
        {1: ("millrace", "controller"), 11: ("apache", "broker"), 12: ("millrace", "broker")},
        **{"transaction.state.log.replication.factor": 2, "offsets.topic.replication.factor": 2,
           "transaction.state.log.num.partitions": 4, "offsets.topic.num.partitions": 4,
           "min.insync.replicas": 1, "replica.lag.time.max.ms": 5000,
           "transaction.partition.verification.enable": "true"})
    try:
        cluster.start()
        driver.connect(bootstrap=cluster.bootstrap)
        driver.topic = f"{driver.name}-coordinators"
        wait_until(lambda: driver.list_topics() is not None, SECONDS, "the cluster")
        copy = Copy(driver, replication=2)
        for _ in range(2):
            for node in cluster.brokers.values():
                copy.thread.join(1.5)
                wait_until(lambda: in_sync(cluster), SECONDS, "all to be in sync")
                node.kill()
                node.start()
        copy.check()
    finally:
        cluster.kill()
