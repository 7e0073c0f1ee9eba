"""A load of ascending numbers, and what must be found of it afterwards."""

import random
import threading
import time

from confluent_kafka import Producer

from harness import population, records
from harness.processes import wait_until

PARTITIONS = 3
SECONDS = 120


class Load:
    """An idempotent producer that sends ascending numbers to each partition until it is told; a
    number every `pace` seconds, or as many as it can."""

    def __init__(self, bootstrap, topic, seed, pace=0):
        self.topic, self.seed, self.pace = topic, seed, pace
        self.producer = Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all",
            "linger.ms": 2, "message.timeout.ms": 600_000, "reconnect.backoff.max.ms": 200,
            "socket.timeout.ms": 10_000})
        self.sent = [0] * PARTITIONS
        self.acknowledged = [dict() for _ in range(PARTITIONS)]
        self.told_at = [[] for _ in range(PARTITIONS)]  # when; by the monotonic clock
        self.errors = []
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()

    def _note(self, error, message):
        if error:
            self.errors.append(str(error))
        else:
            self.acknowledged[message.partition()][int(message.key())] = message.offset()
            self.told_at[message.partition()].append(time.monotonic())

    def _send(self):
        chance = random.Random(self.seed)
        while not self.enough.is_set():
            partition = chance.randrange(PARTITIONS)
            number = self.sent[partition]
            value = b"%d " % number * chance.randrange(1, 200)
            try:
                self.producer.produce(self.topic, value, b"%d" % number, partition,
                                      on_delivery=self._note)
                self.sent[partition] += 1
            except BufferError:
                self.producer.poll(0.05)
            self.producer.poll(self.pace)

    def longest_silence(self, partition, since):
        """Seconds between two acknowledgements of a partition of which the later came behind."""
        times = self.told_at[partition]
        later = next((i for i, at in enumerate(times) if at > since), len(times))
        return max((b - a for a, b in zip(times[max(later - 1, 0):], times[max(later, 1):])),
                   default=float("inf"))

    def count(self):
        return sum(len(one) for one in self.acknowledged)

    def wait_for(self, more, node):
        goal = self.count() + more
        wait_until(lambda: self.count() >= goal, SECONDS,
                   lambda: f"{goal} records; {self.count()} {self.errors[:3]} {node.tail()}")

    def finish(self):
        self.enough.set()
        self.thread.join(SECONDS)
        assert self.producer.flush(SECONDS) == 0, "not all was acknowledged in the end"


def begin(node, topic, seed):
    with node.connect() as connection:
        connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
            {"Name": topic, "NumPartitions": PARTITIONS, "ReplicationFactor": 1}]})
    return Load(node.bootstrap, topic, seed)


def read_all(node, topic, partition):
    """(offset, key) of each record of a partition."""
    found, offset = [], 0
    with node.connect() as connection:
        _, end = population.list_offset(connection.call, (topic, partition), -1)
        while True:
            answer = connection.call("Fetch", 11, {
                "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "Topics": [{
                    "Topic": topic, "Partitions": [{
                        "Partition": partition, "FetchOffset": offset,
                        "PartitionMaxBytes": 4 << 20}]}]})
            one = answer["Responses"][0]["Partitions"][0]
            assert one["ErrorCode"] == 0, one["ErrorCode"]
            batches = records.parse(one["Records"] or b"")
            if not batches:
                assert end <= offset == one["HighWatermark"]
                return found
            for batch in batches:
                found += [(at, int(key)) for at, key, _, _ in batch["records"]]
            offset = found[-1][0] + 1


def check(node, load):
    """Everything that was sent is there once and in order, where it was acknowledged to be."""
    assert not load.errors, load.errors[:3]
    for partition in range(PARTITIONS):
        found = read_all(node, load.topic, partition)
        assert [key for _, key in found] == list(range(load.sent[partition]))
        there = {key: offset for offset, key in found}
        assert load.acknowledged[partition] == there
