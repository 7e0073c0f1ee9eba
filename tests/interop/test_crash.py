"""kill -9 under load: what was acknowledged with acks=all is there, once, in order."""

import os
import random
import threading

from confluent_kafka import Producer

from harness import records, wire
from harness.processes import wait_until

PARTITIONS = 3
TOPIC = "crash"
SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "7"))
KILLS = {"apache": 3, "millrace": 10}
FULL_KILLS = 100
SECONDS = 120


class Load:
    """An idempotent producer that sends ascending numbers to each partition until it is told."""

    def __init__(self, bootstrap):
        self.producer = Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all",
            "linger.ms": 2, "message.timeout.ms": 600_000, "reconnect.backoff.max.ms": 200,
            "socket.timeout.ms": 10_000})
        self.sent = [0] * PARTITIONS
        self.acknowledged = [dict() for _ in range(PARTITIONS)]
        self.errors = []
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()

    def _note(self, error, message):
        if error:
            self.errors.append(str(error))
        else:
            self.acknowledged[message.partition()][int(message.key())] = message.offset()

    def _send(self):
        chance = random.Random(SEED)
        while not self.enough.is_set():
            partition = chance.randrange(PARTITIONS)
            number = self.sent[partition]
            value = b"%d " % number * chance.randrange(1, 200)
            try:
                self.producer.produce(TOPIC, value, b"%d" % number, partition,
                                      on_delivery=self._note)
                self.sent[partition] += 1
            except BufferError:
                self.producer.poll(0.05)
            self.producer.poll(0)

    def count(self):
        return sum(len(one) for one in self.acknowledged)

    def finish(self):
        self.enough.set()
        self.thread.join(SECONDS)
        assert self.producer.flush(SECONDS) == 0, "not all was acknowledged in the end"


def read_all(node, partition):
    """(offset, key) of each record of a partition."""
    found, offset = [], 0
    with node.connect() as connection:
        while True:
            answer = connection.call("Fetch", 11, {
                "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "Topics": [{
                    "Topic": TOPIC, "Partitions": [{
                        "Partition": partition, "FetchOffset": offset,
                        "PartitionMaxBytes": 4 << 20}]}]})
            one = answer["Responses"][0]["Partitions"][0]
            assert one["ErrorCode"] == 0, one["ErrorCode"]
            batches = records.parse(one["Records"] or b"")
            if not batches:
                assert offset == one["HighWatermark"]
                return found
            for batch in batches:
                found += [(at, int(key)) for at, key, _, _ in batch["records"]]
            offset = found[-1][0] + 1


def test_kill_under_load(kind, start_node, request):
    kills = request.config.getoption("--kills") or (
        FULL_KILLS if request.config.getoption("--full") else KILLS[kind])
    print(f"seed {SEED}, {kills} kills")
    node = start_node(kind, "crash", log__segment__bytes=4 << 20)
    with node.connect() as connection:
        connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
            {"Name": TOPIC, "NumPartitions": PARTITIONS, "ReplicationFactor": 1}]})
    chance = random.Random(SEED)
    load = Load(node.bootstrap)
    try:
        for _ in range(kills):
            goal = load.count() + chance.randrange(1, 20_000)
            wait_until(lambda: load.count() >= goal, SECONDS,  # noqa: B023: used at once
                       lambda: f"{goal} records; {load.count()} {load.errors[:3]} {node.tail()}")
            node.kill()
            node.start()
    finally:
        load.enough.set()
    load.finish()
    assert not load.errors, load.errors[:3]
    for partition in range(PARTITIONS):
        found = read_all(node, partition)
        assert [key for _, key in found] == list(range(load.sent[partition]))
        there = {key: offset for offset, key in found}
        assert load.acknowledged[partition] == there
