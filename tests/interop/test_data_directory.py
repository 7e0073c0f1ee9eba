"""Apache Kafka opens a directory that Millrace wrote, and the reverse."""

import re
import time

import pytest

from harness import node as nodes
from harness import sweep
from harness.population import NOT_YET
from harness.processes import wait_until
from harness.records import CODECS

GROUPS = ("keeps-offsets", "keeps-members")


def pytest_generate_tests(metafunc):
    """Pairs of (who writes, who opens it then)."""
    chosen = metafunc.config.getoption("--broker")
    pairs = {"apache": [("apache", "apache")],
             "millrace": [("apache", "millrace"), ("millrace", "apache"),
                          ("millrace", "millrace")]}
    pairs["both"] = pairs["apache"] + pairs["millrace"]
    if "pair" in metafunc.fixturenames:
        metafunc.parametrize("pair", pairs[chosen], ids="-then-".join)


def populate(node, round_number):
    """Topics, records in each codec, an idempotent producer, offsets, configs, deletions."""
    view = sweep.Transcript(node)
    call = view.connection.call
    if round_number == 0:
        view.create_topic("plain", 3)
        view.create_topic("configured", 1, {"cleanup.policy": "compact", "retention.ms": "12345",
                                            "segment.bytes": "1048576"})
        view.create_topic("rolled", 1, {"segment.bytes": "1048576"})
        view.create_topic("doomed")
    for codec in CODECS:
        for partition in range(3):
            view.produce("plain", *(f"{codec} {i} round {round_number}" for i in range(20)),
                         partition=partition, codec=codec)
        view.produce("configured", "a", "b", codec=codec)
    for i in range(30):
        view.produce("rolled", f"{i} " * 40_000, timestamp=1_700_000_000_000 + i)
    sequence = 3 * round_number
    view.produce("plain", "x", "y", "z", producer_id=5000, producer_epoch=0, sequence=sequence,
                 timestamp=int(time.time() * 1000))  # an old producer is forgotten
    for group in GROUPS:
        call("OffsetCommit", 8, {
            "GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": [
                {"Name": "plain", "Partitions": [
                    {"PartitionIndex": p, "CommittedOffset": 7 + p + round_number,
                     "CommittedMetadata": f"of {group}", "CommittedLeaderEpoch": 0}
                    for p in range(3)]}]})
    call("DeleteRecords", 2, {"TimeoutMs": 30000, "Topics": [{"Name": "plain", "Partitions": [
        {"PartitionIndex": 1, "Offset": 5 + 5 * round_number}]}]})
    call("IncrementalAlterConfigs", 1, {"Resources": [
        {"ResourceType": 2, "ResourceName": "plain", "Configs": [
            {"Name": "max.message.bytes", "ConfigOperation": 0,
             "Value": str(2_000_000 + round_number)}]}]})
    if round_number == 0:
        call("DeleteTopics", 5, {"TopicNames": ["doomed"], "TimeoutMs": 30000})
        call("CreatePartitions", 3, {"TimeoutMs": 30000, "Topics": [
            {"Name": "configured", "Count": 2, "Assignments": None}]})
    view.settle()
    view.close()


def contents(node, ending):
    """All that a client can see of the node's topics, groups and configs."""
    view = sweep.Transcript(node)
    call = view.connection.call
    seen = {}
    topics = [one for one in call("Metadata", 12, {"Topics": None})["Topics"]
              if not one["Name"].startswith(("barrier-", "__"))]
    seen["topics"] = {one["Name"]: (one["TopicId"], len(one["Partitions"])) for one in topics}
    for topic in topics:
        name = topic["Name"]
        seen[f"configs of {name}"] = {
            one["Name"]: (one["Value"], one["ConfigSource"])
            for one in call("DescribeConfigs", 4, {"Resources": [
                {"ResourceType": 2, "ResourceName": name, "ConfigurationKeys": None}]})
            ["Results"][0]["Configs"] if one["ConfigSource"] == 1}
        for partition in topic["Partitions"]:
            index = partition["PartitionIndex"]
            start, *rest = _records(call, name, index)
            # Apache writes the start of a log to disk once a minute, and when it stops.
            seen[f"records of {name}-{index}"] = [start, *rest] if ending == "stop" else rest
            (described,) = call("DescribeProducers", 0, {"Topics": [
                {"Name": name, "PartitionIndexes": [index]}]})["Topics"][0]["Partitions"]
            seen[f"producers of {name}-{index}"] = described["ActiveProducers"]
    for group in GROUPS:
        seen[f"offsets of {group}"] = sorted(
            (topic["Name"], one["PartitionIndex"], one["CommittedOffset"], one["Metadata"],
             one["CommittedLeaderEpoch"])
            for topic in call("OffsetFetch", 7, {"GroupId": group, "Topics": None})["Topics"]
            for one in topic["Partitions"])
    seen["cluster"] = call("DescribeCluster", 1)["ClusterId"]
    view.close()
    return seen


