#!/usr/bin/env python3
"""What storage costs, in one run: appending, reading from memory and from the device, recovery,
compaction and tiered storage, each beside what dd, pwrite, sendfile, memcpy and CRC-32C reach on
the same disk: MB/s, and processor seconds a gigabyte.

    bench/storage.py [--megabytes N] [--folder DIR] [--build build/bench] [--only WORD]

The benchmarks are built by `./dev build bench`. Read the ratios: absolute figures are the
machine's.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Which floor a row of log_benchmark stands on.
FLOORS = {
    "append: written": "floor: pwritev of batches",
    "append: validated, written": "floor: pwritev of batches",
    "append: durable each": "floor: pwrite, fdatasync each",
    "read: fetched and sent": "floor: sendfile",
    "read: fetched and sent, cold": "floor: sendfile, cold",
    "recovery: of what is in memory": "floor: crc32c of 64 KiB",
    "recovery: cold": "floor: sendfile, cold",
}
# Benchmarks that report bytes and processor time, and whole scripts that print a table themselves.
OTHER_BENCHMARKS = ["compaction_benchmark"]
SCRIPTS = ["recovery.py", "tiering.py"]


def dd(folder, megabytes, **flags):
    """MB/s and processor seconds a GB of one run of dd, which writes a new file."""
    target = folder / "dd"
    words = [f"{key}={value}" for key, value in flags.items()]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(["dd", "if=/dev/zero", f"of={target}", "bs=1M", f"count={megabytes}", *words],
                   check=True, stderr=subprocess.DEVNULL)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    target.unlink()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = megabytes * (1 << 20)
    return size / 1e6 / wall, cpu / (size / 1e9)


def run(program, environment):
    done = subprocess.run([program, "--benchmark_format=json"], check=True, text=True,
                          stdout=subprocess.PIPE, env={**os.environ, **environment})
    return json.loads(done.stdout)["benchmarks"]


def log_rows(program, environment):
    rows = {}
    for one in run(program, environment):
        name = one["name"].split("/iterations:")[0]
        rows[name] = one.get("error_message") or (one["MB/s"], one["CPU s/GB"])
    return rows


def other_rows(program, environment):
    return {one["name"]: (one["bytes_per_second"] / 1e6,
                          one["cpu_time"] / one["real_time"] / (one["bytes_per_second"] / 1e9))
            for one in run(program, environment) if "bytes_per_second" in one}


def show(rows):
    print(f"{'':44}{'MB/s':>9}{'CPU s/GB':>10}{'of floor: MB/s':>16}{'CPU':>7}")
    for name, figures in rows.items():
        if isinstance(figures, str):
            print(f"{name:44}{figures}")
            continue
        line = f"{name:44}{figures[0]:9.0f}{figures[1]:10.3f}"
        floor = rows.get(FLOORS.get(name))
        if floor and not isinstance(floor, str):
            line += f"{figures[0] / floor[0]:16.2f}{figures[1] / floor[1]:7.2f}"
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk to measure")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "bench")
    parser.add_argument("--only", help="what to run of: dd log compaction recovery tiering")
    options = parser.parse_args()

    def wanted(name):
        return options.only is None or options.only in name

    with tempfile.TemporaryDirectory(prefix="millrace-storage-", dir=options.folder) as made:
        folder = pathlib.Path(made)
        environment = {"MILLRACE_BENCH_FOLDER": made, "TMPDIR": made,
                       "MILLRACE_BENCH_MEGABYTES": str(options.megabytes)}
        rows = {}
        if wanted("dd"):
            part = max(1, options.megabytes // 8)
            rows["dd"] = dd(folder, options.megabytes)
            rows["dd conv=fdatasync"] = dd(folder, options.megabytes, conv="fdatasync")
            rows["dd oflag=dsync"] = dd(folder, part, oflag="dsync")
            rows["dd oflag=direct"] = dd(folder, part, oflag="direct")
        if wanted("log"):
            rows.update(log_rows(options.build / "src" / "log_benchmark", environment))
        for name in OTHER_BENCHMARKS:
            program = options.build / "src" / name
            if wanted(name) and program.exists():
                rows.update(other_rows(program, environment))
        show(rows)
    for name in SCRIPTS:
        script = ROOT / "bench" / name
        if wanted(name) and script.exists():
            print(f"\n{name}", flush=True)
            subprocess.run([sys.executable, script], check=False)


if __name__ == "__main__":
    main()
