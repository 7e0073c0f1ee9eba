"""Processes that a test starts, and ends by their id; waiting for conditions."""

import os
import pathlib
import random
import signal
import socket
import subprocess
import time
import urllib.request

POLL_SECONDS = 0.02
# On a machine that is busy with other things, all waits may take so many times longer.
PATIENCE = float(os.environ.get("MILLRACE_INTEROP_PATIENCE", "1"))


class NotInTime(AssertionError):
    """A condition did not become true within its time."""


def wait_until(condition, seconds, what):
    """The first true value of condition(); NotInTime after `seconds`."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise NotInTime(f"waited {seconds} s for: {what() if callable(what) else what}")
        time.sleep(POLL_SECONDS)


def free_ports(count):
    """Ports that nobody listens on now, below those that the system gives to clients.

    A node that is down for a moment would else find its port taken by some connection.
    """
    found = []
    while len(found) < count:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found


def resident_bytes(pid):
    """The resident set of a process."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Process:
    """A child process; it is never left behind, and never ended by name."""

    def __init__(self, arguments, log, **options):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as output:
            self.popen = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=options.pop("stdin", subprocess.DEVNULL),
                stdout=options.pop("stdout", output), stderr=output, **options)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def tail(self, size=3000):
        return self.log.read_bytes()[-size:].decode(errors="replace")

    def wait(self, seconds):
        return self.popen.wait(seconds)

    def kill(self):
        """SIGKILL, and the wait for it."""
        if self.alive():
            self.popen.kill()
        self.popen.wait()

    def stop(self, seconds=60):
        """SIGTERM; the exit status. SIGKILL when it takes longer than `seconds`."""
        if self.alive():
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NotInTime(f"{self.popen.args[0]} did not stop in {seconds} s: {self.tail()}")


def scrape(port):
    """The samples at /metrics, by name with labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (
        line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))}
