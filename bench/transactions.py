#!/usr/bin/env python3
"""Small transactions of one Java producer: 10 records in 4 partitions each, committed one after the
other; Millrace and Apache Kafka 4.3.1 in one run.

    bench/transactions.py [SERVER...] [--seconds N] [--rounds N] [--millrace EXE]

`synced` is Millrace's default: each step of a transaction is on stable storage before the next.
`millrace` has log.flush.acks.all=false, as Apache's durability is. Servers take turns; the median
of the rounds is printed: transactions a second, milliseconds that a commit took its producer, and
microseconds of processor time that the node spent on each.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from broker import Measured  # noqa: E402
from harness import drivers  # noqa: E402
from harness import node as nodes  # noqa: E402

SERVERS = {"millrace": ("millrace", {"log__flush__acks__all": "false"}),
           "synced": ("millrace", {}), "apache": ("apache", {})}
PARTITIONS, RECORDS = 4, 10


class Server:
    """A started node with its producer."""

    def __init__(self, name, folder):
        kind, overrides = SERVERS[name]
        self.node = nodes.make(kind, folder / name, **overrides).start()
        self.driver = drivers.Driver("java", folder / f"{name}.log")
        self.driver.connect(bootstrap=self.node.bootstrap)
        self.driver.create_topic(topic="rate", partitions=PARTITIONS, configs={})
        self.figures = []

    def measure(self, seconds):
        with Measured(self.node) as spent:
            told = self.driver.rate(transactional_id="rate", topic="rate", seconds=seconds,
                                    partitions=PARTITIONS, records=RECORDS)
        told["rate"] = told["transactions"] / seconds
        told["cpu_us"] = spent.cpu * 1e6 / max(told["transactions"], 1)
        self.figures.append(told)

    def median(self, figure):
        return statistics.median(one[figure] for one in self.figures)

    def close(self):
        self.driver.close()
        self.node.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", default=list(SERVERS), metavar="SERVER")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--millrace", type=pathlib.Path)
    options = parser.parse_args()
    if options.millrace:
        nodes.MillraceNode.executable = options.millrace.resolve()
    with tempfile.TemporaryDirectory(prefix="millrace-transactions-",
                                     dir=os.environ.get("MILLRACE_BENCH_DIR")) as folder:
        servers = {}
        try:
            for name in options.servers:
                servers[name] = Server(name, pathlib.Path(folder))
                servers[name].measure(2)  # warm, not counted
                servers[name].figures.clear()
            for _ in range(options.rounds):
                for server in servers.values():
                    server.measure(options.seconds)
            print(f"{'':10}{'a second':>10}{'commit p50 ms':>15}{'p99 ms':>9}{'CPU us':>9}")
            for name, server in servers.items():
                print(f"{name:10}{server.median('rate'):10.0f}{server.median('p50_ms'):15.2f}"
                      f"{server.median('p99_ms'):9.2f}{server.median('cpu_us'):9.0f}")
        finally:
            for server in servers.values():
                server.close()


if __name__ == "__main__":
    main()
