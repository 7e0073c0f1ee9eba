"""Each advertised API at each advertised version, compared with the oracle field by field."""

import re

import pytest

import scenarios
from harness import sweep, wire
from harness.processes import wait_until
from scenarios import (  # noqa: F401: they register
    configs, consumer_groups, coordinated, data, groups, quotas, security, shares, streams, topics,
    transactions)


def summary(lines):
    """One line for what differs in many versions and elements."""
    alike = {}
    for line in lines:
        alike.setdefault(re.sub(r" v[0-9]+ ", " v* ", re.sub(r"\[\d+\]", "[*]", line)),
                         []).append(line)
    return [f"{same[0]} (and {len(same) - 1} alike)" if len(same) > 1 else same[0]
            for same in alike.values()]


@pytest.mark.parametrize("name", scenarios.ALL)
def test_answers_are_apaches(name, oracle, node):
    transcripts = []
    for one in (oracle, node):
        transcript = sweep.Transcript(one)
        try:
            scenarios.ALL[name](transcript)
        finally:
            transcripts.append(transcript)
            transcript.close()
        assert one.alive(), f"the node ended:\n{one.tail()}"
    lines = sweep.compare(*transcripts)
    assert not lines, f"{len(lines)} differences:\n" + "\n".join(summary(lines)[:40])
    assert transcripts[0].answers


def test_advertised_ranges(oracle, node):
    """What the node advertises, it has at exactly Apache's versions."""
    with oracle.connect() as theirs, node.connect() as ours:
        wanted, got = wire.api_versions(theirs), wire.api_versions(ours)
    assert {name: wanted.get(name) for name in got} == got
    missing = [name for name in topics.MAIN_JOB_NAMES if name not in got]
    assert not missing, f"not advertised: {', '.join(missing)}"


GATED = "group.version", "share.version", "streams.version"


def asked_of_gated_groups(t):
    """Whatever a group does that a feature could switch off."""
    topic = t.create_topic("gated", 1)
    shares.earliest(t, "gated-shares")
    group = {"GroupId": "gated", "MemberId": shares.MEMBER}
    for version in t.versions("ConsumerGroupHeartbeat"):
        t.call("joins", "ConsumerGroupHeartbeat", version, {
            **group, "MemberEpoch": 0, "RebalanceTimeoutMs": 1000,
            "SubscribedTopicNames": ["gated"], "TopicPartitions": []})
    for version in t.versions("ConsumerGroupDescribe"):
        t.call("describes", "ConsumerGroupDescribe", version, {"GroupIds": ["gated", "none"]})
    t.call("joins", "ShareGroupHeartbeat", 1,
           shares.heartbeat(t, "gated-shares", 0, topics=["gated"]))
    t.call("describes", "ShareGroupDescribe", 1, {"GroupIds": ["gated-shares", "none"]})
    for version in t.versions("ShareFetch"):
        shares.fetch(t, "fetches", version, "gated-shares", 0, topic, MaxWaitMs=0)
    for version in t.versions("ShareAcknowledge"):
        shares.acknowledge(t, "acknowledges", version, "gated-shares", 1, topic, [(0, 0, 1)])
    for version in t.versions("DescribeShareGroupOffsets"):
        t.call("describes", "DescribeShareGroupOffsets", version, {
            "Groups": [{"GroupId": "gated-shares", "Topics": None}]})
    t.call("alters", "AlterShareGroupOffsets", 0, {"GroupId": "gated-shares", "Topics": [{
        "TopicName": "gated", "Partitions": [{"PartitionIndex": 0, "StartOffset": 0}]}]})
    t.call("deletes", "DeleteShareGroupOffsets", 0, {
        "GroupId": "gated-shares", "Topics": [{"TopicName": "gated"}]})
    for api, fields in {
            "InitializeShareGroupState": {"StateEpoch": 1, "StartOffset": 0},
            "ReadShareGroupState": {"LeaderEpoch": 0},
            "WriteShareGroupState": {
                "StateEpoch": 1, "LeaderEpoch": 0, "StartOffset": 0, "StateBatches": []},
            "ReadShareGroupStateSummary": {"LeaderEpoch": 0},
            "DeleteShareGroupState": {}}.items():
        t.call("of the state", api, 0, shares.one_partition("gated-states", topic, **fields))
    t.call("joins", "StreamsGroupHeartbeat", 0, {
        "GroupId": "gated-streams", "MemberId": "m", "MemberEpoch": 0, "RebalanceTimeoutMs": 1000,
        "ProcessId": "p", "Topology": {"Epoch": 0, "Subtopologies": []}})
    t.call("describes", "StreamsGroupDescribe", 0, {"GroupIds": ["gated-streams", "none"]})


def test_groups_that_features_switch_off(kind, start_node, tools):
    """With each feature of groups at level 0 what it is about is refused as Apache refuses it."""
    transcripts = []
    for one in ("apache", kind):
        node = start_node(one, "gated")
        for feature in GATED:
            done = tools.run("features", "--bootstrap-server", node.bootstrap, "downgrade",
                             "--feature", f"{feature}=0")
            assert done.status == 0, done

        def levels(node=node):
            with node.connect() as connection:
                told = connection.call("ApiVersions", 4, {
                    "ClientSoftwareName": "a", "ClientSoftwareVersion": "1"})
            return {each["Name"] for each in told.get("FinalizedFeatures") or []}
        wait_until(lambda seen=levels: not seen() & set(GATED), 30, "features at level 0")
        transcript = sweep.Transcript(node)
        try:
            asked_of_gated_groups(transcript)
        finally:
            transcripts.append(transcript)
            transcript.close()
        assert node.alive(), f"the node ended:\n{node.tail()}"
    lines = sweep.compare(*transcripts)
    assert not lines, f"{len(lines)} differences:\n" + "\n".join(summary(lines)[:40])
    codes = re.findall(r"'ErrorCode': (\d+)", str(transcripts[0].answers))
    assert codes.count("35") >= 10, codes  # UNSUPPORTED_VERSION