def _records(call, topic, partition):
    def ask(stamp):
        (told,) = call("ListOffsets", 5, {"ReplicaId": -1, "Topics": [{
            "Name": topic, "Partitions": [{"PartitionIndex": partition, "Timestamp": stamp}]}]}
        )["Topics"][0]["Partitions"]
        # A node that starts shows its partitions before it leads them.
        return None if told["ErrorCode"] in NOT_YET else told

    def offset(stamp):
        told = wait_until(lambda: ask(stamp), 30, f"an offset of {topic}-{partition}")
        assert told["ErrorCode"] == 0, told
        return told["Offset"]

    first, end = offset(-2), offset(-1)
    found, position = [("start", first), ("end", end)], first
    while position < end:
        answer = call("Fetch", 11, {
            "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "Topics": [{
                "Topic": topic, "Partitions": [{"Partition": partition, "FetchOffset": position,
                                                "PartitionMaxBytes": 4 << 20}]}]})
        one = answer["Responses"][0]["Partitions"][0]
        assert one["ErrorCode"] == 0 and one["Records"], (topic, partition, position, one)
        batches = sweep.batches.parse(one["Records"])
        found += batches
        position = batches[-1]["base"] + batches[-1]["last delta"] + 1
    return found


def dump(tools, node):
    """kafka-dump-log finds nothing wrong in any file; the number of files it read."""
    count = 0
    for path in sorted(node.data.glob("*/*")):
        if path.name.startswith("."):
            continue
        if path.suffix == ".log":
            flags = ["--deep-iteration", "--print-data-log"]
            if path.parent.name.startswith("__cluster_metadata"):
                flags.append("--cluster-metadata-decoder")
            if path.parent.name.startswith("__consumer_offsets"):
                if path.stat().st_size == 0:
                    continue
                flags.append("--offsets-decoder")
        elif path.suffix in (".index", ".timeindex"):
            if not path.with_suffix(".log").stat().st_size:
                continue
            flags = ["--index-sanity-check"]
        elif path.suffix == ".checkpoint":
            flags = ["--cluster-metadata-decoder"]
        elif path.suffix == ".snapshot":
            flags = []
        else:
            continue
        run = tools.run("dump-log", *flags, "--files", path)
        text = run.out + run.err
        assert run.status == 0, f"{path}: {text[-1500:]}"
        wrong = re.search(r"isvalid: false|[Mm]ismatch|Found timestamp|Skipped|Exception"
                          r"|[Nn]on-monotonic|corrupt|Could not|invalid", text)
        assert not wrong, f"{path}: {text[max(0, wrong.start() - 500):wrong.end() + 500]}"
        count += 1
    return count


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_one_opens_what_the_other_wrote(pair, ending, folder, tools):
    first_kind, second_kind = pair
    first = nodes.make(first_kind, folder / f"directory-{'-'.join(pair)}-{ending}")
    second = first.successor(second_kind)
    written = {}
    try:
        for turn, node in enumerate((first, second, first)):
            node.start()
            if turn:
                assert contents(node, ending) == written, f"{node.kind} sees other things"
            populate(node, turn)
            written = contents(node, ending)
            getattr(node, ending)()
            if ending == "stop":
                assert (node.data / ".kafka_cleanshutdown").exists()
                assert dump(tools, node) > 10
    finally:
        first.kill()
        second.kill()
