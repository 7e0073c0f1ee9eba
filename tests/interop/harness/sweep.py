"""Runs one scenario of raw requests on two nodes, and compares the answers field by field.

What differs between any two runs (ids, times, ports, sizes on disk, the words of messages) is
replaced by a name of what it is; all else has to be equal.
"""

import itertools
import re

from harness import records as batches
from harness import wire
from harness.codec import ZERO_UUID
from harness.processes import wait_until

RANDOM_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NOT_READY = {14, 15, 16}  # loading, not available, not coordinator
TIME_SINCE = 1_750_000_000_000
PORTS = {"Port"}
MESSAGES = {"ErrorMessage", "BatchIndexErrorMessage"}
VOLATILE = {
    "TotalBytes": "bytes of the disk", "UsableBytes": "bytes of the disk",
    "FinalizedFeaturesEpoch": "metadata offset", "Host": "host",
}


class Transcript:
    """What one node answered to a scenario: a list of (label, answer)."""

    barriers = itertools.count()

    def __init__(self, node):
        self.node = node
        self.connection = node.connect()
        self.answers = []
        self.names = {ZERO_UUID: "no id"}
        self.advertised = wire.api_versions(self.connection)
        self._await_coordinators()

    def _await_coordinators(self):
        """Waits until every group has its coordinator; the first request for one makes them."""
        names = [f"warm-{i}" for i in range(200)]
        def ready():
            self.connection.call("FindCoordinator", 4, {"CoordinatorKeys": names[:1]})
            found = self.connection.call("DescribeGroups", 5, {"Groups": names})["Groups"]
            return not any(one["ErrorCode"] in NOT_READY for one in found)
        wait_until(ready, 60, "a coordinator of every group")

    def close(self):
        self.connection.close()

    def versions(self, api):
        """The versions of an API that both the schema and the node have."""
        if api not in self.advertised:
            raise AssertionError(f"{api} is not advertised")
        first, last = self.advertised[api]
        known = wire.schema.apis()[api].request.versions
        return range(max(first, known.first), min(last, known.last) + 1)

    def call(self, label, api, version, fields=None, keep=True, timeout=30):
        """Sends a request; notes its normalised answer; returns the raw one.

        A connection that the node closes is an answer too, and is opened anew.
        """
        try:
            raw = self.connection.call(api, version, fields or {}, timeout)
        except wire.Closed:
            self.connection = self.node.connect()
            raw = None
        if keep:
            answer = "closed" if raw is None else self.normalise(raw)
            self.answers.append((f"{api} v{version} {label}".strip(), answer))
        return raw

    def note(self, label, raw):
        """Notes an answer that the scenario has read by itself."""
        self.answers.append((label, self.normalise(raw)))

    def other_connection(self):
        """A second connection to the same node."""
        return self.node.connect()

    def create_topic(self, name, partitions=1, configs=None, expected=0):
        """Makes a topic, learns its id, and waits until it has leaders."""
        answer = self.connection.call("CreateTopics", 7, {"timeoutMs": 30000, "Topics": [{
            "Name": name, "NumPartitions": partitions, "ReplicationFactor": 1,
            "Configs": [{"Name": k, "Value": v} for k, v in (configs or {}).items()]}]})
        topic = answer["Topics"][0]
        assert topic["ErrorCode"] == expected, topic
        self.names[topic["TopicId"]] = f"id of {name}"
        self.await_leaders(name)
        self.settle()
        return topic["TopicId"]

    def settle(self):
        """Waits until the broker has carried out all that the controller decided so far.

        A broker shows a topic before it has done the rest of the same delta; so the second of
        two topics, made one after the other, tells that all before the first is done.
        """
        for _ in range(2):
            name = f"barrier-{next(self.barriers)}"
            self.connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
                {"Name": name, "NumPartitions": 1, "ReplicationFactor": 1}]})
            self.await_leaders(name)

    def await_leaders(self, name):
        self.await_partitions(name, 1)

    def await_partitions(self, name, count):
        """Waits until a topic has that many partitions with a leader."""
        def ready():
            found = self.connection.call("Metadata", 12, {
                "Topics": [{"Name": name}], "AllowAutoTopicCreation": False})["Topics"][0]
            return found["ErrorCode"] == 0 and len(found["Partitions"]) >= count and all(
                one["ErrorCode"] == 0 for one in found["Partitions"])
        wait_until(ready, 30, f"{count} partitions of {name} with a leader")

    def await_state(self, group, state):
        """Waits until a group is in a state."""
        def ready():
            found = self.connection.call("DescribeGroups", 5, {"Groups": [group]})["Groups"][0]
            return found["GroupState"] == state
        wait_until(ready, 30, f"{group} is {state}")

    def produce(self, topic, *values, partition=0, **fields):
        """Appends one batch of values, each with a key."""
        data = batches.batch([(f"k{i}", value) for i, value in enumerate(values)], **fields)
        answer = self.connection.call("Produce", 9, {
            "Acks": -1, "TimeoutMs": 30000, "TopicData": [{
                "Name": topic, "PartitionData": [{"Index": partition, "Records": data}]}]})
        result = answer["Responses"][0]["PartitionResponses"][0]
        assert result["ErrorCode"] == 0, result
        return result["BaseOffset"]

    def normalise(self, value, name=""):
        if isinstance(value, dict):
            return {key: self.normalise(one, key) for key, one in value.items()}
        if isinstance(value, list):
            inner = [self.normalise(one, name) for one in value]
            return sorted(inner, key=repr) if inner and isinstance(inner[0], dict) else inner
        if name in VOLATILE:
            return f"<{VOLATILE[name]}>"
        if name in MESSAGES:
            return "<text>" if value else value
        if name in PORTS and value in (self.node.port, self.node.controller_port):
            return "<port>" if value == self.node.port else "<controller port>"
        if name == "SessionId" and value:
            return "<session>"
        if isinstance(value, bytes):
            return self.normalise(batches.parse(value)) if name == "Records" else value.hex()
        if isinstance(value, int) and not isinstance(value, bool) and value > TIME_SINCE:
            return "<time>" if value < TIME_SINCE * 2 else value
        if isinstance(value, str):
            return self._text(value, name)
        return value

    def _text(self, value, name):
        if value in self.names:
            return f"<{self.names[value]}>"
        if name.endswith(("Id", "ID", "Directory")) and re.fullmatch(r"[\w-]{22}", value):
            return "<other id>"
        value = RANDOM_ID.sub("<random>", value)
        value = value.replace(str(self.node.data), "<data>")
        ports = rf":({self.node.port}|{self.node.controller_port})\b"
        return re.sub(ports, lambda found: ":<port>" if int(
            found[1]) == self.node.port else ":<controller port>", value)


def differences(wanted, got, path=""):
    """The lines that tell where two normalised answers differ."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        lines = []
        for key in wanted.keys() | got.keys():
            here = f"{path}.{key}" if path else key
            lines += differences(wanted.get(key, "(absent)"), got.get(key, "(absent)"), here)
        return sorted(lines)
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        return [line for i, pair in enumerate(zip(wanted, got))
                for line in differences(*pair, f"{path}[{i}]")]
    return [] if wanted == got else [f"{path or 'answer'}: wanted {wanted!r}, got {got!r}"]


def compare(wanted, got):
    """The lines that tell how the transcript `got` differs from `wanted`."""
    lines = []
    for (label, answer), (other_label, other) in zip(wanted.answers, got.answers):
        if label != other_label:
            return lines + [f"{label}: the node under test went on with {other_label}"]
        lines += [f"{label}: {line}" for line in differences(answer, other)]
    if len(wanted.answers) != len(got.answers):
        lines.append(f"{len(wanted.answers)} answers wanted, {len(got.answers)} got")
    return lines
