#!/usr/bin/env python3
"""What the hot path costs: Millrace, Apache Kafka 4.3.1 and the limit under the same loads, side by
side in one run. The limit (bench/limit) is one thread that only receives, checks CRCs, writes and
sends. Each server has a core of its own, and so has the load.

    bench/hot_path.py [LOAD...] [--rounds N] [--scale X] [--build build/bench] [--millrace EXE]

Per load and server: processor seconds a GB and microseconds a request (/proc), throughput,
latency, memory, context switches and system calls a request; and how many times the limit's
processor time. All servers take turns within a round, the first round only warms up, and ratios
are taken within a round; the median of the rounds is printed. `millrace` has
log.flush.acks.all=false, as Apache's durability is; `synced` is Millrace's default.
"""

import argparse
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

from harness import node as nodes  # noqa: E402
from harness import processes  # noqa: E402

KINDS = ["limit", "millrace", "synced", "apache"]
PARTITIONS = 4


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
    "fan-out": Load("catch-up read, 10-fold fan-out", 1.15, "consume",
                    ("bytes", 3_000_000_000), {**shape(16, 1024), "readers": 10},
                    ("warm-bytes", 300_000_000), batches=16_000),
    "end-to-end": Load("end to end at 2,000 records/s", 2.0, "end-to-end",
                       ("records", 8_000), {"record-bytes": 100, "rate": 2000, "acks": -1},
                       ("warm", 1_000)),
}


class Limit:
    """The limit, one process a load."""

    def __init__(self, folder, executable, core):
        self.folder, self.executable, self.core = folder, executable, core
        self.process = None

    def begin(self, topic):
        (self.port,) = processes.free_ports(1)
        self.process = processes.Process(
            ["taskset", "-c", self.core, self.executable, "--port", self.port, "--topic", topic,
             "--partitions", PARTITIONS, "--folder", self.folder / "data"],
            self.folder / "limit.log")
        processes.wait_until(self._listens, 10, self.process.tail)

    def _listens(self):
        try:
            return nodes.wire.Connection(self.port, timeout=5).close() or True
        except OSError:
            return False

    def end(self, _topic):
        self.process.kill()
        shutil.rmtree(self.folder / "data")

    def stop(self):
        pass

    @property
    def pid(self):
        return self.process.pid


