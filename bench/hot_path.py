#!/usr/bin/env python3
"""What the hot path costs: Millrace, Apache Kafka 4.3.1 and the limit under the same loads, side by
side in one run. The limit (bench/limit) is one thread that only receives, checks CRCs, writes and
sends. Each server has a core of its own, and so has the load.

    bench/hot_path.py [LOAD...] [--rounds N] [--scale X] [--millrace EXE] [--beside EXE]

Per load and server: processor seconds a GB and microseconds a request (/proc), throughput,
latency, memory, context switches and system calls a request; and how many times the limit's
processor time. All servers take turns within a round, the first round only warms up, and ratios
are taken within a round; the median of the rounds is printed. `millrace` has
log.flush.acks.all=false, as Apache's durability is; `synced` is Millrace's default. `beside` is
another build of Millrace with the terms of `millrace`: what a change has brought.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from harness import certificates  # noqa: E402
from harness import node as nodes  # noqa: E402
from harness import processes, toolchains  # noqa: E402

nodes.ApacheNode.jvm = toolchains.DELIVERED_JVM
ROUND_PART = 4  # what a round is of the warm-up
WARM_UPS = {"apache": 3}  # its compiler needs more of them
KINDS = ["limit", "millrace", "synced", "apache", "beside"]


@dataclasses.dataclass
class Load:
    """`command` of bench/load with its options; `amount` is the option that says how much."""

    title: str
    goal: float
    command: str
    amount: tuple
    options: dict
    warm: tuple
    # What is there before: batches of the same shape, this many.
    batches: int = 0
    tls: bool = False
    partitions: int = 4


def shape(records, size):
    return {"batch-records": records, "record-bytes": size}


LOADS = {
    "produce-1k": Load("produce 1 KiB, 16 a batch, acks=all", 1.25, "produce",
                       ("requests", 40_000), {**shape(16, 1024), "connections": 4, "acks": -1},
                       ("warm", 4_000)),
    "produce-100b": Load("produce 100 B, 150 a batch, acks=1", 1.35, "produce",
                         ("requests", 40_000), {**shape(150, 100), "connections": 4, "acks": 1},
                         ("warm", 4_000)),
    "produce-255k": Load("produce 255 KiB batches", 1.1, "produce",
                         ("requests", 3_000), {**shape(255, 1024), "connections": 4, "acks": 1},
                         ("warm", 300)),
    "connections": Load("200 connections, one record each", 1.3, "produce",
                        ("requests", 200_000),
                        {**shape(1, 100), "connections": 200, "in-flight": 1, "acks": 1},
                        ("warm", 20_000)),
    "produce-tls": Load("produce over TLS", 1.2, "produce",
                        ("requests", 30_000), {**shape(16, 1024), "connections": 4, "acks": -1},
                        ("warm", 3_000), tls=True),
    "consume-tls": Load("consume over TLS", 1.2, "consume",
                        ("bytes", 1_000_000_000), {**shape(16, 1024), "readers": 1},
                        ("warm-bytes", 100_000_000), batches=16_000, tls=True),
    "fan-out": Load("catch-up read, 10-fold fan-out", 1.15, "consume",
                    ("bytes", 3_000_000_000), {**shape(16, 1024), "readers": 10},
                    ("warm-bytes", 300_000_000), batches=16_000),
    "end-to-end": Load("end to end at 2,000 records/s", 2.0, "end-to-end",
                       ("records", 8_000), {"record-bytes": 100, "rate": 2000, "acks": -1},
                       ("warm", 1_000)),
}


class Limit:
    """The limit, one process a load."""

    def __init__(self, folder, executable, core, certificate):
        self.folder, self.executable, self.core = folder, executable, core
        self.certificate = certificate
        self.process = None

    def begin(self, topic, load):
        (self.port,) = processes.free_ports(1)
        secrets = ["--tls-certificate", self.certificate.certificate, "--tls-key",
                   self.certificate.key] if load.tls else []
        self.process = processes.Process(
            ["taskset", "-c", self.core, self.executable, "--port", self.port, "--topic", topic,
             "--partitions", load.partitions, "--folder", self.folder / "data", *secrets],
            self.folder / "limit.log")
        processes.wait_until(self._listens, 10, self.process.tail)

    def _listens(self):
        try:
            return nodes.wire.Connection(self.port, timeout=5).close() or True
        except OSError:
            return False

    def port_of(self, _tls):
        return self.port

    def end(self, _topic):
        self.process.kill()
        shutil.rmtree(self.folder / "data")

    def stop(self):
        pass

    @property
    def pid(self):
        return self.process.pid


def all_led(connection, topic, partitions):
    """Whether the node that is asked leads them."""
    (told,) = connection.call("ListOffsets", 5, {"ReplicaId": -1, "Topics": [
        {"Name": topic, "Partitions": [{"PartitionIndex": i, "Timestamp": -1}
                                       for i in range(partitions)]}]})["Topics"]
    return all(one["ErrorCode"] == 0 for one in told["Partitions"])


def create(node, topic, partitions):
    """Ends when all are led."""
    with node.connect() as connection:
        connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
            {"Name": topic, "NumPartitions": partitions, "ReplicationFactor": 1}]})
        processes.wait_until(lambda: all_led(connection, topic, partitions), 30, topic)


class Broker:
    """A whole node: a topic a load. It listens with TLS, too."""

    def __init__(self, kind, folder, core, certificate, **overrides):
        self.node = kind(folder, log__segment__delete__delay__ms=100,
                         file__delete__delay__ms=100, **overrides)
        (self.tls_port,) = processes.free_ports(1)
        listeners = (f"PLAINTEXT://{self.node.bootstrap},SSL://localhost:{self.tls_port},"
                     f"CONTROLLER://127.0.0.1:{self.node.controller_port}")
        self.node.properties |= {
            "listeners": listeners, "advertised.listeners": listeners,
            "listener.security.protocol.map":
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL",
            **certificates.keystore(certificate, "PEM")}
        command = self.node.server_command()
        self.node.server_command = lambda: ["taskset", "-c", core, *command]
        self.node.format().start()
        self.port, self.pid = self.node.port, self.node.process.pid

    def port_of(self, tls):
        return self.tls_port if tls else self.port

    def begin(self, topic, load):
        create(self.node, topic, load.partitions)

    def end(self, topic):
        with self.node.connect() as connection:
            connection.call("DeleteTopics", 5, {"TopicNames": [topic], "TimeoutMs": 30000})

    def stop(self):
        self.node.kill()


class BesideNode(nodes.MillraceNode):
    """Another build."""


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.loader = options.build / "bench" / "load"
        certificate = certificates.Authority(folder / "ca", "Bench CA").issue(
            "broker", "/O=Bench/CN=broker")
        limit = Limit(folder / "limit", options.build / "bench" / "limit", options.server_core,
                      certificate)
        limit.folder.mkdir()
        self.servers = {"limit": limit}
        unsynced = {"log__flush__acks__all": "false"}
        makes = {"millrace": (nodes.MillraceNode, unsynced),
                 "synced": (nodes.MillraceNode, {}), "apache": (nodes.ApacheNode, {}),
                 "beside": (BesideNode, unsynced)}
        for name, (kind, overrides) in makes.items():
            if name in options.servers:
                self.servers[name] = Broker(kind, folder / name, options.server_core,
                                            certificate, **overrides)

    def stop(self):
        for server in self.servers.values():
            server.stop()

    def run(self, load, server, topic, scale):
        """One line of bench/load, of a topic of its own."""
        server.begin(topic, load)
        try:
            options = self.prepare(load, server, topic, int(load.batches * scale))
            for name, amount in (load.amount, load.warm):
                options[name] = max(1, int(amount * scale))
            return self.load(server, topic, load, load.command, **options)
        finally:
            server.end(topic)

    def prepare(self, load, server, topic, batches):
        """The load's options, once so many batches are there that are to be there before."""
        options = dict(load.options)
        if load.batches:
            batches = max(load.partitions, batches)
            self.load(server, topic, load, "produce", requests=batches, acks=1, connections=4,
                      **{key: options[key] for key in ("batch-records", "record-bytes")})
            options["end-offset"] = batches // load.partitions * options["batch-records"]
        return options

    def load(self, server, topic, load, command, **options):
        words = ["taskset", "-c", self.options.load_core, self.loader, "--port",
                 server.port_of(load.tls), "--topic", topic, "--partitions", load.partitions,
                 "--pid", server.pid, *(["--tls"] if load.tls else []), command]
        for name, value in options.items():
            words += [f"--{name}", value]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise SystemExit(f"{command} at {topic}: {done.stderr}")
        return json.loads(done.stdout)

    def system_calls(self, load, server, topic):
        """System calls a request, counted by strace in a run that is not measured otherwise."""
        if shutil.which("strace") is None:
            return None
        counts = pathlib.Path(self.options.folder) / f"{topic}.strace"
        server.begin(topic, load)
        try:
            options = self.prepare(load, server, topic, 400)
            tracer = subprocess.Popen(
                ["strace", "-f", "-q", "-c", "-S", "calls", "-U", "calls,name", "-o", counts,
                 "-p", str(server.pid)], stderr=subprocess.DEVNULL)
            processes.wait_until(lambda: traced(server.pid), 10, "strace")
            amount, most = load.amount
            options[amount] = max(1, most // 100)
            told = self.load(server, topic, load, load.command, **options)
            tracer.terminate()
            tracer.wait()
        finally:
            server.end(topic)
        lines = counts.read_text().splitlines()[2:]
        total = sum(int(line.split()[0]) for line in lines
                    if line.split() and line.split()[0].isdigit() and "total" not in line)
        return total / max(1, told["requests"])

    def profile(self, name, folder, kind):
        """Samples a server under the load; a flame graph, and the functions on top."""
        load, server, topic = LOADS[name], self.servers[kind], f"{name}-profile"
        folder.mkdir(parents=True, exist_ok=True)
        samples = folder / f"{name}-{kind}.perf"
        server.begin(topic, load)
        try:
            options = self.prepare(load, server, topic, int(load.batches * self.options.scale))
            amount, most = load.amount
            options[amount] = max(1, int(most * self.options.scale))
            self.load(server, topic, load, load.command, **options)  # warms up
            recorder = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999",
                                         "--call-graph", "fp", "-o", samples,
                                         "-p", str(server.pid)])
            self.load(server, topic, load, load.command, **options)
            recorder.send_signal(signal.SIGINT)
            recorder.wait()
        finally:
            server.end(topic)
        script = subprocess.run(["perf", "script", "-i", samples, "-F", "ip,sym,dso"],
                                capture_output=True, text=True, check=True).stdout
        draw = [sys.executable, ROOT / "bench" / "flame_graph.py", f"{load.title}, {kind}"]
        graph = subprocess.run(draw, input=script, capture_output=True, text=True, check=True)
        picture = folder / f"{name}-{kind}.svg"
        picture.write_text(graph.stdout)
        subprocess.run([*draw, "--top", "40"], input=script, text=True, check=True)
        print(picture)

    def measure(self, name):
        load = LOADS[name]
        rounds = []
        for number in range(self.options.rounds + 1):
            # Short rounds: pages of the page cache that the system has just got back are taken
            # again, and what others do on the machine falls on all servers alike.
            scale = self.options.scale / (ROUND_PART if number > 0 else 1)
            rounds.append({kind: self.run(load, server, f"{name}-{number}", scale)
                           for kind, server in self.servers.items()})
            for kind in self.servers if number == 0 else ():
                for more in range(1, WARM_UPS.get(kind, 1)):
                    self.run(load, self.servers[kind], f"{name}-warm-{more}", scale)
        calls = {kind: self.system_calls(load, server, f"{name}-calls")
                 for kind, server in self.servers.items()}
        return Result(load, rounds[1:], calls)


