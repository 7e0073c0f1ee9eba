#!/usr/bin/env python3
"""What a node costs that nobody uses: memory and processor time of an idle process, of partitions
and of idle connections, plain and with TLS; and how long partitions take to be made, and groups.

    bench/standing.py [PART...] [--servers millrace,apache] [--millrace EXE]

Parts: idle, partitions, connections, tls-connections, groups. Each is measured at several sizes, on
a node of its own, so that it is seen how the cost grows; the largest size is the goal's.

A group's members (classic protocol, range) join at one moment; it is formed when all partitions are
shared out in one generation. `delay` is group.initial.rebalance.delay.ms.
"""

import argparse
import json
import os
import pathlib
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from broker import cpu_seconds  # noqa: E402
from harness import certificates  # noqa: E402
from harness import node as nodes  # noqa: E402
from harness import processes, toolchains, wire  # noqa: E402

nodes.ApacheNode.jvm = toolchains.DELIVERED_JVM
PARTITION_COUNTS = [1, 10, 100, 1_000, 10_000]
CONNECTION_COUNTS = [10, 100, 1_000, 10_000]
PER_TOPIC = 1_000
QUIET = 10  # seconds over which idle processor time is taken
GROUPS = [(1, 10), (10, 100), (50, 500)]  # members, partitions
GROUP_ROUNDS = 5
PARTS = ["idle", "partitions", "connections", "tls-connections", "groups"]


def idle_share(pid):
    """Of one core, in per cent."""
    time.sleep(2)
    before = cpu_seconds(pid)
    time.sleep(QUIET)
    return 100 * (cpu_seconds(pid) - before) / QUIET


def megabytes(node):
    return node.resident_bytes() / 1e6


def open_files(node):
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


