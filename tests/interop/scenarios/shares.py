"""Share groups (KIP-932): members, what they acquire and acknowledge, the states that share
coordinators keep, and where groups start."""

import time

from harness.processes import wait_until
from scenarios import scenario

NOT_READY = {14, 15, 16}
MEMBER = "AAAAAAAAAAEAAAAAAAAAAg"
OTHER = "AAAAAAAAAAMAAAAAAAAABA"
ACCEPT, RELEASE, REJECT, RENEW = 1, 2, 3, 4
STATES = ["InitializeShareGroupState", "ReadShareGroupState", "WriteShareGroupState",
          "ReadShareGroupStateSummary", "DeleteShareGroupState"]


def earliest(t, group):
    """Has the group start at the beginning."""
    t.connection.call("IncrementalAlterConfigs", 1, {"Resources": [{
        "ResourceType": 32, "ResourceName": group, "Configs": [
            {"Name": "share.auto.offset.reset", "ConfigOperation": 0, "Value": "earliest"}]}]})
    t.settle()


def heartbeat(t, group, epoch, member=MEMBER, topics=None, **more):
    return {"GroupId": group, "MemberId": member, "MemberEpoch": epoch,
            "SubscribedTopicNames": topics, **more}


def join(t, group, *topics, member=MEMBER, partitions=1):
    """A member that has its partitions; its epoch."""
    held = {"epoch": 0, "count": 0}

    def settled():
        names = list(topics) if held["epoch"] == 0 else None
        told = t.connection.call("ShareGroupHeartbeat", 1,
                                 heartbeat(t, group, held["epoch"], member, names))
        if told["ErrorCode"]:
            assert told["ErrorCode"] in NOT_READY, told
            return False
        held["epoch"] = told["MemberEpoch"]
        if told["Assignment"]:
            held["count"] = sum(len(one["Partitions"])
                                for one in told["Assignment"]["TopicPartitions"])
        return held["count"] == partitions
    wait_until(settled, 60, f"partitions of {group}")
    return held["epoch"]


@scenario("ShareGroupHeartbeat")
def members_of_share_groups(t):
    t.create_topic("shared", 2)
    cases = {
        "no member": heartbeat(t, "share-refused", 0, "", ["shared"]),
        "long member": heartbeat(t, "share-refused", 0, "m" * 37, ["shared"]),
        "no group": heartbeat(t, "", 0, topics=["shared"]),
        "no topics": heartbeat(t, "share-refused", 0, topics=[]),
        "null topics": heartbeat(t, "share-refused", 0),
        "empty rack": heartbeat(t, "share-refused", 0, topics=["shared"], RackId=""),
        "epoch -2": heartbeat(t, "share-refused", -2),
        "unknown group": heartbeat(t, "share-refused", 1),
        "leaves an unknown group": heartbeat(t, "share-refused", -1),
    }
    for label, fields in cases.items():
        t.call(label, "ShareGroupHeartbeat", 1, fields)
    epoch = join(t, "share-members", "shared", partitions=2)
    t.call("beats", "ShareGroupHeartbeat", 1, heartbeat(t, "share-members", epoch))
    t.call("tells all", "ShareGroupHeartbeat", 1,
           heartbeat(t, "share-members", epoch, topics=["shared"]))
    t.call("is ahead", "ShareGroupHeartbeat", 1, heartbeat(t, "share-members", epoch + 5))
    t.call("is nobody", "ShareGroupHeartbeat", 1, heartbeat(t, "share-members", epoch, OTHER))
    t.call("describe", "ShareGroupDescribe", 1, {
        "GroupIds": ["share-members", "share-refused", ""], "IncludeAuthorizedOperations": True})
    t.call("list", "ListGroups", 5, {"TypesFilter": ["share"], "StatesFilter": ["Stable"]})
    t.call("of another kind", "ConsumerGroupDescribe", 0, {"GroupIds": ["share-members"]})
    t.call("of another kind", "DescribeGroups", 6, {"Groups": ["share-members"]})
    t.call("delete with a member", "DeleteGroups", 2, {"GroupsNames": ["share-members"]})
    t.call("leaves", "ShareGroupHeartbeat", 1, heartbeat(t, "share-members", -1))
    t.call("describe it empty", "ShareGroupDescribe", 1, {"GroupIds": ["share-members"]})
    t.call("delete", "DeleteGroups", 2, {"GroupsNames": ["share-members"]})
    t.call("describe it gone", "ShareGroupDescribe", 1, {"GroupIds": ["share-members"]})


