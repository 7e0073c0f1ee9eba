"""A node under test: Apache Kafka, or Millrace, behind the same few verbs."""

import contextlib
import os
import pathlib
import signal
import subprocess

from harness import processes, toolchains, wire

CLUSTER_ID = "aW50ZXJvcC1jbHVzdGVyMQ"
NODE_ID = 1


class Node:
    """A combined broker and controller with its data in `folder`/data."""

    kind = ""
    log_level = None  # of Apache's node: warn, unless the environment says otherwise
    host = "127.0.0.1"
    prefix = ()  # before the words of its command: where it runs
    start_seconds = 90
    format_flags = ("--standalone",)  # the only voter of a dynamic quorum

    def __init__(self, folder, ports=None, **overrides):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.port, self.controller_port = ports or processes.free_ports(2)
        self.process = None
        self._logged_before = 0
        self.log = self.folder / f"{self.kind}.log"
        self.properties_file = self.folder / f"{self.kind}.properties"
        self.properties = {
            "process.roles": "broker,controller",
            "node.id": NODE_ID,
            "log.dirs": self.data,
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            # Raw requests write transactions of which no coordinator knows.
            "transaction.partition.verification.enable": "false",
            "log.retention.ms": -1,  # records carry times of long ago
            **{key.replace("__", "."): value for key, value in overrides.items()},
        }

    @property
    def bootstrap(self):
        return f"{self.host}:{self.port}"

    def format_command(self):
        raise NotImplementedError

    def server_command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def connect(self, **options):
        return wire.Connection(self.port, host=self.host, **options)

    def write_properties(self):
        listeners = f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self.controller_port}"
        whole = {
            "listeners": listeners,
            "advertised.listeners": listeners,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            **self.properties,
        }
        self.properties_file.write_text("".join(f"{k}={v}\n" for k, v in whole.items()))

    def format(self):
        self.write_properties()
        done = subprocess.run(
            [str(word) for word in self.format_command()], capture_output=True, text=True,
            timeout=120, check=False, env=self.environment())
        assert done.returncode == 0, f"format: {done.stdout}{done.stderr}"
        return self

    def start(self):
        """Starts the node, and waits until a client can use it."""
        self.launch()
        return self.wait_until_ready()

    def launch(self):
        self.write_properties()
        self._logged_before = self.log.stat().st_size if self.log.exists() else 0
        self.process = processes.Process(
            [*self.prefix, *self.server_command()], self.log, env=self.environment(),
            cwd=self.folder)

    def wait_until_ready(self):
        processes.wait_until(
            self._lives_and_is_ready, self.start_seconds,
            lambda: f"{self.kind} node:\n{self.tail()}")
        return self

    def since_start(self):
        """What the node has logged since it was started."""
        with open(self.log, "rb") as log:
            log.seek(self._logged_before)
            return log.read().decode(errors="replace")

    @property
    def directories(self):
        """The entries of log.dirs."""
        return [pathlib.Path(one) for one in str(self.properties["log.dirs"]).split(",")]

    def tail(self):
        return self.process.tail() if self.process else ""

    def _lives_and_is_ready(self):
        if not self.process.alive():
            raise AssertionError(
                f"the {self.kind} node ended with {self.process.wait(1)}:\n{self.tail()}")
        return self.ready()

    def ready(self):
        """Whether a client can use it."""
        try:
            with self.connect(timeout=5) as connection:
                return connection.call("Metadata", 12, {"Topics": []})["Brokers"]
        except (OSError, wire.Closed):
            return False

    def alive(self):
        return self.process is not None and self.process.alive()

    def stop(self):
        """A clean stop; the exit status."""
        return self.process.stop() if self.process else 0

    def successor(self, kind):
        """A node of another kind, or the same, on this one's data and ports."""
        other = KINDS[kind](self.folder, ports=(self.port, self.controller_port))
        other.properties = dict(self.properties)
        return other

    def kill(self):
        """kill -9."""
        if self.process:
            self.process.kill()

    @contextlib.contextmanager
    def paused(self):
        """SIGSTOP, and SIGCONT at the end."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def resident_bytes(self):
        return processes.resident_bytes(self.process.pid)


class ApacheNode(Node):
    """Apache Kafka 4.3.1: the oracle."""

    kind = "apache"
    jvm = toolchains.QUICK_JVM

    def format_command(self):
        return [*toolchains.java(), "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID,
                "-c", self.properties_file, *self.format_flags]

    def server_command(self):
        return [*toolchains.java("1g", self.jvm), "kafka.Kafka", self.properties_file]

    def environment(self):
        level = os.environ.get("INTEROP_LOG_LEVEL", self.log_level or "warn")
        return {**os.environ, "INTEROP_LOG_LEVEL": level}


class MillraceNode(Node):
    """The node of this project."""

    kind = "millrace"
    executable = toolchains.ROOT / "build" / "release" / "millrace"

    @classmethod
    def has(cls, command):
        """Whether the executable is there, and knows a command."""
        return cls.executable.exists() and subprocess.run(
            [cls.executable, command, "--help"], capture_output=True, check=False,
            timeout=30).returncode == 0

    def format_command(self):
        return [self.executable, "storage", "format", "-t", CLUSTER_ID,
                "-c", self.properties_file, *self.format_flags]

    def server_command(self):
        return [self.executable, "server", self.properties_file]


KINDS = {"apache": ApacheNode, "millrace": MillraceNode}


def make(kind, folder, **overrides):
    """A formatted node of a kind, not yet started."""
    return KINDS[kind](folder, **overrides).format()