def traced(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return "TracerPid:\t0" not in status


class Result:
    def __init__(self, load, rounds, calls):
        self.load, self.rounds, self.calls = load, rounds, calls

    def middle(self, figure):
        return statistics.median(figure(one) for one in self.rounds)

    def ratio(self, kind, figure):
        return self.middle(lambda one: figure(one[kind]) / max(figure(one["limit"]), 1e-9))

    def print(self):
        load = self.load
        print(f"\n{load.title}")
        print(f"  {'':10}{'CPU s/GB':>9}{'µs/req':>9}{'MB/s':>8}{'p50 µs':>9}{'p99':>9}"
              f"{'p99.9':>9}{'RSS MB':>8}{'switch/r':>9}{'calls/r':>9}{'× limit':>9}")
        for kind in self.calls:
            def of(figure, kind=kind):
                return self.middle(lambda one: figure(one[kind]))
            calls = self.calls[kind]
            print(f"  {kind:10}{of(per_gigabyte):9.2f}{of(per_request):9.1f}"
                  f"{of(lambda one: one['bytes'] / 1e6 / one['seconds']):8.0f}"
                  f"{of(lambda one: one['p50_us']):9.0f}{of(lambda one: one['p99_us']):9.0f}"
                  f"{of(lambda one: one['p999_us']):9.0f}"
                  f"{of(lambda one: one['resident'] / 1e6):8.0f}"
                  f"{of(lambda one: one['switches'] / one['requests']):9.2f}"
                  f"{'-' if calls is None else format(calls, '.2f'):>9}"
                  f"{self.ratio(kind, self.compared()):9.2f}")

    def compared(self):
        """What the goal is about: latency end to end, processor time else."""
        if self.load.command == "end-to-end":
            return lambda one: one["p99_us"]
        return per_request

    def summary(self):
        row = f"{self.load.title:40}{'≤ ' + str(self.load.goal):>8}"
        for kind in list(self.calls)[1:]:
            row += f"{self.ratio(kind, self.compared()):10.2f}"
        return row


def per_gigabyte(one):
    return one["cpu_seconds"] / (one["bytes"] / 1e9)


def per_request(one):
    return one["cpu_seconds"] * 1e6 / one["requests"]


def servers_of(options):
    if options.servers:
        return options.servers.split(",")
    if options.profile:
        return ["millrace"]
    return [kind for kind in KINDS if kind != "beside" or options.beside]


def add_places(parser):
    """Options that say what runs, and where."""
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "bench")
    parser.add_argument("--millrace", type=pathlib.Path,
                        default=ROOT / "build" / "release" / "millrace")
    parser.add_argument("--beside", type=pathlib.Path, metavar="EXE",
                        help="another build of Millrace")
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk to use")
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--load-core", default="1")