def fetch(t, label, version, group, epoch, topic=None, acknowledged=(), keep=True, partition=0,
          **more):
    fields = {"GroupId": group, "MemberId": MEMBER, "ShareSessionEpoch": epoch, "MaxWaitMs": 500,
              "MinBytes": 1, "MaxBytes": 1 << 20, "MaxRecords": 100, "BatchSize": 100,
              "Topics": [], "ForgottenTopicsData": [], **more}
    if topic:
        fields["Topics"] = [{"TopicId": topic, "Partitions": [{
            "PartitionIndex": partition, "AcknowledgementBatches": batches(acknowledged)}]}]
    return t.call(label, "ShareFetch", version, fields, keep)


def batches(acknowledged):
    return [{"FirstOffset": first, "LastOffset": last, "AcknowledgeTypes": list(types)}
            for first, last, *types in acknowledged]


def acknowledge(t, label, version, group, epoch, topic, acknowledged, partition=0, **more):
    return t.call(label, "ShareAcknowledge", version, {
        "GroupId": group, "MemberId": MEMBER, "ShareSessionEpoch": epoch, "Topics": [{
            "TopicId": topic, "Partitions": [{"PartitionIndex": partition,
                                              "AcknowledgementBatches": batches(acknowledged)}]}],
        **more})


@scenario("ShareFetch")
def shares_records(t):
    for version in t.versions("ShareFetch"):
        name = group = f"share-fetch-{version}"
        topic = t.create_topic(name)
        earliest(t, group)
        t.produce(name, *[f"value {i}" for i in range(10)])
        t.produce(name, *[f"value {i}" for i in range(10, 15)])
        fetch(t, "without a session", version, group, 3, topic)
        fetch(t, "ends no session", version, group, -1)
        fetch(t, "without a group", version, None, 0, topic)
        fetch(t, "opens and acknowledges", version, group, 0, topic, [(0, 0, ACCEPT)])
        join(t, group, name)
        # Until the leader has what the share coordinator knows.
        wait_until(lambda: fetch(t, "", version, group, 0, topic, keep=False)[
            "Responses"][0]["Partitions"][0]["AcquiredRecords"], 30, "records")
        fetch(t, "has nothing more", version, group, 1, MaxWaitMs=100)
        fetch(t, "in the wrong epoch", version, group, 7, MaxWaitMs=100)
        fetch(t, "accepts", version, group, 2, topic, [(0, 4, ACCEPT)], MaxWaitMs=100)
        fetch(t, "accepts what it accepted", version, group, 3, topic, [(0, 4, ACCEPT)],
              MaxWaitMs=100)
        acknowledge(t, "each for itself", version, group, 4, topic,
                    [(5, 9, ACCEPT, RELEASE, REJECT, 0, ACCEPT)])
        fetch(t, "has the released one again", version, group, 5)
        acknowledge(t, "what it does not hold", version, group, 6, topic, [(7, 7, ACCEPT)])
        acknowledge(t, "beyond the end", version, group, 7, topic, [(14, 20, ACCEPT)])
        acknowledge(t, "an unknown type", version, group, 8, topic, [(10, 10, 9)])
        acknowledge(t, "two types for three", version, group, 9, topic, [(10, 12, 1, 1)])
        acknowledge(t, "no types", version, group, 10, topic, [(10, 12)])
        acknowledge(t, "backwards", version, group, 11, topic, [(12, 10, 1)])
        acknowledge(t, "another partition", version, group, 12, topic, [(10, 10, 1)], 3)
        acknowledge(t, "in the wrong epoch", version, group, 3, topic, [(10, 10, 1)])
        acknowledge(t, "opens", version, group, 0, topic, [(10, 10, 1)])
        acknowledge(t, "a renewal", version, group, 13, topic, [(10, 10, RENEW)])
        if version >= 2:
            acknowledge(t, "renews", version, group, 14, topic, [(10, 10, RENEW)], IsRenewAck=True)
            fetch(t, "renews and fetches", version, group, 15, topic, [(10, 10, RENEW)],
                  IsRenewAck=True)
        fetch(t, "another partition", version, group, 14 + (version >= 2), topic, partition=5)
        acknowledge(t, "ends", version, group, -1, topic, [(10, 10, ACCEPT)])
        time.sleep(1)
        fetch(t, "has all again", version, group, 0, topic)
        fetch(t, "ends", version, group, -1, topic, [(11, 11, ACCEPT)])


