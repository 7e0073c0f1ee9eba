"""Apache's command line tools against the node: what they print is what they print of Apache."""

import dataclasses
import re

import pytest

from harness.processes import wait_until
from harness.tools import CLASSES
from scenarios.topics import MAIN_JOB_NAMES

PAUSE_LINES = re.compile(r"^(WARN|\[\d{4}-).*\n", re.M)
RETRY_SECONDS = 20


@dataclasses.dataclass
class Step:
    """One run of a tool. {b} in its arguments stands for the node's address."""

    tool: str
    arguments: str
    stdin: str = ""
    # Lines that matter; all when it is empty.
    only: str = ""
    sorted: bool = False
    # The outcome can lag behind what an earlier step changed.
    settles: bool = False

    @property
    def name(self):
        return f"{self.tool} {self.arguments}".replace("{b}", "NODE")[:110]


B = "--bootstrap-server {b} "
LINES = "".join(f"key{i}:value {i}\n" for i in range(30))
STEPS = [
    Step("topics", B + "--create --topic tools-a --partitions 3 --config retention.ms=3600000"),
    Step("topics", B + "--create --topic tools-a"),
    Step("topics", B + "--create --topic tools-a --if-not-exists"),
    Step("topics", B + "--create --topic tools-b --replica-assignment 1,1"),
    Step("topics", B + "--create --topic bad/name"),
    Step("topics", B + "--create --topic tools-c --replication-factor 3"),
    Step("topics", B + "--create --topic tools-c --config no.such=1"),
    Step("topics", B + "--create --topic tools_dot"),
    Step("topics", B + "--list --exclude-internal", sorted=True, settles=True),
    Step("topics", B + "--describe --topic tools-a", settles=True),
    Step("topics", B + "--describe --topic tools-none"),
    Step("topics", B + "--describe --topics-with-overrides --topic tools-a"),
    Step("topics", B + "--describe --under-replicated-partitions"),
    Step("topics", B + "--describe --unavailable-partitions"),
    Step("topics", B + "--alter --topic tools-b --partitions 4"),
    Step("topics", B + "--alter --topic tools-b --partitions 2"),
    Step("topics", B + "--describe --topic tools-b", settles=True),
    Step("topics", B + "--delete --topic tools-none"),
    Step("configs", B + "--entity-type topics --entity-name tools-a --describe"),
    Step("configs", B + "--entity-type topics --entity-name tools-a --describe --all", sorted=True),
    Step("configs", B + "--entity-type topics --entity-name tools-a --alter "
         "--add-config segment.bytes=2000000,cleanup.policy=[compact,delete]"),
    Step("configs", B + "--entity-type topics --entity-name tools-a --alter "
         "--delete-config retention.ms"),
    Step("configs", B + "--entity-type topics --entity-name tools-a --describe", settles=True),
    Step("configs", B + "--entity-type topics --entity-name tools-a --alter --add-config a=b"),
    Step("configs", B + "--entity-type topics --entity-name tools-none --describe"),
    Step("configs", B + "--entity-type brokers --entity-default --alter "
         "--add-config log.cleaner.threads=2"),
    Step("configs", B + "--entity-type brokers --entity-default --describe", settles=True),
    Step("configs", B + "--entity-type brokers --entity-default --alter "
         "--delete-config log.cleaner.threads"),
    Step("configs", B + "--entity-type brokers --entity-name 1 --alter --add-config node.id=2"),
    Step("configs", B + "--entity-type brokers --entity-name 1 --describe", settles=True),
    Step("configs", B + "--entity-type groups --entity-name tools-group --alter "
         "--add-config consumer.heartbeat.interval.ms=6000"),
    Step("configs", B + "--entity-type groups --entity-name tools-group --describe", settles=True),
    *[Step("console-producer", B + "--topic tools-a --reader-property parse.key=true "
           f"--reader-property key.separator=: --compression-codec {codec}", stdin=LINES)
      for codec in ("none", "gzip", "snappy", "lz4", "zstd")],
    Step("console-producer", B + "--topic tools-b --sync --producer-property acks=1 "
         "--reader-property parse.key=true --reader-property key.separator=:",
         stdin="a:one\nb:two\nc:three\n"),
    Step("get-offsets", B + "--topic tools-a", sorted=True),
    Step("get-offsets", B + "--topic tools-a --time earliest", sorted=True),
    Step("get-offsets", B + "--topic tools-a:0 --time -3", sorted=True),
    Step("get-offsets", B + "--topic-partitions tools-a:0-2 --time latest", sorted=True),
    Step("get-offsets", B + "--topic tools-none"),
    Step("get-offsets", B + "--exclude-internal-topics --topic tools-.*", sorted=True),
    Step("console-consumer", B + "--topic tools-a --from-beginning --max-messages 150 "
         "--timeout-ms 20000 --formatter-property print.key=true "
         "--formatter-property print.partition=true --group tools-group", sorted=True),
    Step("console-consumer", B + "--topic tools-a --partition 1 --offset 2 --max-messages 2 "
         "--timeout-ms 20000 --formatter-property print.offset=true"),
    Step("consumer-groups", B + "--list", sorted=True),
    Step("consumer-groups", B + "--list --state", sorted=True),
    Step("consumer-groups", B + "--describe --group tools-group", sorted=True, settles=True),
    Step("consumer-groups", B + "--describe --group tools-group --state", settles=True),
    Step("consumer-groups", B + "--describe --group tools-group --members"),
    Step("consumer-groups", B + "--describe --group tools-none"),
    Step("consumer-groups", B + "--group tools-group --reset-offsets --to-earliest "
         "--topic tools-a --dry-run", sorted=True),
    Step("consumer-groups", B + "--group tools-group --reset-offsets --shift-by -5 "
         "--topic tools-a:0 --execute", sorted=True),
    Step("consumer-groups", B + "--group tools-group --reset-offsets --to-datetime "
         "2020-01-01T00:00:00.000 --all-topics --execute", sorted=True),
    Step("consumer-groups", B + "--group tools-group --delete-offsets --topic tools-a:1"),
    Step("consumer-groups", B + "--describe --group tools-group --offsets", sorted=True),
    Step("groups", B + "--list", sorted=True),
    Step("consumer-groups", B + "--delete --group tools-group"),
    Step("consumer-groups", B + "--delete --group tools-none"),
    Step("consumer-groups", B + "--list"),
    Step("log-dirs", B + "--describe --topic-list tools-a,tools-b"),
    Step("delete-records", B + "--offset-json-file {folder}/delete.json", sorted=True),
    Step("get-offsets", B + "--topic tools-a --time earliest", sorted=True),
    Step("broker-api-versions", B, only="|".join(rf"\t{n}\(" for n in MAIN_JOB_NAMES)),
    Step("cluster", "cluster-id " + B),
    Step("cluster", "list-endpoints " + B),
    Step("cluster", "list-endpoints --bootstrap-controller {c}"),
    Step("features", B + "describe", sorted=True),
    Step("features", B + "upgrade --feature no.such=3"),
    Step("features", B + "downgrade --feature group.version=0 --dry-run"),
    Step("features", B + "upgrade --release-version 4.3"),
    Step("metadata-quorum", B + "describe --status"),
    Step("metadata-quorum", B + "describe --replication"),
    Step("metadata-quorum", "--bootstrap-controller {c} describe --status"),
    Step("topics", B + "--delete --topic tools-a"),
    Step("topics", B + "--delete --topic tools-b,tools_dot"),
    Step("topics", B + "--list --exclude-internal", settles=True),
]
DELETE_JSON = """{"version": 1, "partitions": [
    {"topic": "tools-a", "partition": 0, "offset": 5},
    {"topic": "tools-a", "partition": 1, "offset": -1}]}"""