@contextlib.contextmanager
def running(options):
    """The servers, of options.servers."""
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("a core for the servers and one for the load are needed")
    options.build = options.build.resolve()
    nodes.MillraceNode.executable = options.millrace.resolve()
    if options.beside:
        BesideNode.executable = options.beside.resolve()
    with tempfile.TemporaryDirectory(prefix="millrace-hot-path-", dir=options.folder) as folder:
        options.folder = folder
        bench = Bench(options, pathlib.Path(folder))
        try:
            yield bench
        finally:
            bench.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("loads", nargs="*", metavar="LOAD", help=f"of {' '.join(LOADS)}")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--scale", type=float, default=1.0, help="how much of each load")
    parser.add_argument("--servers", help=f"which of {','.join(KINDS)}; all but beside")
    parser.add_argument("--profile", type=pathlib.Path, metavar="DIR",
                        help="samples one server, millrace by default; flame graphs go there")
    parser.add_argument("--list", action="store_true", help="names the loads")
    add_places(parser)
    options = parser.parse_args()
    if options.list:
        print("\n".join(LOADS))
        return
    unknown = set(options.loads) - set(LOADS)
    if unknown:
        parser.error(f"there is no load {', '.join(unknown)}; there are {', '.join(LOADS)}")
    options.servers = servers_of(options)
    results = []
    with running(options) as bench:
        for name in options.loads or LOADS:
            if options.profile:
                bench.profile(name, options.profile, options.servers[0])
                continue
            began = time.monotonic()
            results.append(bench.measure(name))
            results[-1].print()
            print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    if not results:
        return
    print(f"\n{'times the limit':40}{'goal':>8}" +
          "".join(f"{kind:>10}" for kind in list(results[0].calls)[1:]))
    for result in results:
        print(result.summary())


if __name__ == "__main__":
    main()