@scenario("ShareFetch")
def shares_so_many(t):
    """Whole batches, or as many records as were asked for."""
    for version in t.versions("ShareFetch"):
        for mode in range(version):
            name = group = f"share-many-{version}-{mode}"
            topic = t.create_topic(name)
            earliest(t, group)
            for start in range(0, 12, 4):
                t.produce(name, *[f"value {i}" for i in range(start, start + 4)])
            join(t, group, name)
            more = {"ShareAcquireMode": mode} if version >= 2 else {}
            asked = {"MaxRecords": 3, "BatchSize": 3, **more}
            wait_until(lambda: fetch(t, "", version, group, 0, topic, keep=False, **asked)[
                "Responses"][0]["Partitions"][0]["AcquiredRecords"], 30, "records")
            fetch(t, f"goes on in mode {mode}", version, group, 1, **asked)
            fetch(t, f"then in mode {mode}", version, group, 2, **{**asked, "MaxRecords": 100})
            fetch(t, "ends", version, group, -1)


def one_partition(group, topic, **fields):
    return {"GroupId": group, "Topics": [{"TopicId": topic, "Partitions": [
        {"Partition": 0, **fields}]}]}


def state_batch(first, last, state, count):
    return {"FirstOffset": first, "LastOffset": last, "DeliveryState": state,
            "DeliveryCount": count}


