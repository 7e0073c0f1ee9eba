"""A member of a consumer group that reads a load while its cluster changes."""

import threading

from confluent_kafka import Consumer

from harness import load
from harness.processes import wait_until


class Reader:
    """Subscribes to a load's topic, commits now and then, and keeps what it is given."""

    def __init__(self, bootstrap, topic, group):
        self.consumer = Consumer({
            "bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
            "enable.auto.commit": True, "auto.commit.interval.ms": 500,
            "session.timeout.ms": 45_000, "reconnect.backoff.max.ms": 200})
        self.consumer.subscribe([topic])
        self.found = [dict() for _ in range(load.PARTITIONS)]  # key by offset
        self.wrong = []
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        newest = [-1] * load.PARTITIONS
        while not self.enough.is_set():
            message = self.consumer.poll(0.2)
            if message is None:
                continue
            if message.error():
                if message.error().fatal():
                    self.wrong.append(str(message.error()))
                continue
            partition, offset, key = message.partition(), message.offset(), int(message.key())
            before = self.found[partition].setdefault(offset, key)
            if before != key:
                self.wrong.append(f"{partition}@{offset} is {key}, and was {before}")
            # After a rebalance it begins at what was committed, and never beyond what it has.
            if offset > newest[partition] + 1:
                self.wrong.append(f"{partition}@{offset} follows {newest[partition]}")
            newest[partition] = offset

    def finish(self, sent):
        """Once it has read all that was sent."""
        wait_until(lambda: [len(one) for one in self.found] == sent.sent, load.SECONDS,
                   lambda: f"the reader has {[len(one) for one in self.found]} of {sent.sent}: "
                           f"{self.wrong[:3]}")
        self.enough.set()
        self.thread.join(load.SECONDS)
        self.consumer.close()
        assert not self.wrong, self.wrong[:3]
        for partition, found in enumerate(self.found):
            assert [found[offset] for offset in sorted(found)] == list(range(len(found)))
            assert sent.acknowledged[partition] == {key: at for at, key in found.items()}
