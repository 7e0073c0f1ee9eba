#!/usr/bin/env python3
"""What a produce with acks=all costs on three nodes together, min.insync.replicas=2 and replication
factor 3: Millrace, Apache Kafka 4.3.1 and the limit in one run. The limit is a leader that
receives, checks CRCs, writes and sends twice, and two followers that receive, check and write.

    bench/three_nodes.py [--rounds N] [--scale X] [--servers KIND,...] [--millrace EXE]

All nodes of a cluster share one core, and the load has another; processor time is that of the three
processes. `synced` is Millrace's default, beside a limit that calls fdatasync before it answers and
acknowledges; the others answer from the page cache. All take turns within a round, the first round
only warms up, ratios are taken within a round; the median of the rounds is printed.

Then one connection to one partition, with more and more requests in flight.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import hot_path
from hot_path import nodes, processes, shape

from harness import cluster as clusters  # noqa: E402, found by hot_path

LEADER, REPLICAS, PARTITIONS = 1, [1, 2, 3], 4
LIMIT_OF = {"limit": None, "millrace": "limit", "apache": "limit",
            "synced-limit": None, "synced": "synced-limit"}
# Three nodes on one core may be slow to answer each other; nobody is to be taken for dead.
PATIENCE = {"broker.session.timeout.ms": 60_000, "controller.quorum.fetch.timeout.ms": 60_000,
            "controller.quorum.election.timeout.ms": 10_000}
UNSYNCED = {"log.flush.acks.all": "false"}
LOAD = {**shape(16, 1024), "connections": 4, "in-flight": 5, "acks": -1}
REQUESTS, WARM = 40_000, 4_000
IN_FLIGHT = [1, 5, 25, 100]
DEEP = {**shape(1, 100), "connections": 1, "acks": -1}
DEEP_SECONDS = 1.5


class Limit:
    """Three processes a load."""

    def __init__(self, folder, options, synced):
        self.folder, self.options, self.synced = folder, options, synced
        folder.mkdir()

    def begin(self, topic, partitions):
        ports = processes.free_ports(3)
        self.port = ports[0]
        roles = [["--followers", "2"], ["--leader", self.port], ["--leader", self.port]]
        self.running = []
        for number, (port, role) in enumerate(zip(ports, roles)):
            self.running.append(processes.Process(
                ["taskset", "-c", self.options.server_core, self.options.build / "bench" / "limit",
                 "--port", port, "--topic", topic, "--partitions", partitions, *role,
                 "--folder", self.folder / f"data-{number}", *(["--sync"] if self.synced else [])],
                self.folder / f"limit-{number}.log"))
            processes.wait_until(lambda port=port: listens(port), 10, self.running[-1].tail)

    @property
    def pids(self):
        return [one.pid for one in self.running]

    def end(self, _topic):
        for one in self.running:
            one.kill()
        for number in range(3):
            shutil.rmtree(self.folder / f"data-{number}")

    def stop(self):
        pass


def listens(port):
    try:
        return nodes.wire.Connection(port, timeout=5).close() or True
    except OSError:
        return False


class Cluster:
    """Three nodes, each broker and controller; the first one leads every partition."""

    def __init__(self, folder, options, kind, **properties):
        self.cluster = clusters.Cluster(
            folder, {each: (kind, "broker,controller") for each in REPLICAS},
            **{"min.insync.replicas": 2, "log.segment.delete.delay.ms": 100,
               "file.delete.delay.ms": 100, **PATIENCE, **properties})
        for node in self.cluster.members.values():
            command = node.server_command()
            node.server_command = lambda command=command: [
                "taskset", "-c", options.server_core, *command]
        self.cluster.start()
        self.leader = self.cluster.members[LEADER]
        self.port = self.leader.port

    @property
    def pids(self):
        return [node.process.pid for node in self.cluster.members.values()]

    def begin(self, topic, partitions):
        def replicated():
            (told,) = connection.call("Metadata", 12, {"Topics": [{"Name": topic}]})["Topics"]
            return len(told["Partitions"]) == partitions and all(
                one["LeaderId"] == LEADER and len(one["IsrNodes"]) == len(REPLICAS)
                for one in told["Partitions"])

        with self.leader.connect() as connection:
            (told,) = connection.call("CreateTopics", 5, {"timeoutMs": 30000, "Topics": [
                {"Name": topic, "NumPartitions": -1, "ReplicationFactor": -1, "Assignments": [
                    {"PartitionIndex": i, "BrokerIds": REPLICAS} for i in range(partitions)]}]}
            )["Topics"]
            if told["ErrorCode"] != 0:
                raise SystemExit(f"{topic}: {told}")
            processes.wait_until(replicated, 30, topic)
            processes.wait_until(lambda: hot_path.all_led(connection, topic, partitions), 30, topic)

    def end(self, topic):
        with self.leader.connect() as connection:
            connection.call("DeleteTopics", 5, {"TopicNames": [topic], "TimeoutMs": 30000})

    def stop(self):
        self.cluster.kill()


class Bench:
    def __init__(self, options, folder):
        self.options = options
        makes = {
            "limit": lambda at: Limit(at, options, False),
            "synced-limit": lambda at: Limit(at, options, True),
            "millrace": lambda at: Cluster(at, options, "millrace", **UNSYNCED),
            "synced": lambda at: Cluster(at, options, "millrace"),
            "apache": lambda at: Cluster(at, options, "apache"),
        }
        self.servers = {name: makes[name](folder / name) for name in options.servers}
        self.topics = 0

    def stop(self):
        for server in self.servers.values():
            server.stop()

    def run(self, server, partitions, **options):
        self.topics += 1
        topic = f"three-{self.topics}"
        server.begin(topic, partitions)
        try:
            words = ["taskset", "-c", self.options.load_core, self.options.build / "bench" / "load",
                     "--port", server.port, "--topic", topic, "--partitions", partitions,
                     "--pid", ",".join(map(str, server.pids)), "produce"]
            for name, value in options.items():
                words += [f"--{name}", value]
            done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                                  check=False)
            if done.returncode != 0:
                raise SystemExit(f"produce: {done.stderr}")
            return json.loads(done.stdout)
        finally:
            server.end(topic)

    def cost(self):
        rounds = []
        for number in range(self.options.rounds + 1):
            part = self.options.scale / (hot_path.ROUND_PART if number > 0 else 1)
            rounds.append({name: self.run(server, PARTITIONS, **LOAD, warm=int(WARM * part),
                                          requests=int(REQUESTS * part))
                           for name, server in self.servers.items()})
            for name in self.servers if number == 0 else ():
                for _ in range(1, hot_path.WARM_UPS.get(name, 1)):
                    self.run(self.servers[name], PARTITIONS, **LOAD, requests=REQUESTS)
        return rounds[1:]

    def in_flight(self, name, count):
        """Requests that take about DEEP_SECONDS, by how long some of them took."""
        server = self.servers[name]
        tried = self.run(server, 1, **DEEP, **{"in-flight": count}, requests=200)
        requests = max(200, int(DEEP_SECONDS * 200 / tried["seconds"]))
        return self.run(server, 1, **DEEP, **{"in-flight": count}, warm=200, requests=requests)


def print_cost(rounds):
    def middle(figure):
        return statistics.median(figure(one) for one in rounds)
    print("produce 1 KiB, 16 a batch, acks=all; 4 partitions, 4 connections, 5 in flight on each\n"
          f"  {'':14}{'CPU s/GB':>9}{'µs/req':>9}{'MB/s':>8}{'p50 µs':>9}{'p99':>9}{'RSS MB':>8}"
          f"{'switch/r':>9}{'× limit':>9}")
    for name in rounds[0]:
        row = f"  {name:14}"
        for figure, form in ((hot_path.per_gigabyte, "9.2f"), (hot_path.per_request, "9.1f"),
                             (lambda one: one["bytes"] / 1e6 / one["seconds"], "8.0f"),
                             (lambda one: one["p50_us"], "9.0f"),
                             (lambda one: one["p99_us"], "9.0f"),
                             (lambda one: one["resident"] / 1e6, "8.0f"),
                             (lambda one: one["switches"] / one["requests"], "9.2f")):
            row += format(middle(lambda one, of=figure: of(one[name])), form)
        if LIMIT_OF[name] in rounds[0]:
            row += format(middle(lambda one: hot_path.per_request(one[name]) /
                                 hot_path.per_request(one[LIMIT_OF[name]])), "9.2f")
        print(row, flush=True)


def print_in_flight(bench, names):
    print("\none connection, one partition, a record of 100 B a request: requests a second (p50 ms)"
          f"\n  {'in flight':14}" + "".join(f"{count:>18}" for count in IN_FLIGHT))
    for name in names:
        row = f"  {name:14}"
        for count in IN_FLIGHT:
            told = bench.in_flight(name, count)
            row += f"{told['requests'] / told['seconds']:10.0f} ({told['p50_us'] / 1000:.2f})"
        print(row, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="how much of the load")
    parser.add_argument("--servers", default=",".join(LIMIT_OF), help="which of them")
    parser.add_argument("--part", choices=["cost", "in-flight"], help="one of both parts")
    hot_path.add_places(parser)
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("a core for the servers and one for the load are needed")
    options.build = options.build.resolve()
    options.servers = options.servers.split(",")
    nodes.MillraceNode.executable = options.millrace.resolve()
    with tempfile.TemporaryDirectory(prefix="millrace-three-", dir=options.folder) as folder:
        bench = Bench(options, pathlib.Path(folder))
        try:
            if options.part != "in-flight":
                print_cost(bench.cost())
            if options.part != "cost":
                print_in_flight(bench, [name for name in options.servers if "limit" not in name])
        finally:
            bench.stop()


if __name__ == "__main__":
    sys.exit(main())
