"""Apache Kafka and Millrace take turns on the same data directories, round after round.

Whoever starts sees what the other left: the same records, offsets by timestamp, transactions,
producers, epochs, groups, topics and configs. Neither finds anything to repair after the other's
clean stop, and Apache's kafka-dump-log finds nothing wrong in what Millrace has written.
"""

import os
import re

import pytest

from harness import dump
from harness import node as nodes
from harness.population import Contents, Population

SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "4"))
ROUNDS = {"mixed": 5, "stop": 2, "kill": 2}  # all five with --full
PROPERTIES = {
    "offsets.topic.num.partitions": 4,
    "log.index.interval.bytes": 4096,
    # Snapshots of the metadata in every round.
    "metadata.log.max.record.bytes.between.snapshots": 3000,
    "log.cleaner.backoff.ms": 200,
    "log.initial.task.delay.ms": 100,
    "log.retention.check.interval.ms": 500,
    "log.segment.delete.delay.ms": 1000,
}
# Said at the start on somebody's files by who has found them wanting.
COMPLAINT = re.compile(
    r"\b(WARN|ERROR|FATAL|warn|error)\b|(?i:corrupt|rebuilding index|recovering unflushed segment"
    r"|no clean shutdown|not a multiple|sanity check|stray)")
# What a node says whoever wrote its files. The metadata log has no clean ends at Apache.
HARMLESS = re.compile(
    r"Recovering unflushed segment \d+\. \d+ recovered for __cluster_metadata"
    r"|Performing controller activation|scheduled task 'kafka-log-retention'|MBean|AppInfo"
    r"|deprecated|values:|^\s+\S+ = ")
# Apache's controller asks to be registered once Raft has a leader, and that leader may not have
# taken office yet: it asks again.
TOO_EARLY = re.compile(
    r".*RequestHeader\(apiKey=CONTROLLER_REGISTRATION,.*\n.*NotControllerException")


def pytest_generate_tests(metafunc):
    chosen = metafunc.config.getoption("--broker")
    orders = {"apache": [("apache", "apache")],
              "millrace": [("millrace", "apache"), ("apache", "millrace")],
              "both": [("apache", "apache"), ("millrace", "apache"), ("apache", "millrace")]}
    if "order" in metafunc.fixturenames:
        metafunc.parametrize("order", orders[chosen], ids="-then-".join)


def complaints(text):
    """Each with the line behind it, where Apache names the exception."""
    lines = TOO_EARLY.sub("", text).splitlines() + [""]
    return [f"{line}\n{after}" for line, after in zip(lines, lines[1:])
            if COMPLAINT.search(line) and not HARMLESS.search(line)]


@pytest.mark.parametrize("endings", ["stop", "kill", "mixed"])
def test_rounds_on_one_directory(order, endings, folder, tools, request):
    base = folder / f"rounds-{'-'.join(order)}-{endings}"
    first = nodes.make(order[0], base, **{
        **{key.replace(".", "__"): value for key, value in PROPERTIES.items()},
        "log__dirs": f"{base / 'data'},{base / 'data-2'}"})
    pair = [first, first.successor(order[1])]
    pair[0].log_level = pair[1].log_level = "info"
    population, contents, ending = Population(SEED), None, "stop"
    try:
        rounds = 5 if request.config.getoption("--full") else ROUNDS[endings]
        for turn in range(2 * rounds):
            node = pair[turn % 2]
            node.start()
            where = f"round {turn // 2}, {node.kind} after a {ending} of {pair[1 - turn % 2].kind}"
            if ending == "stop" and turn:
                found = complaints(node.since_start())
                assert not found, f"{where} complains:\n" + "\n".join(found[:20])
            if contents:
                lines = contents.differences(Contents(node))
                assert not lines, f"{where} sees other things:\n" + "\n".join(lines[:30])
            population.add(node, turn)
            contents = Contents(node)
            ending = endings if endings != "mixed" else "kill" if turn % 3 == 1 else "stop"
            getattr(node, ending)()
            if ending == "stop":
                for directory in node.directories:
                    assert (directory / ".kafka_cleanshutdown").exists()
                assert dump.check(tools, node) > 100
        compacted = contents.partitions["compacted", 0]
        left = sum(len(one["records"]) for one in compacted.batches)
        assert left < compacted.end[1], "nothing was compacted in all the rounds"
        assert list(base.glob("data/__cluster_metadata-0/*[1-9]-*.checkpoint")), "no snapshot"
    finally:
        for node in pair:
            node.kill()
