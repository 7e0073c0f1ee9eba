"""The power is cut under load: what was acknowledged with acks=all is there, once, in order.

A node's only disk is an image whose file system is shut down under it, so that what was not
synced is gone; then it is killed, and started on the image mounted anew.
"""

import contextlib
import fcntl
import os
import pathlib
import random
import shutil
import struct
import subprocess

import pytest

from harness import disks, processes
from harness import load as loads
from harness import node as nodes
from harness.cluster import Cluster
from harness.load import begin, check
from test_replication import BROKERS, WAIT_SECONDS, all_in_sync, are_equal, create
from test_replication import TOPIC as REPLICATED
from test_replication import check as check_replicas

TOPIC = "power-cut"
SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "7"))
CUTS = 5
FULL_CUTS = 100
CLUSTER_CUTS = 4
MEGABYTES = 400

# EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: the same number, and the same flags.
SHUTDOWN = 0x8004587D
LOG_FLUSHED, NOTHING_FLUSHED = 1, 2


class PoweredDisk(disks.Disk):
    """One whose power can be cut."""

    def shut_down(self, flags):
        descriptor = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", flags))
        except OSError as refused:
            pytest.skip(f"this kernel does not shut the file system down: {refused}")
        finally:
            os.close(descriptor)

    def mount_anew(self):
        subprocess.run(["umount", self.mount_point], check=True)
        self.mount()


@pytest.fixture(params=sorted(disks.MAKERS))
def disk(folder, request):
    kind = request.param
    one = PoweredDisk(folder / f"{kind}.img", folder / kind, MEGABYTES, kind)
    yield one
    one.remove()


def test_power_cut(kind, disk, folder, request):
    if kind == "apache":
        pytest.skip("Apache acknowledges what is not synced")
    cuts = FULL_CUTS if request.config.getoption("--full") else CUTS
    print(f"seed {SEED}, {cuts} cuts")
    node = nodes.make(kind, folder / f"node-{disk.mount_point.name}",
                      log__dirs=disk.mount_point / pathlib.Path("logs"),
                      log__segment__bytes=4 << 20,
                      log__flush__offset__checkpoint__interval__ms=500,
                      log__retention__bytes=64 << 20)
    node.start()
    chance = random.Random(SEED)
    load = begin(node, TOPIC, SEED)
    try:
        for _ in range(cuts):
            load.wait_for(chance.randrange(1, 8_000), node)
            disk.shut_down(chance.choice([LOG_FLUSHED, NOTHING_FLUSHED, NOTHING_FLUSHED]))
            node.kill()
            disk.mount_anew()
            node.start()
        load.finish()
        check(node, load)
        assert node.stop() == 0, node.tail()
    finally:
        load.enough.set()
        node.kill()


def cut_power(cluster, own, victims, chance):
    """Of these nodes at one moment; `own` are the disks by node."""
    flags = [chance.choice([LOG_FLUSHED, NOTHING_FLUSHED, NOTHING_FLUSHED]) for _ in victims]
    for each, flag in zip(victims, flags):
        own[each].shut_down(flag)
    for each in victims:
        cluster.members[each].kill()
    for each in victims:
        own[each].mount_anew()
        cluster.members[each].launch()
    for each in victims:
        cluster.members[each].wait_until_ready()


def test_power_cut_of_a_cluster(folder, request):
    """Nodes of both roles, each with a disk of its own: one of them, some or all lose power."""
    cuts = FULL_CUTS if request.config.getoption("--full") else CLUSTER_CUTS
    print(f"seed {SEED}, {cuts} cuts")
    chance = random.Random(SEED)
    with contextlib.ExitStack() as stack:
        own = {}
        for each in BROKERS:
            own[each] = PoweredDisk(folder / f"{each}.img", folder / f"{each}-millrace" / "data",
                                    MEGABYTES)
            stack.callback(own[each].remove)
            shutil.rmtree(own[each].mount_point / "lost+found")
        cluster = Cluster(folder, {each: ("millrace", "broker,controller") for each in BROKERS}, **{
            "default.replication.factor": 3, "replica.lag.time.max.ms": 5000,
            "log.segment.bytes": 1 << 20, "log.flush.offset.checkpoint.interval.ms": 500})
        stack.callback(cluster.kill)
        cluster.start()
        create(cluster)
        processes.wait_until(lambda: all_in_sync(cluster), WAIT_SECONDS, "all to be in sync")
        sent = loads.Load(cluster.bootstrap, REPLICATED, SEED, 0.001)
        stack.callback(sent.enough.set)
        for turn in range(cuts):
            sent.wait_for(chance.randrange(100, 2_000), cluster.members[BROKERS[0]])
            count = len(BROKERS) if turn % 2 else chance.randrange(1, len(BROKERS))
            cut_power(cluster, own, chance.sample(BROKERS, count), chance)
            processes.wait_until(lambda: all_in_sync(cluster), WAIT_SECONDS, "all to be in sync")
        sent.finish()
        processes.wait_until(lambda: are_equal(cluster), WAIT_SECONDS, "equal logs")
        check_replicas(cluster, sent)
