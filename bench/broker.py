#!/usr/bin/env python3
"""What a node costs, beside Apache Kafka on the same machine in the same run: processor seconds a
gigabyte and microseconds a request for produce and fetch, the time to start, idle memory.

    bench/broker.py [--megabytes N] [--requests N] [--broker millrace|apache|both]

Figures are of the node's process alone (user and system time of /proc); the load comes from kcat,
and for small requests from a raw connection. Read the ratios: absolute times are the machine's.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from harness import node as nodes  # noqa: E402
from harness import processes  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Measured:
    """Processor and wall seconds of a node while a block runs."""

    def __init__(self, node):
        self.pid = node.process.pid

    def __enter__(self):
        self.cpu, self.wall = cpu_seconds(self.pid), time.monotonic()
        return self

    def __exit__(self, *_):
        self.cpu = cpu_seconds(self.pid) - self.cpu
        self.wall = time.monotonic() - self.wall


def write_lines(path, megabytes):
    """Lines of 1,000 bytes that compress no better than text does."""
    source = os.urandom(1 << 20).hex().encode()
    line = 1000
    with open(path, "wb") as file:
        for i in range(megabytes * 1000):
            at = i * 997 % (len(source) - line)
            file.write(source[at:at + line - 1] + b"\n")


def create(node, topic, partitions):
    with node.connect() as connection:
        connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
            {"Name": topic, "NumPartitions": partitions, "ReplicationFactor": 1}]})
        processes.wait_until(lambda: connection.call("Metadata", 8, {"Topics": [{"Name": topic}]})
                             ["Topics"][0]["ErrorCode"] == 0, 30, topic)


def bulk(node, lines, megabytes, acks):
    topic = f"bulk-acks-{acks}"
    create(node, topic, 4)
    gigabytes = megabytes / 1000
    with Measured(node) as produce:
        subprocess.run(["kcat", "-q", "-b", node.bootstrap, "-P", "-t", topic, "-l", lines,
                        "-X", f"acks={acks}", "-X", "linger.ms=5", "-X", "batch.size=262144",
                        "-X", "queue.buffering.max.messages=1000000"], check=True)
    with Measured(node) as fetch:
        subprocess.run(["kcat", "-q", "-b", node.bootstrap, "-C", "-t", topic, "-e", "-f", "",
                        "-X", "check.crcs=false"], check=True, stdout=subprocess.DEVNULL)
    return {f"produce acks={acks}: CPU s/GB": produce.cpu / gigabytes,
            f"produce acks={acks}: MB/s": megabytes / produce.wall,
            f"fetch after acks={acks}: CPU s/GB": fetch.cpu / gigabytes,
            f"fetch after acks={acks}: MB/s": megabytes / fetch.wall}


def small(node, requests):
    """One record a request, one request after the other; then fetches of nothing new."""
    from harness import records  # needs what only the suites' Python has
    create(node, "small", 1)
    data = records.batch([("k", "v" * 100)])
    produce = {"Acks": 1, "TimeoutMs": 5000, "TopicData": [
        {"Name": "small", "PartitionData": [{"Index": 0, "Records": data}]}]}
    fetch = {"ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1 << 20, "Topics": [
        {"Topic": "small", "Partitions": [{"Partition": 0, "FetchOffset": 0,
                                           "PartitionMaxBytes": 300}]}]}
    with node.connect() as connection:
        for _ in range(requests // 10):  # warm
            connection.call("Produce", 8, produce)
            connection.call("Fetch", 11, fetch)
        with Measured(node) as produced:
            for _ in range(requests):
                connection.call("Produce", 8, produce)
        with Measured(node) as fetched:
            for _ in range(requests):
                connection.call("Fetch", 11, fetch)
    return {"produce acks=1: CPU µs/request": produced.cpu * 1e6 / requests,
            "fetch: CPU µs/request": fetched.cpu * 1e6 / requests}


def measure(kind, folder, arguments, lines):
    node = nodes.make(kind, folder / kind)
    began = time.monotonic()
    node.start()
    figures = {"start to first answer, s": time.monotonic() - began}
    try:
        time.sleep(2)
        with Measured(node) as idle:
            time.sleep(5)
        figures["idle: CPU ms/s"] = idle.cpu * 1000 / idle.wall
        figures["idle: resident MB"] = node.resident_bytes() / 1e6
        figures.update(small(node, arguments.requests))
        for acks in ("1", "all"):
            figures.update(bulk(node, lines, arguments.megabytes, acks))
        figures["after the load: resident MB"] = node.resident_bytes() / 1e6
    finally:
        node.stop()
        shutil.rmtree(folder / kind)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--broker", choices=["millrace", "apache", "both"], default="both")
    parser.add_argument("--millrace", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.millrace:
        nodes.MillraceNode.executable = arguments.millrace.resolve()
    kinds = ["millrace", "apache"] if arguments.broker == "both" else [arguments.broker]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-bench-"))
    try:
        lines = folder / "lines"
        write_lines(lines, arguments.megabytes)
        columns = [measure(kind, folder, arguments, lines) for kind in kinds]
    finally:
        shutil.rmtree(folder)
    print(f"{'':44}" + "".join(f"{kind:>12}" for kind in kinds)
          + (f"{'ratio':>10}" if len(kinds) == 2 else ""))
    for name, value in columns[0].items():
        row = f"{name:44}" + "".join(f"{column[name]:12.2f}" for column in columns)
        if len(kinds) == 2 and columns[1][name]:
            row += f"{value / columns[1][name]:10.3f}"
        print(row)


if __name__ == "__main__":
    main()
