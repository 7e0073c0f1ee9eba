"""File systems of their own, in images: small ones, and ones that fail."""

import contextlib
import os
import shutil
import subprocess

import pytest

MAKERS = {"ext4": ["mkfs.ext4", "-q", "-m", "0"], "xfs": ["mkfs.xfs", "-q"]}
PACKAGES = {"ext4": "e2fsprogs", "xfs": "xfsprogs"}


class Disk:
    """A mounted image; the test is skipped where the machine cannot have one."""

    def __init__(self, image, mount_point, megabytes, kind="ext4"):
        if os.geteuid() != 0:
            pytest.skip("mounting a file system needs root")
        maker, *options = MAKERS[kind]
        maker = shutil.which(maker) or shutil.which(maker, path="/sbin:/usr/sbin")
        if maker is None:
            pytest.skip(f"no {MAKERS[kind][0]} on this machine (Debian: {PACKAGES[kind]})")
        self.image, self.mount_point = image, mount_point
        self.mount_point.mkdir(parents=True)
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run([maker, *options, self.image], check=True)
        self.mount()

    def mount(self):
        done = subprocess.run(["mount", "-o", "loop", self.image, self.mount_point],
                              capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not allowed here: {done.stderr.decode().strip()}")

    def remove(self):
        subprocess.run(["umount", "-l", self.mount_point], check=False)
        self.image.unlink()


@contextlib.contextmanager
def small_disk(image, mount_point, megabytes, filler_megabytes):
    """The mount point of a file system that is soon full; its file `filler` can be removed."""
    disk = Disk(image, mount_point, megabytes)
    try:
        shutil.rmtree(mount_point / "lost+found")
        (mount_point / "filler").write_bytes(os.urandom(1 << 20) * filler_megabytes)
        yield mount_point
    finally:
        disk.remove()
