"""Runs Apache's command line tools, many in one virtual machine."""

import dataclasses
import json
import subprocess

from harness import toolchains

CLASSES = {
    "broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "cluster": "org.apache.kafka.tools.ClusterTool",
    "configs": "kafka.admin.ConfigCommand",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "console-share-consumer": "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
    "features": "org.apache.kafka.tools.FeatureCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "groups": "org.apache.kafka.tools.GroupsCommand",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "share-consumer-perf-test": "org.apache.kafka.tools.ShareConsumerPerformance",
    "share-groups": "org.apache.kafka.tools.consumer.group.ShareGroupCommand",
    "storage": "kafka.tools.StorageTool",
    "streams-groups": "org.apache.kafka.tools.streams.StreamsGroupCommand",
    "topics": "org.apache.kafka.tools.TopicCommand",
    "verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
    "verifiable-share-consumer": "org.apache.kafka.tools.VerifiableShareConsumer",
}


@dataclasses.dataclass
class Run:
    """How a run of a tool ended."""

    status: int
    out: str
    err: str


class Tools:
    """Starts the virtual machine at the first run; close() ends it."""

    def __init__(self, log):
        self.log = log
        self.process = None

    def _start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*toolchains.java(), "ToolHost"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True)

    def run(self, tool, *arguments, stdin=""):
        """Runs a tool by its name without "kafka-"."""
        if self.process is None:
            self._start()
        command = {"class": CLASSES[tool], "args": [str(one) for one in arguments],
                   "stdin": stdin}
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return Run(**json.loads(self.process.stdout.readline()))

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait(30)