def normalised(run, step, node):
    text = f"status {run.status}\n" + PAUSE_LINES.sub("", run.out) + "--- errors\n" + \
        PAUSE_LINES.sub("", re.sub(r"^\s+at .*\n|^\s*\.\.\. .*\n", "", run.err, flags=re.M))
    text = text.replace(str(node.data), "DATA")
    text = re.sub(rf":{node.port}\b", ":PORT", text)
    text = re.sub(rf":{node.controller_port}\b", ":CONTROLLER", text)
    text = re.sub(rf"\b{node.port}\b", "PORT", text)
    text = re.sub(rf"\b{node.controller_port}\b", "CONTROLLER", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", text)
    text = re.sub(r"(TopicId: |directoryId\W+|DirectoryId\W+)[\w-]{22}", r"\1ID", text)
    text = re.sub(r"\b17\d{11}\b|\d{4}-\d\d-\d\dT[\d:.+Z]+", "TIME", text)
    if step.tool == "metadata-quorum":
        text = _quorum(text)
    if "--time -3" in step.arguments:  # which of the records is the youngest, differs
        text = re.sub(r"^(.*:\d+:)\d+$", r"\1N", text, flags=re.M)
    if step.tool == "features":
        text = re.sub(r"Epoch: \d+", "Epoch: N", text)
    if step.tool == "log-dirs":
        text = re.sub(r'"size":\d+', '"size":N', text)
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in text.splitlines()]
    if step.only:
        wanted = re.compile(step.only)
        lines = lines[:1] + [line for line in text.splitlines() if wanted.search(line)]
        lines = [re.sub(r"\s+", " ", line).strip() for line in lines]
    lines = [line for line in lines if line]
    return sorted(lines) if step.sorted else lines