class Bench:
    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.started = 0
        self.certificate = certificates.Authority(folder / "ca", "Bench CA").issue(
            "broker", "/O=Bench/CN=broker")

    def node(self, kind, **properties):
        self.started += 1
        node = nodes.KINDS[kind](self.folder / f"{kind}-{self.started}", **properties)
        (node.tls_port,) = processes.free_ports(1)
        listeners = (f"PLAINTEXT://{node.bootstrap},SSL://localhost:{node.tls_port},"
                     f"CONTROLLER://127.0.0.1:{node.controller_port}")
        node.properties |= {
            "listeners": listeners, "advertised.listeners": listeners,
            "listener.security.protocol.map":
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL",
            **certificates.keystore(self.certificate, "PEM")}
        return node.format().start()

    def idle(self, kind):
        node = self.node(kind)
        share = idle_share(node.process.pid)
        print(f"{kind:10}{megabytes(node):10.1f} MB{share:8.2f} % of a core", flush=True)
        node.kill()

    def partitions(self, kind, counts):
        print(f"{'':10}{'partitions':>11}{'made in s':>11}{'CPU s':>8}{'MB':>8}{'files':>8}"
              f"{'% idle':>8}{'start s':>9}")
        for count in counts:
            node = self.node(kind)
            cpu, began = cpu_seconds(node.process.pid), time.monotonic()
            make(node, count)
            made = time.monotonic() - began
            cpu = cpu_seconds(node.process.pid) - cpu
            share = idle_share(node.process.pid)
            row = f"{kind:10}{count:11}{made:11.2f}{cpu:8.2f}{megabytes(node):8.1f}"
            row += f"{open_files(node):8}{share:8.2f}"
            node.stop()
            began = time.monotonic()
            node.start()
            with node.connect() as connection:
                wait_until_led(connection, count)
            print(f"{row}{time.monotonic() - began:9.2f}", flush=True)
            node.kill()

    def connections(self, kind, counts, tls):
        print(f"{'':10}{'connections':>12}{'MB more':>9}{'KiB each':>10}{'CPU µs each':>13}"
              f"{'% idle':>8}")
        for count in counts:
            node = self.node(kind)
            talk(node, tls)()  # what the first one costs is no connection's
            before, cpu = megabytes(node), cpu_seconds(node.process.pid)
            held = [talk(node, tls) for _ in range(count)]
            cpu = cpu_seconds(node.process.pid) - cpu
            more = megabytes(node) - before
            share = idle_share(node.process.pid)
            print(f"{kind:10}{count:12}{more:9.1f}{more * 1e6 / 1024 / count:10.1f}"
                  f"{cpu * 1e6 / count:13.0f}{share:8.2f}", flush=True)
            for close in held:
                close()
            node.kill()

    def groups(self, kind, sizes):
        print(f"{'':10}{'delay ms':>9}{'members':>9}{'partitions':>11}{'formed in s':>13}"
              f"{'joins':>7}{'CPU ms':>8}")
        for delay in (0, 3000):
            for members, partitions in sizes:
                node = self.node(kind, group__initial__rebalance__delay__ms=delay)
                make(node, partitions)
                told = [self.form(node, members, f"group-{number}")
                        for number in range(GROUP_ROUNDS + 1)][1:]
                row = f"{kind:10}{delay:9}{members:9}{partitions:11}"
                for figure, form in (("seconds", "13.3f"), ("joins", "7.0f"), ("cpu_ms", "8.0f")):
                    row += format(statistics.median(one[figure] for one in told), form)
                print(row, flush=True)
                node.kill()

    def form(self, node, members, group):
        """The first one makes __consumer_offsets, too."""
        cpu = cpu_seconds(node.process.pid)
        done = subprocess.run(
            [self.options.build / "bench" / "group_members", "--port", str(node.port), "--topic",
             topics(1)[0][0], "--group", group, "--members", str(members)],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        return {**json.loads(done.stdout),
                "cpu_ms": 1000 * (cpu_seconds(node.process.pid) - cpu)}


def make(node, count):
    """Topics with so many partitions together, that have leaders when this returns."""
    with node.connect(timeout=300) as connection:
        for name, size in topics(count):
            answer = connection.call("CreateTopics", 7, {"timeoutMs": 300_000, "Topics": [
                {"Name": name, "NumPartitions": size, "ReplicationFactor": 1}]})
            (told,) = answer["Topics"]
            if told["ErrorCode"] != 0:
                raise SystemExit(f"{name}: {told['ErrorMessage']}")
        wait_until_led(connection, count)


def topics(count):
    return [(f"standing-{at}", min(PER_TOPIC, count - at)) for at in range(0, count, PER_TOPIC)]


def wait_until_led(connection, count):
    for name, size in topics(count):
        def led(name=name, size=size):
            (told,) = connection.call("ListOffsets", 5, {"ReplicaId": -1, "Topics": [
                {"Name": name, "Partitions": [{"PartitionIndex": i, "Timestamp": -1}
                                              for i in range(size)]}]}, 60)["Topics"]
            return all(one["ErrorCode"] == 0 for one in told["Partitions"])
        processes.wait_until(led, 600, name)


def talk(node, tls):
    """A connection that has asked for something; what closes it."""
    if not tls:
        connection = wire.Connection(node.port)
        wire.api_versions(connection)
        return connection.close
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    raw = socket.create_connection(("127.0.0.1", node.tls_port), 30)
    connection = wire.Connection.__new__(wire.Connection)
    connection.__dict__ |= {"socket": context.wrap_socket(raw), "ids": iter(range(1, 10)),
                            "timeout": 30}
    wire.api_versions(connection)
    return connection.close


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {' '.join(PARTS)}")
    parser.add_argument("--servers", default="millrace")
    parser.add_argument("--millrace", type=pathlib.Path,
                        default=ROOT / "build" / "release" / "millrace")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "bench")
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk to use")
    parser.add_argument("--most", type=int, default=10_000, help="of partitions and connections")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    nodes.MillraceNode.executable = options.millrace.resolve()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="millrace-standing-", dir=options.folder) as folder:
        bench = Bench(pathlib.Path(folder), options)
        for part in options.parts or PARTS:
            print(f"\n{part}")
            for kind in options.servers.split(","):
                if part == "idle":
                    bench.idle(kind)
                elif part == "partitions":
                    bench.partitions(kind, [n for n in PARTITION_COUNTS if n <= options.most])
                elif part == "groups":
                    bench.groups(kind, GROUPS)
                else:
                    bench.connections(kind, [n for n in CONNECTION_COUNTS if n <= options.most],
                                      part.startswith("tls"))


if __name__ == "__main__":
    main()