class Broker:
    """A whole node: a topic a load."""

    def __init__(self, kind, folder, core, **overrides):
        self.node = nodes.make(kind, folder, log__segment__delete__delay__ms=100,
                               file__delete__delay__ms=100, **overrides)
        command = self.node.server_command()
        self.node.server_command = lambda: ["taskset", "-c", core, *command]
        self.node.start()
        self.port, self.pid = self.node.port, self.node.process.pid

    def begin(self, topic):
        with self.node.connect() as connection:
            connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
                {"Name": topic, "NumPartitions": PARTITIONS, "ReplicationFactor": 1}]})
            processes.wait_until(lambda: self._leads(connection, topic), 30, topic)

    @staticmethod
    def _leads(connection, topic):
        (told,) = connection.call("ListOffsets", 5, {"ReplicaId": -1, "Topics": [
            {"Name": topic, "Partitions": [{"PartitionIndex": i, "Timestamp": -1}
                                           for i in range(PARTITIONS)]}]})["Topics"]
        return all(one["ErrorCode"] == 0 for one in told["Partitions"])

    def end(self, topic):
        with self.node.connect() as connection:
            connection.call("DeleteTopics", 5, {"TopicNames": [topic], "TimeoutMs": 30000})

    def stop(self):
        self.node.kill()


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.loader = options.build / "bench" / "load"
        limit = Limit(folder / "limit", options.build / "bench" / "limit", options.server_core)
        limit.folder.mkdir()
        self.servers = {"limit": limit}
        makes = {"millrace": ("millrace", {"log__flush__acks__all": "false"}),
                 "synced": ("millrace", {}), "apache": ("apache", {})}
        for name, (kind, overrides) in makes.items():
            if name in options.servers:
                self.servers[name] = Broker(kind, folder / name, options.server_core, **overrides)

    def stop(self):
        for server in self.servers.values():
            server.stop()

    def run(self, load, server, topic, scale):
        """One line of bench/load, of a topic of its own."""
        server.begin(topic)
        try:
            options = self.prepare(load, server, topic, int(load.batches * scale))
            for name, amount in (load.amount, load.warm):
                options[name] = max(1, int(amount * scale))
            return self.load(server, topic, load.command, **options)
        finally:
            server.end(topic)

    def prepare(self, load, server, topic, batches):
        """The load's options, once so many batches are there that are to be there before."""
        options = dict(load.options)
        if load.batches:
            batches = max(PARTITIONS, batches)
            self.load(server, topic, "produce", requests=batches, acks=1, connections=4,
                      **{key: options[key] for key in ("batch-records", "record-bytes")})
            options["end-offset"] = batches // PARTITIONS * options["batch-records"]
        return options

    def load(self, server, topic, command, **options):
        words = ["taskset", "-c", self.options.load_core, self.loader, "--port", server.port,
                 "--topic", topic, "--partitions", PARTITIONS, "--pid", server.pid, command]
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
        server.begin(topic)
        try:
            options = self.prepare(load, server, topic, 400)
            tracer = subprocess.Popen(
                ["strace", "-f", "-q", "-c", "-S", "calls", "-U", "calls,name", "-o", counts,
                 "-p", str(server.pid)], stderr=subprocess.DEVNULL)
            processes.wait_until(lambda: traced(server.pid), 10, "strace")
            amount, most = load.amount
            options[amount] = max(1, most // 100)
            told = self.load(server, topic, load.command, **options)
            tracer.terminate()
            tracer.wait()
        finally:
            server.end(topic)
        lines = counts.read_text().splitlines()[2:]
        total = sum(int(line.split()[0]) for line in lines
                    if line.split() and line.split()[0].isdigit() and "total" not in line)
        return total / max(1, told["requests"])

    def profile(self, name, folder):
        """Samples `millrace` under the load; a flame graph, and the functions on top."""
        load, server, topic = LOADS[name], self.servers["millrace"], f"{name}-profile"
        self.run(load, server, f"{topic}-warm", self.options.scale)
        folder.mkdir(parents=True, exist_ok=True)
        samples = folder / f"{name}.perf"
        recorder = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999",
                                     "--call-graph", "fp", "-o", samples, "-p", str(server.pid)])
        self.run(load, server, topic, self.options.scale)
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
        script = subprocess.run(["perf", "script", "-i", samples, "-F", "ip,sym,dso"],
                                capture_output=True, text=True, check=True).stdout
        draw = [sys.executable, ROOT / "bench" / "flame_graph.py", load.title]
        graph = subprocess.run(draw, input=script, capture_output=True, text=True, check=True)
        (folder / f"{name}.svg").write_text(graph.stdout)
        subprocess.run([*draw, "--top", "40"], input=script, text=True, check=True)
        print(folder / f"{name}.svg")

    def measure(self, name):
        load = LOADS[name]
        rounds = []
        for number in range(self.options.rounds + 1):
            rounds.append({kind: self.run(load, server, f"{name}-{number}", self.options.scale)
                           for kind, server in self.servers.items()})
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
        for kind in KINDS[1:]:
            told = self.calls.keys() & {kind}
            row += f"{self.ratio(kind, self.compared()):10.2f}" if told else f"{'-':>10}"
        return row


def per_gigabyte(one):
    return one["cpu_seconds"] / (one["bytes"] / 1e9)


def per_request(one):
    return one["cpu_seconds"] * 1e6 / one["requests"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("loads", nargs="*", metavar="LOAD", help=f"of {' '.join(LOADS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="how much of each load")
    parser.add_argument("--servers", default=",".join(KINDS), help="which of them")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "bench")
    parser.add_argument("--millrace", type=pathlib.Path,
                        default=ROOT / "build" / "release" / "millrace")
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk to use")
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--load-core", default="1")
    parser.add_argument("--profile", type=pathlib.Path, metavar="DIR",
                        help="samples Millrace instead, and draws flame graphs there")
    parser.add_argument("--list", action="store_true", help="names the loads")
    options = parser.parse_args()
    if options.list:
        print("\n".join(LOADS))
        return
    unknown = set(options.loads) - set(LOADS)
    if unknown:
        parser.error(f"there is no load {', '.join(unknown)}; there are {', '.join(LOADS)}")
    if len(os.sched_getaffinity(0)) < 2:
        parser.error("a core for the servers and one for the load are needed")
    options.servers = ["millrace"] if options.profile else options.servers.split(",")
    options.build = options.build.resolve()
    nodes.MillraceNode.executable = options.millrace.resolve()
    with tempfile.TemporaryDirectory(prefix="millrace-hot-path-", dir=options.folder) as folder:
        options.folder = folder
        bench = Bench(options, pathlib.Path(folder))
        try:
            results = []
            for name in options.loads or LOADS:
                if options.profile:
                    bench.profile(name, options.profile)
                    continue
                began = time.monotonic()
                results.append(bench.measure(name))
                results[-1].print()
                print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
        finally:
            bench.stop()
    if not results:
        return
    print(f"\n{'times the limit':40}{'goal':>8}" + "".join(f"{kind:>10}" for kind in KINDS[1:]))
    for result in results:
        print(result.summary())


if __name__ == "__main__":
    main()
