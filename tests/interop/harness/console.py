"""Console producers and consumers of three makers behind the same two verbs."""

import itertools
import subprocess
import threading

from harness import node as nodes
from harness import toolchains
from harness.processes import Process
from harness.tools import CLASSES

TAB = "\t"
PRODUCE_SECONDS = 600




def producer_command(maker, bootstrap, topic, codec):
    if maker == "kcat":
        return [toolchains.need("kcat", "kcat"), "-P", "-b", bootstrap, "-t", topic, "-K", TAB,
                "-z", codec, "-X", "acks=all", "-X", "linger.ms=20", "-l", "/dev/stdin"]
    command = [*toolchains.java(), CLASSES["console-producer"]]
    if maker == "millrace":
        command = [nodes.MillraceNode.executable, "console-producer"]
    return [*command, "--bootstrap-server", bootstrap, "--topic", topic, "--compression-codec",
            codec, "--reader-property", "parse.key=true", "--reader-property",
            f"key.separator={TAB}"]


def consumer_command(maker, bootstrap, topic, group):
    """Prints PARTITION TAB KEY TAB VALUE."""
    if maker == "kcat":
        # Its own output is held back until a buffer is full.
        return ["stdbuf", "-oL", toolchains.need("kcat", "kcat"), "-q", "-b", bootstrap,
                "-X", "auto.offset.reset=earliest", "-X", "heartbeat.interval.ms=500",
                "-f", "%p\t%k\t%s\n", "-G", group, topic]
    command = [*toolchains.java(), CLASSES["console-consumer"]]
    if maker == "millrace":
        command = [nodes.MillraceNode.executable, "console-consumer"]
    properties = ["print.partition=true", "print.key=true", f"key.separator={TAB}"]
    flags = [word for one in properties for word in ("--formatter-property", one)]
    return [*command, "--bootstrap-server", bootstrap, "--topic", topic, "--group", group,
            "--from-beginning", *flags]


def makers(kind):
    """Who takes part: ours whenever ours is tested."""
    return ["kcat", "java", *(["millrace"] if kind == "millrace" or all(
        nodes.MillraceNode.has(f"console-{end}") for end in ("producer", "consumer")) else [])]


def produce(maker, bootstrap, topic, codec, path):
    """Sends the lines of a file."""
    with open(path, "rb") as lines:
        done = subprocess.run(
            [str(word) for word in producer_command(maker, bootstrap, topic, codec)],
            stdin=lines, capture_output=True, timeout=PRODUCE_SECONDS, check=False)
    output = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0 and "ERROR" not in output, f"{maker} {codec}: {output[-2000:]}"


class Reader:
    """One console consumer; what it prints is counted and kept."""

    def __init__(self, command, log):
        self.process = Process(command, log, stdout=subprocess.PIPE)
        self.pieces = []
        self.count = 0
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while piece := self.process.popen.stdout.read1(1 << 18):
            self.pieces.append(piece)
            self.count += piece.count(b"\n")

    def take(self):
        """What was printed since the last time; to be called when nothing more is on its way."""
        pieces, self.pieces = self.pieces, []
        return b"".join(pieces)


class ReaderGroup:
    """A group of console consumers of one maker."""

    def __init__(self, maker, bootstrap, topic, members, folder):
        self.maker = maker
        self.name = f"{topic}-{maker}-{next(_numbers)}"
        command = consumer_command(maker, bootstrap, topic, self.name)
        self.readers = [Reader(command, folder / f"{self.name}-{i}.log") for i in range(members)]

    @property
    def count(self):
        return sum(one.count for one in self.readers)

    def alive(self):
        return all(one.process.alive() for one in self.readers)

    def tail(self):
        return "\n".join(f"{one.count} lines: {one.process.tail(500)}" for one in self.readers)

    def stop(self):
        """Ends the members, all at once."""
        for one in self.readers:
            if one.process.alive():
                one.process.popen.terminate()
        for one in self.readers:
            one.process.stop()
            one.thread.join(30)


_numbers = itertools.count()
