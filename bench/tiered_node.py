#!/usr/bin/env python3
"""What a node pays for tiered storage: MB/s, and processor seconds a gigabyte of its process, while
it uploads a topic and while a consumer reads it back from the store, beside dd of the same bytes in
the same run.

    bench/tiered_node.py [--millrace build/release/millrace] [--megabytes N] [--segment-megabytes N]

The topic is written first, with remote.log.copy.disable; then copying begins, until nothing but the
active segment is here. It is read by kcat, with fetches of 1 MiB and of 64 KiB a partition, with
and without reading ahead (remote.log.reader.read.ahead.max.bytes). "S3, 20 ms" is the same server
behind a proxy that lets each request wait. The server and the proxy take their part of the cores,
and are not counted. Read the ratios: absolute times are the machine's.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

from broker import Measured, write_lines
from tiering import dd

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from harness import node as nodes  # noqa: E402
from harness import processes, s3, tiered  # noqa: E402

WAIT_SECONDS = 600
TOPIC = 2
KIB = 1024


def list_offset(connection, timestamp):
    answer = connection.call("ListOffsets", 11, {
        "ReplicaId": -1, "IsolationLevel": 0, "TimeoutMs": 30000, "Topics": [{
            "Name": "t", "Partitions": [{"PartitionIndex": 0, "CurrentLeaderEpoch": -1,
                                         "Timestamp": timestamp}]}]})
    return answer["Topics"][0]["Partitions"][0]["Offset"]


def produce(node, lines, segment_bytes):
    with node.connect() as connection:
        configs = {"remote.storage.enable": "true", "remote.log.copy.disable": "true",
                   "segment.bytes": str(segment_bytes), "retention.ms": "-1"}
        connection.call("CreateTopics", 7, {"timeoutMs": 30000, "Topics": [{
            "Name": "t", "NumPartitions": 1, "ReplicationFactor": 1,
            "Configs": [{"Name": name, "Value": value} for name, value in configs.items()]}]})
        processes.wait_until(
            lambda: connection.call("Metadata", 8, {"Topics": [{"Name": "t"}]})
            ["Topics"][0]["ErrorCode"] == 0, 30, "the topic")
    subprocess.run(["kcat", "-q", "-b", node.bootstrap, "-P", "-t", "t", "-p", "0", "-l", lines,
                    "-X", "acks=1", "-X", "linger.ms=5", "-X", "batch.size=262144",
                    "-X", "queue.buffering.max.messages=1000000"], check=True)


def upload(node):
    """Until all but the active segment is in the store, and nowhere else."""
    with node.connect() as connection, Measured(node) as measured:
        changes = {"remote.log.copy.disable": "false", "local.retention.bytes": "1"}
        answer = connection.call("IncrementalAlterConfigs", 1, {"Resources": [{
            "ResourceType": TOPIC, "ResourceName": "t", "Configs": [
                {"Name": name, "ConfigOperation": 0, "Value": value}
                for name, value in changes.items()]}]})
        assert answer["Responses"][0]["ErrorCode"] == 0, answer

        def settled():
            local, copied = list_offset(connection, -4), list_offset(connection, -5)
            return copied > 0 and local == copied + 1
        processes.wait_until(settled, WAIT_SECONDS, "the upload")
        processes.wait_until(lambda: len(list(node.data.glob("t-0/*.log"))) == 1, WAIT_SECONDS,
                             "local retention")
    return measured


def read(node, partition_bytes):
    with Measured(node) as measured:
        subprocess.run(["kcat", "-q", "-b", node.bootstrap, "-C", "-t", "t", "-p", "0", "-o",
                        "beginning", "-e", "-f", "", "-X", "check.crcs=false",
                        "-X", f"fetch.message.max.bytes={partition_bytes}",
                        "-X", "fetch.error.backoff.ms=0"],
                       check=True, stdout=subprocess.DEVNULL)
    return measured


def measure(label, store, folder, arguments, lines):
    gigabytes = arguments.megabytes / 1000
    # A comma in the name would make two directories of one.
    node = tiered.make("millrace", folder / label.replace(",", "").replace(" ", "-"), store)
    node.start()

    def row(what, measured):
        print(f"{label:12} {what:34} {arguments.megabytes / measured.wall:8.0f} "
              f"{measured.cpu / gigabytes:9.2f}", flush=True)
    try:
        produce(node, lines, arguments.segment_megabytes << 20)
        row("upload", upload(node))
        ahead = node.properties.get("remote.log.reader.read.ahead.max.bytes")
        for bound, name in ((ahead, ""), (0, ", nothing ahead")):
            node.stop()
            node.properties.pop("remote.log.reader.read.ahead.max.bytes", None)
            if bound is not None:
                node.properties["remote.log.reader.read.ahead.max.bytes"] = bound
            node.start()
            read(node, 1024 * KIB)  # the indexes are fetched once
            for size in (1024 * KIB, 64 * KIB):
                row(f"read, {size // KIB} KiB a fetch{name}", read(node, size))
        print(f"{label:12} resident MB at the end: {node.resident_bytes() / 1e6:.0f}", flush=True)
    finally:
        node.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--millrace", type=pathlib.Path,
                        default=ROOT / "build" / "release" / "millrace")
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--segment-megabytes", type=int, default=16)
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk to measure")
    arguments = parser.parse_args()
    nodes.MillraceNode.executable = arguments.millrace.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-tiered-", dir=arguments.folder))
    server = s3.Server(folder / "s3")
    proxy = None
    try:
        lines = folder / "lines"
        write_lines(lines, arguments.megabytes)
        print(f"{'store':12} {'what':34} {'MB/s':>8} {'CPU s/GB':>9}")
        for what, speed, cpu in dd(lines, folder, arguments.megabytes):
            print(f"{'dd':12} {what:34} {speed:>8} {float(cpu):9.2f}", flush=True)
        measure("directory", None, folder, arguments, lines)
        server.start()
        measure("S3", server.settings(), folder, arguments, lines)
        proxy = s3.Proxy(server, lambda *_: ("wait", 0.02))
        far = server.settings(s3__endpoint__url=proxy.endpoint, key__prefix="far")
        measure("S3, 20 ms", far, folder, arguments, lines)
    finally:
        if proxy:
            proxy.close()
        server.kill()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