@scenario("ReadShareGroupState")
def keeps_states(t):
    topic = t.create_topic("share-states")
    group = "share-states-group"
    key = f"{group}:{topic}:0"
    t.names[key] = "a share partition"

    def ready():
        told = t.connection.call("FindCoordinator", 6, {"KeyType": 2, "CoordinatorKeys": [key]})
        if told["Coordinators"][0]["ErrorCode"]:
            return False
        read = t.connection.call("ReadShareGroupState", 0, one_partition(
            group, topic, LeaderEpoch=-1))
        return read["Results"][0]["Partitions"][0]["ErrorCode"] not in NOT_READY
    wait_until(ready, 60, "a share coordinator")
    for version in (4, 6):
        t.call("share keys", "FindCoordinator", version, {
            "KeyType": 2, "CoordinatorKeys": [key, "none", f"{group}:x:0"]})

    def ask(label, api, version=0, who=topic, **fields):
        t.call(label, api, version, one_partition(group, who, **fields))

    unknown = "AAAAAAAAAAUAAAAAAAAABg"
    ask("before it is there", "ReadShareGroupState", LeaderEpoch=0)
    ask("before it is there", "WriteShareGroupState", StateEpoch=1, LeaderEpoch=0, StartOffset=0,
        StateBatches=[])
    ask("before it is there", "ReadShareGroupStateSummary", LeaderEpoch=0)
    ask("before it is there", "DeleteShareGroupState")
    ask("of no topic", "InitializeShareGroupState", who=unknown, StateEpoch=1, StartOffset=-1)
    ask("begins", "InitializeShareGroupState", StateEpoch=3, StartOffset=-1)
    ask("goes back", "InitializeShareGroupState", StateEpoch=2, StartOffset=-1)
    ask("at first", "ReadShareGroupState", LeaderEpoch=4)
    ask("of an old leader", "ReadShareGroupState", LeaderEpoch=3)
    for version in t.versions("WriteShareGroupState"):
        more = {"DeliveryCompleteCount": 3} if version else {}
        for label, epochs in {"writes": (3, 4), "of an old leader": (3, 2),
                              "of an old state": (1, 4)}.items():
            ask(label, "WriteShareGroupState", version, StateEpoch=epochs[0],
                LeaderEpoch=epochs[1], StartOffset=10 * version, **more, StateBatches=[
                    state_batch(10 * version, 10 * version + 4, 2, 1),
                    state_batch(10 * version + 5, 10 * version + 9, 0, 2)])
        ask("after that", "ReadShareGroupState", LeaderEpoch=4)
        ask("after that", "ReadShareGroupStateSummary", version, LeaderEpoch=4)
    ask("overlaps", "WriteShareGroupState", StateEpoch=3, LeaderEpoch=4, StartOffset=12,
        StateBatches=[state_batch(13, 16, 4, 2), state_batch(17, 30, 0, 1)])
    ask("combined", "ReadShareGroupState", LeaderEpoch=4)
    ask("deletes", "DeleteShareGroupState")
    ask("of no topic", "DeleteShareGroupState", who=unknown)
    ask("when it is gone", "ReadShareGroupState", LeaderEpoch=4)


@scenario("DescribeShareGroupOffsets")
def moves_where_groups_start(t):
    topic, name, group = t.create_topic("share-offsets", 2), "share-offsets", "share-offsets-group"
    t.produce(name, *[f"value {i}" for i in range(8)])
    earliest(t, group)

    def described(label, topics=None):
        for version in t.versions("DescribeShareGroupOffsets"):
            t.call(label, "DescribeShareGroupOffsets", version, {
                "Groups": [{"GroupId": group, "Topics": topics}]})

    def alter(label, start, name=name, partition=0):
        t.call(label, "AlterShareGroupOffsets", 0, {"GroupId": group, "Topics": [{
            "TopicName": name, "Partitions": [
                {"PartitionIndex": partition, "StartOffset": start}]}]})

    def delete(label, *names):
        t.call(label, "DeleteShareGroupOffsets", 0, {
            "GroupId": group, "Topics": [{"TopicName": one} for one in names]})

    described("of nobody")
    delete("of nobody", name)
    join(t, group, name, partitions=2)
    described("at first")
    alter("with a member", 3)
    delete("with a member", name)
    wait_until(lambda: fetch(t, "", 1, group, 0, topic, keep=False)[
        "Responses"][0]["Partitions"][0]["AcquiredRecords"], 30, "records")
    acknowledge(t, "some", 1, group, 1, topic, [(0, 1, 1), (4, 5, 1)])
    described("when some are done with", [
        {"TopicName": name, "Partitions": [0, 1]}, {"TopicName": "none", "Partitions": [0]}])
    acknowledge(t, "ends", 1, group, -1, topic, [])
    t.call("leaves", "ShareGroupHeartbeat", 1, heartbeat(t, group, -1))
    alter("without members", 3)
    alter("of no topic", 3, name="none")
    alter("of no partition", 3, partition=9)
    described("after that")
    delete("without members", name, "none")
    delete("again", name)
    described("when they are gone")
    t.call("with offsets gone", "DeleteGroups", 2, {"GroupsNames": [group]})
