"""The power is cut under load: what was acknowledged with acks=all is there, once, in order.

The node's only disk is an image whose file system is shut down under it, so that what was not
synced is gone; then it is killed, and started on the image mounted anew.
"""

import fcntl
import os
import pathlib
import random
import shutil
import struct
import subprocess

import pytest

from harness import node as nodes
from harness.load import PARTITIONS, SECONDS, Load, check
from harness.processes import wait_until

TOPIC = "power-cut"
SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "7"))
CUTS = 5
FULL_CUTS = 100
MEGABYTES = 400
MAKERS = {"ext4": ["mkfs.ext4", "-q", "-m", "0"], "xfs": ["mkfs.xfs", "-q"]}
PACKAGES = {"ext4": "e2fsprogs", "xfs": "xfsprogs"}

# EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: the same number, and the same flags.
SHUTDOWN = 0x8004587D
LOG_FLUSHED, NOTHING_FLUSHED = 1, 2


class Disk:
    """A file system in an image, whose power can be cut."""

    def __init__(self, folder, kind):
        if os.geteuid() != 0:
            pytest.skip("mounting a file system needs root")
        maker, *options = MAKERS[kind]
        maker = shutil.which(maker) or shutil.which(maker, path="/sbin:/usr/sbin")
        if maker is None:
            pytest.skip(f"no {MAKERS[kind][0]} on this machine (Debian: {PACKAGES[kind]})")
        self.image, self.mount_point = folder / f"{kind}.img", folder / kind
        self.mount_point.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(MEGABYTES << 20)
        subprocess.run([maker, *options, self.image], check=True)
        self.mount()

    def mount(self):
        done = subprocess.run(["mount", "-o", "loop", self.image, self.mount_point],
                              capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not allowed here: {done.stderr.decode().strip()}")

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

    def remove(self):
        subprocess.run(["umount", "-l", self.mount_point], check=False)
        self.image.unlink()


@pytest.fixture(params=sorted(MAKERS))
def disk(folder, request):
    one = Disk(folder, request.param)
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
    with node.connect() as connection:
        connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
            {"Name": TOPIC, "NumPartitions": PARTITIONS, "ReplicationFactor": 1}]})
    chance = random.Random(SEED)
    load = Load(node.bootstrap, TOPIC, SEED)
    try:
        for _ in range(cuts):
            goal = load.count() + chance.randrange(1, 8_000)
            wait_until(lambda: load.count() >= goal, SECONDS,  # noqa: B023: used at once
                       lambda: f"{goal} records; {load.count()} {load.errors[:3]} {node.tail()}")
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
