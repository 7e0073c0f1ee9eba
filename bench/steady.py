#!/usr/bin/env python3
"""Whether a node grows under a steady load: records are produced, read at once and soon deleted by
retention, so that segments roll and go. A line a minute: latency end to end, processor time,
memory, descriptors, threads, what is on disk. At the end what has grown.

    bench/steady.py [MINUTES] [--share PER_CENT] [--millrace EXE]

The rate is found before: the one at which the node uses `share` per cent of its core.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from hot_path import ROOT, create, nodes

PARTITIONS = 4
RECORD_BYTES = 1000
RETENTION = {"log.segment.bytes": 4 << 20, "log.retention.bytes": 16 << 20, "log.retention.ms": -1,
             "log.retention.check.interval.ms": 1000, "log.segment.delete.delay.ms": 1000,
             "log.flush.acks.all": "false"}
TRIAL_SECONDS = 5
FIRST_RATE = 1000
SETTLED = 5  # minutes, until caches and pools are what they are going to be


def size_of(path):
    """0 for what has gone meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class Steady:
    def __init__(self, options, folder):
        self.options = options
        self.node = nodes.make("millrace", folder / "node")
        self.node.properties |= RETENTION
        command = self.node.server_command()
        self.node.server_command = lambda: ["taskset", "-c", options.server_core, *command]
        self.node.start()
        self.pid = self.node.process.pid
        self.topics = 0

    def load(self, rate, seconds, **options):
        self.topics += 1
        topic = f"steady-{self.topics}"
        create(self.node, topic, PARTITIONS)
        words = ["taskset", "-c", self.options.load_core, self.options.build / "bench" / "load",
                 "--port", self.node.port, "--topic", topic, "--partitions", PARTITIONS,
                 "--pid", self.pid, "end-to-end", "--record-bytes", RECORD_BYTES, "--rate", rate,
                 "--acks", -1, "--warm", rate, "--records", rate * seconds, "--patient"]
        for name, value in options.items():
            words += [f"--{name}", value]
        return subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)

    def find_rate(self):
        """What a record costs falls with the rate: each trial begins where the last one led to."""
        rate = FIRST_RATE
        for _ in range(4):
            with self.load(rate, TRIAL_SECONDS) as process:
                told = json.loads(process.stdout.read())
            share = 100 * told["cpu_seconds"] / told["seconds"]
            print(f"at {rate} records a second {share:.0f} % of the core", flush=True)
            rate = int(rate * min(4, self.options.share / share))
        return rate

    def standing(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        segments = list(self.node.data.glob("steady-*/*.log"))
        return {"resident": int(fields["VmRSS"].split()[0]) / 1000,
                "threads": int(fields["Threads"]),
                "files": len(os.listdir(f"/proc/{self.pid}/fd")),
                "segments": len(segments),
                "on_disk": sum(map(size_of, segments)) / 1e6}

    def run(self, rate):
        minutes = []
        print(f"{rate} records of {RECORD_BYTES} bytes a second\n"
              f"{'minute':>7}{'% core':>8}{'p50 µs':>8}{'p99':>8}{'p99.9':>9}{'max':>9}"
              f"{'RSS MB':>8}{'threads':>8}{'files':>7}{'segments':>9}{'MB on disk':>11}")
        with self.load(rate, 60 * self.options.minutes, every=60) as process:
            for line in process.stdout:
                one = {**json.loads(line), **self.standing()}
                if one["seconds"] < 30:
                    continue
                minutes.append(one)
                print(f"{len(minutes):7}{100 * one['cpu_seconds'] / one['seconds']:8.1f}"
                      f"{one['p50_us']:8.0f}{one['p99_us']:8.0f}{one['p999_us']:9.0f}"
                      f"{one['max_us']:9.0f}{one['resident']:8.1f}{one['threads']:8}"
                      f"{one['files']:7}{one['segments']:9}{one['on_disk']:11.1f}", flush=True)
        if process.returncode != 0:
            raise SystemExit(f"the load ended with {process.returncode}\n{self.node.tail()}")
        return minutes


def compare(minutes):
    """The first minutes once it has settled, and the last ones."""
    settled = minutes[SETTLED:] if len(minutes) > 2 * SETTLED else minutes
    part = max(1, len(settled) // 5)
    for name, what in (("resident", "RSS MB"), ("files", "files"), ("threads", "threads"),
                       ("on_disk", "MB on disk"), ("cpu_seconds", "CPU s a minute"),
                       ("p99_us", "p99 µs")):
        first, last = (statistics.mean(one[name] for one in some)
                       for some in (settled[:part], settled[-part:]))
        print(f"{what:16}{first:10.1f} → {last:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("minutes", nargs="?", type=int, default=60)
    parser.add_argument("--share", type=float, default=80, help="of the node's core, in per cent")
    parser.add_argument("--rate", type=int, help="records a second, instead")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "bench")
    parser.add_argument("--millrace", type=pathlib.Path,
                        default=ROOT / "build" / "release" / "millrace")
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk to use")
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--load-core", default="1")
    options = parser.parse_args()
    options.build = options.build.resolve()
    nodes.MillraceNode.executable = options.millrace.resolve()
    with tempfile.TemporaryDirectory(prefix="millrace-steady-", dir=options.folder) as folder:
        steady = Steady(options, pathlib.Path(folder))
        try:
            compare(steady.run(options.rate or steady.find_rate()))
        finally:
            steady.node.kill()


if __name__ == "__main__":
    sys.exit(main())
