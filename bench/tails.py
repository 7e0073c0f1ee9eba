#!/usr/bin/env python3
"""What moves the tail of a producer: the latency of small produce requests at a steady rate, alone
and beside a neighbour on the same node, for the limit, Millrace and Apache Kafka 4.3.1 in one run.

    bench/tails.py [NEIGHBOUR...] [--megabytes N] [--rounds N] [--millrace EXE]

    cold-reader   reads a topic of N MB that is not in the page cache, as fast as it can
    bulk          another producer, batches of 255 KiB, 100 MB a second

Requests leave by the clock, whether answers come or not; latency counts until the kernel stamps the
answer's arrival, so that it is the node's: the neighbour is on the load's core. "Alone"
and the neighbours take turns within a round; the median of the rounds is printed, and how many
times the latency alone it is. `millrace` has log.flush.acks.all=false, as
Apache's durability is; `synced` is Millrace's default. The limit has one topic, in which all of
this is, and waits itself for what it reads.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from hot_path import LOADS, ROOT, Limit, create, nodes, shape

SERVERS = {"limit": None, "millrace": ("millrace", {"log__flush__acks__all": "false"}),
           "synced": ("millrace", {}), "apache": ("apache", {})}
STEADY = {**shape(1, 100), "connections": 8, "acks": -1}
BULK = {**shape(255, 1024), "connections": 1, "acks": 1}
BULK_RATE = 400  # requests a second: 100 MB
PARTITIONS = 4
PATIENT = ["--patient"]
FIGURES = {"p50": "p50_us", "p99": "p99_us", "p99.9": "p999_us"}


class TheLimit(Limit):
    """It knows one topic."""

    def __init__(self, options, folder):
        super().__init__(folder, options.build / "bench" / "limit", options.server_core, None)
        self.begin("tails", LOADS["produce-1k"])

    def begin_topic(self):
        return "tails"

    def logs(self, _topic):
        return (self.folder / "data").glob("*.log")

    def kill(self):
        self.end("tails")


class Broker:
    def __init__(self, options, name, folder, **overrides):
        self.node = nodes.make(name, folder, **overrides)
        command = self.node.server_command()
        self.node.server_command = lambda: [
            *options.first, "taskset", "-c", options.server_core, *command]
        self.node.start()
        self.port, self.pid, self.kill = self.node.port, self.node.process.pid, self.node.kill
        self.topics = 0

    def begin_topic(self):
        self.topics += 1
        topic = f"tails-{self.topics}"
        create(self.node, topic, PARTITIONS)
        return topic

    def logs(self, topic):
        return self.node.data.glob(f"{topic}-*/*.log")


class Tails:
    """One server, its producer, and what can be beside it."""

    def __init__(self, options, kind, folder):
        self.options = options
        if kind == "limit":
            self.server = TheLimit(options, folder)
        else:
            name, overrides = SERVERS[kind]
            self.server = Broker(options, name, folder / kind, **overrides)
        if options.real_time:
            # The loop, as it is the first thread: its helpers stay behind it.
            subprocess.run(["chrt", "-f", "-p", "21", str(self.server.pid)], check=True)

    def words(self, topic, command, **options):
        words = ["taskset", "-c", self.options.load_core, self.options.build / "bench" / "load",
                 "--port", self.server.port, "--topic", topic, "--partitions", PARTITIONS,
                 "--pid", self.server.pid, command]
        for name, value in options.items():
            words += [f"--{name}", value]
        return [str(word) for word in words]

    def steady(self):
        rate, seconds = self.options.rate, self.options.seconds
        topic = self.server.begin_topic()
        words = self.words(topic, "produce", **STEADY, rate=rate, warm=rate,
                           requests=rate * seconds)
        done = subprocess.run([*self.options.first, *words, *PATIENT, "--stamped"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"steady producer: {done.stderr}")
        return json.loads(done.stdout)

    def fill(self):
        """A topic of --megabytes, on stable storage."""
        self.cold = self.server.begin_topic()
        batches = max(100 * PARTITIONS, self.options.megabytes * 1000 // 255)
        # A connection has one partition.
        filled = {**BULK, "connections": PARTITIONS}
        subprocess.run(self.words(self.cold, "produce", **filled, requests=batches),
                       check=True, stdout=subprocess.DEVNULL)
        # They are not level to a batch.
        self.end_offset = (batches // PARTITIONS - 50) * BULK["batch-records"]

    def forget(self):
        """Takes the topic's files out of the page cache."""
        for path in self.server.logs(self.cold):
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    @contextlib.contextmanager
    def beside(self, neighbour):
        if neighbour == "cold-reader":
            self.forget()
            words = self.words(self.cold, "consume", **shape(255, 1024), bytes=1 << 50,
                               **{"end-offset": self.end_offset})
        else:
            words = self.words(self.server.begin_topic(), "produce", **BULK, rate=BULK_RATE,
                               requests=1 << 40) + PATIENT
        # The load's core is the producer's first: what is measured is the node.
        first = ["chrt", "-f", "10"] if self.options.real_time else ["nice", "-n", "19"]
        with subprocess.Popen([*first, *words]) as process:
            try:
                yield
                if process.poll() is not None:
                    raise SystemExit(f"{neighbour} has ended by itself")
            finally:
                process.kill()

    def round(self):
        told = {"alone": self.steady()}
        for neighbour in self.options.neighbours:
            with self.beside(neighbour):
                told[neighbour] = self.steady()
        return told


def table(kind, rounds):
    def middle(neighbour, figure):
        return statistics.median(one[neighbour][figure] for one in rounds)

    for neighbour in rounds[0]:
        row = f"{kind:10}{neighbour:14}"
        for figure in FIGURES.values():
            latency = middle(neighbour, figure)
            row += f"{latency:9.0f}{latency / max(1, middle('alone', figure)):7.1f}×"
        print(row, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("neighbours", nargs="*", metavar="NEIGHBOUR", help="cold-reader, bulk")
    parser.add_argument("--megabytes", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=2000, help="requests a second")
    parser.add_argument("--servers", default=",".join(SERVERS), help="which of them")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "bench")
    parser.add_argument("--millrace", type=pathlib.Path,
                        default=ROOT / "build" / "release" / "millrace")
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk to use")
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--load-core", default="1")
    parser.add_argument("--real-time", action="store_true",
                        help="all by SCHED_FIFO, for a busy machine")
    options = parser.parse_args()
    options.first = ["chrt", "-f", "20"] if options.real_time else []
    known = ["cold-reader", "bulk"]
    options.neighbours = options.neighbours or known
    unknown = set(options.neighbours) - set(known)
    if unknown:
        parser.error(f"there is no neighbour {', '.join(unknown)}; there are {', '.join(known)}")
    options.build = options.build.resolve()
    nodes.MillraceNode.executable = options.millrace.resolve()
    print(f"{'µs':24}" + "".join(f"{name:>9}{'alone':>8}" for name in FIGURES))
    for kind in options.servers.split(","):
        with tempfile.TemporaryDirectory(prefix="millrace-tails-", dir=options.folder) as folder:
            tails = Tails(options, kind, pathlib.Path(folder))
            try:
                if "cold-reader" in options.neighbours:
                    tails.fill()
                tails.steady()  # warms up
                table(kind, [tails.round() for _ in range(options.rounds)])
            finally:
                tails.server.kill()


if __name__ == "__main__":
    sys.exit(main())
