"""Client libraries behind one protocol, so that one scenario fits them all.

A driver is a program of some language. It reads commands, a line of JSON each
({"op": "produce", "topic": ...}), and answers each with {"result": ...} or {"error": "..."}.
Members of groups are polled in the background; what they received is asked for.
"""

import json
import subprocess
import sys

from harness import toolchains

PYTHON = toolchains.DRIVERS / "python"
COMMANDS = {
    "java": lambda: [*toolchains.java(), "Driver"],
    "confluent-kafka": lambda: [sys.executable, PYTHON / "confluent.py"],
    "kafka-python": lambda: [sys.executable, PYTHON / "kafka_python.py"],
    "franz-go": toolchains.go_driver,
    "kafkajs": toolchains.javascript_driver,
    "rskafka": toolchains.rust_driver,
}


class DriverError(Exception):
    """What the client library said."""


class Driver:
    """A running driver; its commands are its methods."""

    def __init__(self, name, log):
        self.name = name
        self.log = log
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in COMMANDS[name]()], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=errors, text=True)
        abilities = self.abilities()
        self.codecs, self.can = abilities["codecs"], set(abilities["can"])

    def __getattr__(self, op):
        def run(**arguments):
            self.process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            if not line:
                raise DriverError(f"the {self.name} driver ended: {self.log.read_text()[-2000:]}")
            answer = json.loads(line)
            if answer.get("error"):
                raise DriverError(f"{op}: {answer['error']}")
            return answer["result"]
        return run

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
