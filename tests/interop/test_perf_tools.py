"""Our tools that measure and verify, beside Apache's: what scripts parse has the same form, and
says the same but for numbers of time."""

import json
import os
import re
import signal
import subprocess

import pytest

from harness import toolchains
from harness.node import MillraceNode, make
from harness.tools import CLASSES

RECORDS = 2000
TIMES = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}")
NUMBERS = re.compile(r"-?\d+(\.\d+)?")


def form(text):
    """The text with every number as its digits behind the point."""
    text = TIMES.sub("TIME", text).replace("Infinity", "0.0000")  # within a millisecond
    return NUMBERS.sub(lambda number: "#" + "." * len((number[1] or ".")[1:]), text)


@pytest.fixture(scope="module")
def node(folder):
    one = make("millrace", folder / "perf-tools", **{
        "offsets.topic.num.partitions": 1, "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0})
    try:
        one.start()
        yield one
    finally:
        one.kill()


def bootstrap(node):
    return ["--bootstrap-server", f"{node.host}:{node.port}"]


def ours(node, tool, *arguments):
    return subprocess.run(
        [MillraceNode.executable, tool, *bootstrap(node), *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=60)


def both(node, tools, tool, *arguments):
    theirs = tools.run(tool, *bootstrap(node), *arguments)
    mine = ours(node, tool, *arguments)
    assert theirs.status == 0, theirs.err
    assert mine.returncode == 0, mine.stderr
    return mine.stdout, theirs.out


PRODUCER = [
    ["--record-size", "100", "--throughput", "-1"],
    ["--record-size", "10", "--throughput", "-1", "--warmup-records", "500"],
    ["--payload-monotonic", "--throughput", "1e6", "--command-property", "linger.ms=1",
     "batch.size=1000"],
    ["--record-size", "100", "--throughput", "-1", "--transactional-id", "perf",
     "--transaction-duration-ms", "20"],
]


@pytest.mark.parametrize("arguments", PRODUCER, ids=range(len(PRODUCER)))
def test_producer_perf(node, tools, arguments):
    mine, theirs = both(node, tools, "producer-perf-test", "--topic", "perf",
                        "--num-records", RECORDS, *arguments)
    assert form(mine) == form(theirs)
    assert mine.splitlines()[-1 if "--warmup-records" not in arguments else -2].startswith(
        f"{RECORDS} records sent, ")


def test_producer_perf_throttled(node):
    """In two seconds there are figures on the way, and no more records than were asked for."""
    run = ours(node, "producer-perf-test", "--topic", "perf", "--num-records", 1000,
               "--record-size", 10, "--throughput", 500, "--reporting-interval", 500)
    lines = run.stdout.splitlines()
    assert len(lines) >= 4
    assert form(lines[0]) == form(
        "1 records sent, 1.1 records/sec (0.00 MB/sec), 1.0 ms avg latency, 1.0 ms max latency.")
    rate = float(re.search(r"([\d.]+) records/sec", lines[-1])[1])
    assert 300 < rate < 510, lines[-1]


def test_producer_perf_payload_file(node, tools, folder):
    payloads = folder / "payloads"
    payloads.write_text("one\ntwo\nthree")
    mine, theirs = both(node, tools, "producer-perf-test", "--topic", "payloads", "--num-records",
                        50, "--payload-file", payloads, "--throughput", "-1")
    assert form(mine) == form(theirs)
    read = ours(node, "console-consumer", "--topic", "payloads", "--from-beginning",
                "--max-messages", 100)
    assert set(read.stdout.split()) == {"one", "two", "three"}


CONSUMER = [
    ["--num-records", str(RECORDS)],
    ["--num-records", str(RECORDS), "--hide-header", "--group", "perf-WHO"],
    ["--num-records", str(10 ** 9), "--timeout", "1000"],
    ["--num-records", str(RECORDS), "--date-format", "yyyy-MM-dd HH:mm:ss:SSS"],
]


@pytest.mark.parametrize("arguments", CONSUMER, ids=range(len(CONSUMER)))
def test_consumer_perf(node, tools, arguments):
    assert ours(node, "producer-perf-test", "--topic", "read", "--num-records", RECORDS,
                "--record-size", 100, "--throughput", -1).returncode == 0
    mine = ours(node, "consumer-perf-test", "--topic", "read",
                *[one.replace("WHO", "ours") for one in arguments])
    theirs = tools.run("consumer-perf-test", *bootstrap(node), "--topic", "read",
                       *[one.replace("WHO", "theirs") for one in map(str, arguments)])
    assert mine.returncode == theirs.status == 0
    assert form(mine.stdout) == form(theirs.out)


def test_consumer_perf_detailed(node):
    run = ours(node, "consumer-perf-test", "--topic", "read", "--num-records", 10 ** 9, "--timeout",
               1500, "--show-detailed-stats", "--reporting-interval", 300)
    lines = run.stdout.splitlines()
    assert lines[0].startswith("time, threadId, data.consumed.in.MB, ")
    assert form(lines[1]) == form(
        "2026-12-01 01:16:44:229, 0, 0.0001, 0.0003, 1, 2.8736, 310, 38, 0.0025, 26.3158")


def test_end_to_end_latency(node, tools):
    mine = ours(node, "e2e-latency", "--topic", "e2e-ours", "--num-records", 1001,
                "--producer-acks", "all", "--record-size", 100, "--record-key-size", 10,
                "--num-headers", 2, "--record-header-key-size", 5, "--record-header-size", 5)
    theirs = tools.run("e2e-latency", *bootstrap(node), "--topic", "e2e-theirs", "--num-records",
                       1001, "--producer-acks", "all", "--record-size", 100)
    assert mine.returncode == theirs.status == 0, mine.stderr
    # A double has as many digits as it needs.
    cut = [re.sub(r"(\t\d+\.)\d+", r"\g<1>1", form(one).replace(".", "")) for one in
           (mine.stdout.replace("e2e-ours", "T"), theirs.out.replace("e2e-theirs", "T"))]
    assert cut[0] == cut[1]


def events(text):
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert all(list(one)[:2] == ["timestamp", "name"] for one in found)
    return [{key: value for key, value in one.items()
             if key not in ("timestamp", "avg_throughput")} for one in found]


def test_verifiable_producer(node):
    arguments = ["--max-messages", 7, "--value-prefix", 3, "--repeating-keys", 2,
                 "--message-create-time", 1700000000000]
    mine = ours(node, "verifiable-producer", "--topic", "verify-ours", *arguments)
    # It tells the most when its virtual machine ends.
    theirs = subprocess.run(
        [*toolchains.java(), CLASSES["verifiable-producer"], *bootstrap(node), "--topic",
         "verify-theirs", *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True,
        timeout=60)
    assert mine.returncode == 0, mine.stderr
    expected = json.loads(json.dumps(events(theirs.stdout)).replace("verify-theirs", "verify-ours"))
    assert events(mine.stdout) == expected


def test_verifiable_consumer(node, tools):
    assert ours(node, "verifiable-producer", "--topic", "verified", "--max-messages",
                20).returncode == 0
    arguments = ["--topic", "verified", "--max-messages", 8, "--verbose"]
    mine = ours(node, "verifiable-consumer", "--group-id", "verify-ours", *arguments)
    theirs = tools.run("verifiable-consumer", *bootstrap(node), "--group-id", "verify-theirs",
                       *arguments)
    assert mine.returncode == theirs.status == 0, mine.stderr
    # Apache's tells of the request to end after the end, too: a hook of its virtual machine.
    assert events(mine.stdout) == [
        one for one in events(theirs.out) if one["name"] != "shutdown_requested"]


def events_after(node, name, *arguments):
    """Of a tool that is asked to end once it has told of that."""
    with subprocess.Popen(
            [MillraceNode.executable, arguments[0], *bootstrap(node), *arguments[1:]],
            stdout=subprocess.PIPE, text=True) as tool:
        for line in tool.stdout:
            if json.loads(line)["name"] == name:
                break
        os.kill(tool.pid, signal.SIGTERM)
        return events(tool.stdout.read())


def test_verifiable_tools_end_when_they_are_asked_to(node):
    rest = events_after(node, "producer_send_success", "verifiable-producer", "--topic", "asked",
                        "--throughput", "20")
    assert [one["name"] for one in rest[-2:]] == ["shutdown_complete", "tool_data"]
    assert rest[-1]["sent"] == rest[-1]["acked"] > 0
    rest = events_after(node, "offsets_committed", "verifiable-consumer", "--topic", "asked",
                        "--group-id", "asked")
    assert [one["name"] for one in rest] == ["partitions_revoked", "shutdown_complete"]


@pytest.fixture(scope="module")
def shared(node, tools):
    """Share groups read the topic "shared" from its beginning."""
    assert ours(node, "producer-perf-test", "--topic", "shared", "--num-records", RECORDS,
                "--record-size", 100, "--throughput", -1).returncode == 0
    for group in ("perf-share-consumer", "share-both", *(
            f"{name}-{who}" for name in ("share", "hidden", "two", "verify-share")
            for who in ("ours", "theirs"))):
        done = tools.run("configs", *bootstrap(node), "--entity-type", "groups", "--entity-name",
                         group, "--alter", "--add-config", "share.auto.offset.reset=earliest")
        assert done.status == 0, done.err


SHARE_CONSUMER = [
    ["--num-records", str(RECORDS), "--group", "share-WHO"],
    ["--num-records", str(RECORDS), "--group", "hidden-WHO", "--hide-header"],
    ["--num-records", str(RECORDS), "--group", "two-WHO", "--threads", "2",
     "--show-consumer-stats"],
]


@pytest.mark.parametrize("arguments", SHARE_CONSUMER, ids=range(len(SHARE_CONSUMER)))
def test_share_consumer_perf(node, tools, shared, arguments):
    del shared
    mine = ours(node, "share-consumer-perf-test", "--topic", "shared",
                *[one.replace("WHO", "ours") for one in arguments])
    theirs = tools.run("share-consumer-perf-test", *bootstrap(node), "--topic", "shared",
                       *[one.replace("WHO", "theirs") for one in arguments])
    assert mine.returncode == theirs.status == 0, mine.stderr
    assert form(mine.stdout) == form(theirs.out)
    assert int(mine.stdout.split(", ")[-2]) >= RECORDS


def test_share_consumer_perf_ends(node, shared):
    """Apache's tool says this in its code, and dies of its own interrupt before."""
    del shared
    run = ours(node, "share-consumer-perf-test", "--topic", "shared", "--num-records", 10 ** 9,
               "--timeout", 1500)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[1] == (
        "WARNING: Exiting before consuming the expected number of records: timeout (1500 ms) "
        "exceeded. You can use the --timeout option to increase the timeout.")


def test_share_consumer_perf_detailed(node, shared):
    del shared
    run = ours(node, "share-consumer-perf-test", "--topic", "shared", "--num-records", RECORDS,
               "--group", "share-both", "--show-detailed-stats", "--reporting-interval", 1,
               "--command-property", "max.poll.records=100",
               "--command-property", "share.acquire.mode=record_limit")
    lines = [one for one in run.stdout.splitlines() if one.endswith("for share consumer 1")]
    assert form(lines[0]) == form("2026-12-01 01:16:44:229, 2026-12-01 01:16:44:230, 0.0001, "
                                  "0.0003, 1.8736, 310, 38 for share consumer 1")


def test_verifiable_share_consumer(node, tools, shared):
    del shared
    assert ours(node, "verifiable-producer", "--topic", "verified-share", "--max-messages",
                20).returncode == 0
    arguments = ["--topic", "verified-share", "--max-messages", 20, "--verbose",
                 "--acknowledgement-mode", "sync", "--offset-reset-strategy", "earliest"]
    mine = ours(node, "verifiable-share-consumer", "--group-id", "verify-share-ours", *arguments)
    theirs = tools.run("verifiable-share-consumer", *bootstrap(node), "--group-id",
                       "verify-share-theirs", *arguments)
    assert mine.returncode == theirs.status == 0, mine.stderr

    def joined(text):
        """One of each kind, as records may come in several batches; offsets have no order."""
        found = {}
        for one in events(text):
            told = found.setdefault(one["name"], {**one, "count": 0, "offsets": []})
            told["count"] += one.get("count", 0)
            for each in one.pop("partitions", []):
                told["offsets"] += each["offsets"]
                told["partitions"] = [list(each)]
        for told in found.values():
            told["offsets"].sort()
        return found
    assert joined(mine.stdout) == joined(theirs.out)
    assert joined(mine.stdout)["offsets_acknowledged"]["offsets"] == list(range(20))
    rest = events_after(node, "records_consumed", "verifiable-share-consumer", "--topic",
                        "verified-share", "--group-id", "share-both")
    assert rest[-1]["name"] == "shutdown_complete"
