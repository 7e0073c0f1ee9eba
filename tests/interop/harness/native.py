"""Members of groups that are our own tools: verifiable-consumer, verifiable-share-consumer."""

import collections
import json
import signal
import subprocess
import threading

from harness.node import MillraceNode
from harness.processes import PATIENCE


class Member:
    """A verifiable tool that runs; what it says is read in the background."""

    def __init__(self, tool, bootstrap, log, *arguments):
        self.events = []
        self.log = log
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [MillraceNode.executable, tool, "--bootstrap-server", bootstrap, "--verbose",
                 *map(str, arguments)], stdout=subprocess.PIPE, stderr=errors, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def named(self, name):
        return [one for one in list(self.events) if one["name"] == name]

    def assignment(self):
        """As the partitions that it was given and gave up tell: "topic-0"."""
        held = set()
        for one in list(self.events):
            told = {f"{each['topic']}-{each['partition']}" for each in one.get("partitions", [])}
            if one["name"] == "partitions_assigned":
                held |= told
            elif one["name"] == "partitions_revoked":
                held -= told
        return sorted(held)

    def values(self):
        """How often it was given each value."""
        return collections.Counter(one["value"] for one in self.named("record_data"))

    def committed(self):
        """The last offset that it committed, by partition."""
        offsets = {}
        for one in self.named("offsets_committed"):
            if one["success"]:
                offsets.update({f"{each['topic']}-{each['partition']}": each["offset"]
                                for each in one["offsets"]})
        return offsets

    def stop(self):
        """It ends in order."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30 * PATIENCE)
        self.reader.join(10)
        assert status == 0, self.log.read_text()[-2000:]
        assert self.events[-1]["name"] == "shutdown_complete"

    def kill(self):
        self.process.kill()
        self.process.wait()