def _quorum(text):
    """Offsets, lags and times of the quorum move all the time."""
    text = re.sub(r"(HighWatermark|MaxFollowerLagTimeMs|MaxFollowerLag):\s+\d+", r"\1: N", text)
    text = re.sub(r"^(1\s+)[\w-]{22}(\s+\d+){4}\s+", r"\1ID N N N N ", text, flags=re.M)
    text = re.sub(r"^(1\s+)[\w-]{22}\s+\d+\s+\d+\s+TIME\s+TIME", r"\1ID N N TIME TIME", text,
                  flags=re.M)
    return re.sub(r"[\w-]{22}(?=\W)", "ID", text)


@pytest.fixture(scope="module")
def pair(kind, start_node, folder):
    """An oracle and a node under test of equal history."""
    (folder / "delete.json").write_text(DELETE_JSON)
    return start_node("apache", "tools-oracle"), start_node(kind, "tools")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_prints_the_same(step, pair, tools, folder):
    def outcome(node):
        arguments = [word.format(b=node.bootstrap, c=f"127.0.0.1:{node.controller_port}",
                                 folder=folder) for word in step.arguments.split()]
        return normalised(tools.run(step.tool, *arguments, stdin=step.stdin), step, node)

    wanted, got = (outcome(node) for node in pair)
    if step.settles and wanted != got:
        def agree():
            nonlocal wanted, got
            wanted, got = (outcome(node) for node in pair)
            return wanted == got
        try:
            wait_until(agree, RETRY_SECONDS, "equal outcomes")
        except AssertionError:
            pass
    assert pair[1].alive(), pair[1].tail()
    assert got == wanted


# Suites of their own have them.
ELSEWHERE = {"console-share-consumer", "consumer-perf-test", "dump-log", "e2e-latency",
             "producer-perf-test", "replica-verification", "share-consumer-perf-test",
             "share-groups", "storage", "streams-groups", "verifiable-consumer",
             "verifiable-producer", "verifiable-share-consumer"}


def test_each_tool_is_covered():
    assert {step.tool for step in STEPS} >= set(CLASSES) - ELSEWHERE
