#!/usr/bin/env python3
"""How the cost of a request grows: one thing is varied, the rest stays, Millrace beside the limit.

    bench/curves.py [CURVE...] [--rounds N] [--scale X] [--millrace EXE]

Curves: record-size, batch-size, connections, partitions, readers. Per point: microseconds of
processor time a request and seconds a GB of both, and how many times the limit's it is.

And of the node alone (sizes.py): segments of a partition, metadata.
"""

import argparse
import resource
import statistics
import tempfile

import hot_path
import sizes
from hot_path import Load, shape


def produce(requests, options, **more):
    return Load("", 0, "produce", ("requests", requests),
                {"connections": 4, "acks": 1, **options}, ("warm", requests // 10), **more)


def consume(readers):
    return Load("", 0, "consume", ("bytes", 1_000_000_000), {**shape(16, 1024), "readers": readers},
                ("warm-bytes", 100_000_000), batches=16_000)


# (what is varied, [(value, load)]). A run of less than half a second would mostly show what the
# node does beside it, such as to delete the topic of the run before.
CURVES = {
    "record-size": ("bytes a record, 16 a batch", [
        (size, produce(min(300_000, 400_000_000 // (16 * size)), shape(16, size)))
        for size in (10, 100, 1_000, 10_000, 60_000)]),
    "batch-size": ("records of 100 B a batch", [
        (records, produce(min(300_000, 4_000_000 // records), shape(records, 100)))
        for records in (1, 10, 100, 1_000, 9_000)]),
    "connections": ("connections, one record of 100 B in flight on each", [
        (count, produce(100_000, {**shape(1, 100), "connections": count, "in-flight": 1}))
        for count in (1, 10, 100, 1_000, 5_000)]),
    "partitions": ("partitions, one record of 100 B a request, 100 connections", [
        (count, produce(500_000, {**shape(1, 100), "connections": 100, "in-flight": 5},
                        partitions=count))
        for count in (1, 10, 100)]),
    "readers": ("readers of each of 4 partitions", [
        (readers, consume(readers)) for readers in (1, 4, 16, 64)]),
}


def measure(bench, name, rounds, scale):
    what, points = CURVES[name]
    print(f"\n{name}: {what}")
    print(f"{'':>10}{'limit µs':>10}{'ours µs':>10}{'limit s/GB':>11}{'ours s/GB':>11}{'×':>7}")
    for value, load in points:
        told = []
        for number in range(rounds + 1):
            told.append({kind: bench.run(load, server, f"{name}-{value}-{number}", scale)
                         for kind, server in bench.servers.items()})
        def middle(figure, kept=tuple(told[1:])):
            return statistics.median(figure(one) for one in kept)
        row = f"{value:>10}"
        for figure, width in ((hot_path.per_request, 10), (hot_path.per_gigabyte, 11)):
            for kind in ("limit", "millrace"):
                row += f"{middle(lambda one, f=figure, k=kind: f(one[k])):{width}.2f}"
        ratio = middle(lambda one: hot_path.per_request(one["millrace"]) /
                       max(1e-9, hot_path.per_request(one["limit"])))
        print(f"{row}{ratio:7.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("curves", nargs="*", metavar="CURVE", help=f"of {' '.join(CURVES)}")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="how much of each load")
    hot_path.add_places(parser)
    options = parser.parse_args()
    known = [*CURVES, *sizes.CURVES]
    unknown = set(options.curves) - set(known)
    if unknown:
        parser.error(f"there is no curve {', '.join(unknown)}; there are {', '.join(known)}")
    options.servers = ["limit", "millrace"]
    wanted, place = options.curves or known, options.folder
    loads = [name for name in wanted if name in CURVES]
    if loads:
        with hot_path.running(options) as bench:
            for name in loads:
                measure(bench, name, options.rounds, options.scale)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    hot_path.nodes.MillraceNode.executable = options.millrace.resolve()
    options.build = options.build.resolve()
    for name in wanted:
        if name in CURVES:
            continue
        with tempfile.TemporaryDirectory(prefix="millrace-curves-", dir=place) as folder:
            sizes.measure(name, options, folder)


if __name__ == "__main__":
    main()
