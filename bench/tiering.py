#!/usr/bin/env python3
"""What storing a segment remotely and reading it again costs: MB/s, and processor seconds a
gigabyte of the process that does it, for a directory and for an S3 server on this machine, beside
dd and memcpy in the same run.

    bench/tiering.py [--tool build/release/tests/interop/object_store_tool] [--megabytes N]

The S3 server is versitygw; it writes to the same disk, and takes its part of the cores. Read the
ratios: absolute times are the machine's.
"""

import argparse
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "interop"))

from harness import s3  # noqa: E402


def run_tool(tool, folder, settings, segment):
    properties = folder / "store.properties"
    properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    done = subprocess.run([tool, properties, "bench", segment], check=True, text=True,
                          stdout=subprocess.PIPE)
    return [line.split("\t") for line in done.stdout.splitlines()]


def dd(segment, folder, megabytes):
    target = folder / "copy"
    best = None
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        subprocess.run(["dd", f"if={segment}", f"of={target}", "bs=1M", "conv=fdatasync"],
                       check=True, stderr=subprocess.DEVNULL)
        took = time.monotonic() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if best is None or took < best[0]:
            best = took, cpu
        target.unlink()
    return [("copy and fdatasync", f"{megabytes / best[0]:.0f}",
             f"{best[1] * 1000 / megabytes:.3f}")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", type=pathlib.Path,
                        default=ROOT / "build/release/tests/interop/object_store_tool")
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--folder", type=pathlib.Path, help="on the disk to measure")
    options = parser.parse_args()

    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-tiering-", dir=options.folder))
    servers = []
    try:
        segment = folder / "segment"
        with open(segment, "wb") as file:
            for _ in range(options.megabytes):
                file.write(os.urandom(1_000_000))
        (folder / "store").mkdir()
        rows = {"dd": dd(segment, folder, options.megabytes)}
        rows["directory"] = run_tool(options.tool, folder, {
            "remote.log.storage.manager.class.name": "directory",
            "rsm.config.directory.path": folder / "store"}, segment)
        for name, tls in [("S3 over HTTP", False), ("S3 over HTTPS", True)]:
            servers.append(s3.Server(folder / name.replace(" ", "-"), tls=tls).start())
            rows[name] = run_tool(options.tool, folder, servers[-1].settings(), segment)
        print(f"{'store':15} {'what':20} {'MB/s':>8} {'CPU s/GB':>9}")
        for store, lines in rows.items():
            for what, speed, cpu in lines:
                print(f"{store:15} {what:20} {speed:>8} {cpu:>9}")
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
