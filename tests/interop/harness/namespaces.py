"""Machines on one computer: network namespaces with a router between them, where a way from one to
another can be cut, one direction at a time. Needs root."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess

from harness import toolchains

CLONE_NEWNET = 0x40000000
NAMES = pathlib.Path("/run/netns")


def _ip(*words):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(map(str, words))}: {done.stderr}"


def _enter(path):
    with open(path, "rb") as namespace:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")


class Network:
    """A namespace for each of `ids`, whose address is 10.77.ID.2, and one of the router, in which
    the test itself is by `with network.router():` — its threads that begin there stay there."""

    def __init__(self, ids):
        if os.geteuid() != 0 or not shutil.which("ip"):
            raise toolchains.Missing("network namespaces need root, and ip")
        self.ids = list(ids)
        self.tag = f"mr{os.getpid()}"
        self.cuts = set()
        self.made = []
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self):
        self._add("router")
        self._run("router", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        for each in self.ids:
            self._add(each)
            inside, outside = ("-n", self.name(each)), ("-n", self.name("router"))
            _ip(*inside, "link", "add", "eth0", "type", "veth", "peer", "name", f"n{each}",
                "netns", self.name("router"))
            _ip(*inside, "addr", "add", f"{self.host(each)}/30", "dev", "eth0")
            _ip(*outside, "addr", "add", f"10.77.{each}.1/30", "dev", f"n{each}")
            _ip(*inside, "link", "set", "eth0", "up")
            _ip(*outside, "link", "set", f"n{each}", "up")
            _ip(*inside, "route", "add", "default", "via", f"10.77.{each}.1")

    def name(self, each):
        return f"{self.tag}-{each}"

    @staticmethod
    def host(each):
        return f"10.77.{each}.2"

    def _add(self, each):
        _ip("netns", "add", self.name(each))
        self.made.append(each)
        _ip("-n", self.name(each), "link", "set", "lo", "up")

    def _run(self, each, *words):
        subprocess.run(self.prefix(each) + list(words), check=True)

    def prefix(self, each):
        """Before the words of a command that is to run there."""
        return ["ip", "netns", "exec", self.name(each)]

    @contextlib.contextmanager
    def router(self):
        with open("/proc/thread-self/ns/net", "rb") as before:
            _enter(NAMES / self.name("router"))
            try:
                yield self
            finally:
                _enter(f"/proc/self/fd/{before.fileno()}")

    def cut(self, sender, receiver):
        """What `sender` sends to `receiver` is lost from now on."""
        if (sender, receiver) not in self.cuts:
            self._rule("add", sender, receiver)
            self.cuts.add((sender, receiver))

    def heal(self):
        for sender, receiver in self.cuts:
            self._rule("del", sender, receiver)
        self.cuts.clear()

    def _rule(self, verb, sender, receiver):
        _ip("-n", self.name("router"), "rule", verb, "from", self.host(sender),
            "to", self.host(receiver), "blackhole")

    def close(self):
        for each in self.made:
            subprocess.run(["ip", "netns", "del", self.name(each)], check=False)
        self.made.clear()
