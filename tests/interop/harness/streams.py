"""Processes of a Kafka Streams application, and what it is to make of orders."""

import collections
import random
import subprocess

from harness import toolchains

PRODUCTS = [f"product-{i}" for i in range(9)]


class Orders:
    """Random orders, and the revenue of each product that they come to."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.count = 0
        self.revenue = collections.Counter()

    def make(self, count):
        made = []
        for _ in range(count):
            product = self.random.choice(PRODUCTS)
            price, quantity = self.random.randint(1, 999), self.random.randint(1, 9)
            self.revenue[product] += price * quantity
            made.append({"key": f"order-{self.count}", "value": f"{product},{price},{quantity}"})
            self.count += 1
        return made

    def sums(self):
        return {product: str(revenue) for product, revenue in self.revenue.items()}


def latest(partitions):
    """The last sum of each product, of the target topic's partitions."""
    return dict(value.split("=") for values in partitions for value in values)


class Instance:
    """A process of drivers/java/StreamsApp.java; `log` has its states."""

    def __init__(self, folder, name, bootstrap, application, source, target, **properties):
        self.log = folder / f"{name}.log"
        given = {"bootstrap.servers": bootstrap, "application.id": application, "client.id": name,
                 "state.dir": folder / name, "commit.interval.ms": 200, **properties}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*toolchains.java(), "StreamsApp", source, target,
                 *(f"{key}={value}" for key, value in given.items())],
                stdin=subprocess.PIPE, stdout=log, stderr=log)

    def told(self):
        return self.log.read_text(errors="replace")

    def runs(self):
        states = [line for line in self.told().splitlines() if line.startswith("state ")]
        return states[-1:] == ["state RUNNING"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        """As an application ends that is asked to."""
        self.process.stdin.close()
        self.process.wait(60)
