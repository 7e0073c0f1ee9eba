"""The power is cut under load: what was acknowledged with acks=all is there, once, in order.

The node's only disk is an image whose file system is shut down under it, so that what was not
synced is gone; then it is killed, and started on the image mounted anew.
"""

import fcntl
import os
import pathlib
import random
import struct
import subprocess

import pytest

from harness import disks
from harness import node as nodes
from harness.load import begin, check

TOPIC = "power-cut"
SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "7"))
CUTS = 5
FULL_CUTS = 100
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
