"""How the cost of a request grows with what a node holds: segments of a partition, and topics. For
curves.py."""

import os
import pathlib
import random
import statistics
import subprocess
import time

from hot_path import create, nodes, processes, shape

SEGMENT_BYTES = 1 << 20  # the least that a topic may have
SEGMENTS = [1, 10, 100, 1_000]
FILLING = {**shape(15, 1024), "connections": 1, "acks": 1}
BATCH_RECORDS, BATCHES_A_SEGMENT = 15, 68  # of 15.4 KB each
LOOKUPS = 3_000
TOPICS = [100, 1_000, 10_000, 20_000]
TOPICS_A_REQUEST = 1_000


def cpu_seconds(pid):
    """Of all threads, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)


class Node:
    """One on a core of its own; what a piece of work costs it."""

    def __init__(self, options, folder, **properties):
        self.options = options
        self.node = nodes.make("millrace", folder, log__flush__acks__all="false", **properties)
        command = self.node.server_command()
        self.node.server_command = lambda: ["taskset", "-c", options.server_core, *command]
        self.node.start()

    @property
    def pid(self):
        return self.node.process.pid

    def costs(self, work):
        """Microseconds of its processor while work() runs."""
        before = cpu_seconds(self.pid)
        work()
        return 1e6 * (cpu_seconds(self.pid) - before)

    def produce(self, topic, requests, **options):
        words = ["taskset", "-c", self.options.load_core, self.options.build / "bench" / "load",
                 "--port", self.node.port, "--topic", topic, "--partitions", 1, "produce",
                 "--requests", requests]
        for name, value in options.items():
            words += [f"--{name}", value]
        subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)

    def ask(self, requests):
        """Encoded requests, one after the other."""
        with self.node.connect() as connection:
            for one in requests:
                connection.send_bytes(nodes.wire.framed(one))
                connection.frame()

    def each(self, requests):
        self.ask(requests[:len(requests) // 10])  # warms up
        return self.costs(lambda: self.ask(requests)) / len(requests)

    def begin_anew(self, end, topic):
        """What a start costs, and how long it takes until the partition is led."""
        end()
        began = time.monotonic()
        self.node.start()
        with self.node.connect() as connection:
            processes.wait_until(lambda: is_led(connection, topic), 60, topic)
        return time.monotonic() - began, 1e3 * cpu_seconds(self.pid)


def is_led(connection, topic):
    (told,) = connection.call("ListOffsets", 5, list_offsets(topic, -1))["Topics"]
    return told["Partitions"][0]["ErrorCode"] == 0


def list_offsets(topic, timestamp):
    return {"ReplicaId": -1, "Topics": [
        {"Name": topic, "Partitions": [{"PartitionIndex": 0, "Timestamp": timestamp}]}]}


def fetch(topic, offset):
    return {"ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 1, "MaxBytes": 1000, "Topics": [
        {"Topic": topic, "Partitions": [
            {"Partition": 0, "FetchOffset": offset, "PartitionMaxBytes": 1000}]}]}


def segments(options, folder):
    print("\nsegments: of one partition, 1 MiB each"
          f"\n{'':>10}{'fetch µs':>10}{'by time µs':>11}{'produce µs':>11}"
          f"{'start ms':>10}{'CPU ms':>8}{'killed ms':>10}{'CPU ms':>8}{'MB':>7}{'files':>7}")
    for count in SEGMENTS:
        node = Node(options, folder / f"segments-{count}", log__segment__bytes=SEGMENT_BYTES,
                    log__message__timestamp__type="LogAppendTime",
                    log__index__interval__bytes=4096)
        create(node.node, "t", 1)
        began = time.time()
        batches = count * BATCHES_A_SEGMENT - 1
        node.produce("t", batches, **FILLING)
        ended = time.time()
        chance = random.Random(count)
        fetches = [nodes.wire.request("Fetch", 11, fetch(
            "t", chance.randrange(batches * BATCH_RECORDS))) for _ in range(LOOKUPS)]
        times = [nodes.wire.request("ListOffsets", 5, list_offsets(
            "t", int(1000 * chance.uniform(began, ended)))) for _ in range(LOOKUPS)]
        row = f"{count:10}{node.each(fetches):10.1f}{node.each(times):11.1f}"
        resident = node.node.resident_bytes() / 1e6
        files = len(os.listdir(f"/proc/{node.pid}/fd"))
        produced = {**shape(1, 100), "connections": 1, "acks": 1}
        cost = node.costs(lambda: node.produce("t", 20_000, **produced)) / 20_000
        row += f"{cost:11.2f}"
        for end in (node.node.stop, node.node.kill):
            seconds, cpu = node.begin_anew(end, "t")
            row += f"{1e3 * seconds:10.0f}{cpu:8.0f}"
        print(f"{row}{resident:7.1f}{files:7}", flush=True)
        node.node.kill()


def create_topics(connection, names):
    answer = connection.call("CreateTopics", 7, {"timeoutMs": 300_000, "Topics": [
        {"Name": name, "NumPartitions": 1, "ReplicationFactor": 1} for name in names]}, 300)
    for told in answer["Topics"]:
        if told["ErrorCode"] != 0:
            raise SystemExit(f"{told['Name']}: {told['ErrorMessage']}")


def topics(options, folder):
    print("\nmetadata: topics of one partition"
          f"\n{'':>10}{'all ms':>9}{'KB':>8}{'one µs':>8}{'create ms':>11}{'CPU ms':>8}"
          f"{'produce µs':>11}{'MB':>8}{'start s':>9}{'CPU s':>7}")
    for count in TOPICS:
        node = Node(options, folder / f"topics-{count}")
        with node.node.connect(timeout=300) as connection:
            for at in range(0, count, TOPICS_A_REQUEST):
                names = [f"topic-{i}" for i in range(at, min(count, at + TOPICS_A_REQUEST))]
                create_topics(connection, names)
            processes.wait_until(lambda: is_led(connection, names[-1]), 600, names[-1])
            size = len(connection_answer(connection, {"Topics": None}))
            everything = nodes.wire.request("Metadata", 12, {"Topics": None})
            single = nodes.wire.request("Metadata", 12, {"Topics": [{"Name": "topic-7"}]})
            whole = node.each([everything] * 30) / 1e3
            one = node.each([single] * LOOKUPS)
            resident = node.node.resident_bytes() / 1e6
            walls = []

            def create_some():
                for number in range(20):
                    began = time.monotonic()
                    create_topics(connection, [f"more-{number}"])
                    processes.wait_until(lambda: is_led(connection, f"more-{number}"), 60, "more")
                    walls.append(time.monotonic() - began)
            cpu = node.costs(create_some) / 20 / 1e3
        produced = {**shape(1, 100), "connections": 1, "acks": 1}
        node.produce("topic-7", 2_000, **produced)
        cost = node.costs(lambda: node.produce("topic-7", 20_000, **produced)) / 20_000
        # Each of the new partitions is brought to stable storage first.
        seconds, start_cpu = node.begin_anew(lambda one=node: one.node.process.stop(600),
                                             f"topic-{count - 1}")
        print(f"{count:10}{whole:9.2f}{size / 1e3:8.0f}{one:8.1f}"
              f"{1e3 * statistics.median(walls):11.1f}{cpu:8.1f}{cost:11.2f}{resident:8.1f}"
              f"{seconds:9.2f}{start_cpu / 1e3:7.2f}", flush=True)
        node.node.kill()


def connection_answer(connection, fields):
    connection.send("Metadata", 12, fields)
    return connection.frame(60)


CURVES = {"segments": segments, "metadata": topics}


def measure(name, options, folder):
    CURVES[name](options, pathlib.Path(folder))
