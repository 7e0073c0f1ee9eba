#!/usr/bin/env python3
"""How soon a node serves again: after kill -9 with records that nothing had synced, after kill -9
with a recovery point close to the end, and after a clean stop.

    bench/recovery.py [--megabytes N] [--partitions N] [--segment-megabytes N] [--millrace FILE]

A node is filled with records in batches of 64 KiB, evenly over its partitions, and ended. Each
start is timed from the creation of the process to the first answer to Metadata that names every
partition's leader, to the first answer to a Fetch of every partition, and to the moment at which
every record is shown again; with the processor seconds of the node until then. In the same run:
what dd reads of the same files, and what memcpy and CRC-32C reach in memory.
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

import crc32c  # noqa: E402

from broker import cpu_seconds  # noqa: E402
from harness import node as nodes  # noqa: E402
from harness import processes, records, wire  # noqa: E402

TOPIC = "load"
BATCH = 64 << 10
GROUP = 50  # partitions a request


def create(node, partitions):
    with node.connect() as connection:
        connection.call("CreateTopics", 4, {"timeoutMs": 120000, "Topics": [
            {"Name": TOPIC, "NumPartitions": partitions, "ReplicationFactor": 1}]}, timeout=120)
    processes.wait_until(lambda: leads_all(node.port, partitions), 120, "the topic")


def produce(node, megabytes, partitions, acks):
    """Batches to every partition in turn."""
    one = records.batch([(b"k", os.urandom(900)) for _ in range(BATCH // 940)])
    rounds = max(1, (megabytes << 20) // (len(one) * partitions))
    requests = []
    for first in range(0, partitions, GROUP):
        requests.append(wire.framed(wire.request("Produce", 8, {
            "Acks": acks, "TimeoutMs": 60000, "TopicData": [{"Name": TOPIC, "PartitionData": [
                {"Index": index, "Records": one}
                for index in range(first, min(first + GROUP, partitions))]}]})))
    with node.connect(timeout=120) as connection:
        for _ in range(rounds):
            for request in requests:
                connection.send_bytes(request)
                answer = connection.receive("Produce", 8, 1)
                for each in answer["Responses"][0]["PartitionResponses"]:
                    assert each["ErrorCode"] == 0, each
    return rounds * (BATCH // 940), rounds * len(one) * partitions


def leads_all(port, partitions):
    try:
        with wire.Connection(port, timeout=30) as connection:
            answer = connection.call("Metadata", 8, {"Topics": [{"Name": TOPIC}]})
    except (OSError, wire.Closed):
        return False
    found = answer["Topics"][0]["Partitions"] if answer["Topics"] else []
    return len(found) == partitions and all(one["LeaderId"] >= 0 for one in found)


def fetch_all(port, partitions, offset):
    """High watermarks of all partitions, from one Fetch that is answered at once."""
    with wire.Connection(port, timeout=60) as connection:
        answer = connection.call("Fetch", 11, {
            "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1, "Topics": [
                {"Topic": TOPIC, "Partitions": [
                    {"Partition": index, "FetchOffset": offset, "PartitionMaxBytes": 1}
                    for index in range(partitions)]}]})
    found = answer["Responses"][0]["Partitions"]
    # A broker that has just registered leads nothing until the controller unfences it.
    return [-1 if one["ErrorCode"] else one["HighWatermark"] for one in found]


def until(condition, seconds=600):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def time_start(node, partitions, end):
    """Seconds to the first answers, and the processor seconds until all is shown."""
    node.write_properties()
    began = time.monotonic()
    node.process = processes.Process(node.server_command(), node.log, cwd=node.folder)
    until(lambda: leads_all(node.port, partitions))
    metadata = time.monotonic() - began
    until(lambda: min(fetch_all(node.port, partitions, 0)) >= 0)
    fetched = time.monotonic() - began
    serving_cpu = cpu_seconds(node.process.pid)
    until(lambda: min(fetch_all(node.port, partitions, 0)) >= end)
    return {"metadata": metadata, "fetch": fetched, "all shown": time.monotonic() - began,
            "CPU s": serving_cpu}


def dd_rate(folder):
    """MB/s of dd over files as they lie in memory."""
    logs = sorted(folder.glob(f"{TOPIC}-*/*.log"))[:100]
    size = sum(log.stat().st_size for log in logs)
    began = time.monotonic()
    subprocess.run(["sh", "-c", 'cat "$@" | dd of=/dev/null bs=1M iflag=fullblock status=none',
                    "sh", *logs], check=True)
    return size / 1e6 / (time.monotonic() - began)


def memory_rates():
    data = os.urandom(64 << 20)
    began = time.monotonic()
    for _ in range(8):
        bytearray(data)
    copied = time.monotonic() - began
    began = time.monotonic()
    for _ in range(8):
        crc32c.crc32c(data)
    return 8 * len(data) / 1e6 / copied, 8 * len(data) / 1e6 / (time.monotonic() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--megabytes", type=int, default=10_000)
    parser.add_argument("--partitions", type=int, default=1000)
    parser.add_argument("--segment-megabytes", type=int, default=1024)
    parser.add_argument("--millrace", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path, help="where the data goes (default: /tmp)")
    arguments = parser.parse_args()
    if arguments.millrace:
        nodes.MillraceNode.executable = arguments.millrace.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-bench-", dir=arguments.folder))
    partitions = arguments.partitions
    node = nodes.make("millrace", folder,
                      log__segment__bytes=arguments.segment_megabytes << 20)
    rows = []
    try:
        node.start()
        create(node, partitions)
        began = time.monotonic()
        end, size = produce(node, arguments.megabytes, partitions, acks=1)
        print(f"{size / 1e9:.1f} GB in {partitions} partitions, written with acks=1 in "
              f"{time.monotonic() - began:.0f} s", flush=True)
        node.kill()
        rows.append(("kill -9, nothing synced", time_start(node, partitions, end)))
        # The recovery points are written when log.flush.offset.checkpoint.interval.ms is over.
        checkpoint = node.data / "recovery-point-offset-checkpoint"
        def all_in_checkpoint():
            lines = checkpoint.read_text().splitlines()[2:] if checkpoint.exists() else []
            there = [int(line.split()[2]) for line in lines if line.startswith(TOPIC + " ")]
            return len(there) == partitions and min(there) >= end
        processes.wait_until(all_in_checkpoint, 150, "the recovery points")
        node.kill()
        rows.append(("kill -9, recovery points at the end", time_start(node, partitions, end)))
        began = time.monotonic()
        assert node.stop() == 0, node.tail()
        print(f"clean stop: {time.monotonic() - began:.2f} s", flush=True)
        rows.append(("clean stop", time_start(node, partitions, end)))
        began = time.monotonic()
        assert node.stop() == 0, node.tail()
        print(f"clean stop, nothing written: {time.monotonic() - began:.2f} s", flush=True)
        dd = dd_rate(node.data)
    finally:
        node.kill()
        shutil.rmtree(folder)
    copy, crc = memory_rates()
    print(f"{'seconds from the start of the process':38}" +
          "".join(f"{name:>11}" for name in (*rows[0][1], "CPU s/GB")))
    for name, row in rows:
        print(f"{name:38}" + "".join(f"{value:11.2f}" for value in row.values()) +
              f"{row['CPU s'] / (size / 1e9):11.3f}")
    print(f"in this run: dd {dd:.0f} MB/s from the page cache, memcpy {copy:.0f} MB/s, "
          f"CRC-32C {crc:.0f} MB/s (a core)")


if __name__ == "__main__":
    main()
