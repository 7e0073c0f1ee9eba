"""The classic group protocol, its offsets, and the group admin APIs."""

from harness import codec, schema
from scenarios import scenario
from scenarios.topics import NOBODY

MEMBER_ID_REQUIRED = 79
SESSION_MS = 30000


def subscription(*topics, version=0):
    """What a member sends of itself."""
    message = schema.load("data/ConsumerProtocolSubscription").sections["message"]
    return version.to_bytes(2, "big") + codec.encode(message, version, {"Topics": list(topics)})


def assignment(topic, *partitions):
    message = schema.load("data/ConsumerProtocolAssignment").sections["message"]
    return bytes(2) + codec.encode(message, 0, {
        "AssignedPartitions": [{"Topic": topic, "Partitions": list(partitions)}]})


def join_fields(group, version, member="", instance=None, protocols=("range",), **more):
    fields = {
        "GroupId": group, "SessionTimeoutMs": SESSION_MS, "MemberId": member,
        "ProtocolType": "consumer",
        "Protocols": [{"Name": p, "Metadata": subscription("joined")} for p in protocols], **more}
    if version >= 1:
        fields.setdefault("RebalanceTimeoutMs", 20000)
    if instance is not None:
        fields["GroupInstanceId"] = instance
    return fields


def join(t, group, version, label="join", keep=False, **more):
    """Joins as a new member, in one step or two; the raw answer."""
    raw = t.call(label, "JoinGroup", version, join_fields(group, version, **more), keep)
    if raw and raw["ErrorCode"] == MEMBER_ID_REQUIRED:
        raw = t.call(f"{label} with the id", "JoinGroup", version,
                     join_fields(group, version, **{**more, "member": raw["MemberId"]}), keep)
    return raw


def stable(t, group, topic="joined", version=5, partitions=(0,), **more):
    """A group of one member that has its assignment; (member id, generation)."""
    joined = join(t, group, version, **more)
    member, generation = joined["MemberId"], joined["GenerationId"]
    t.call("", "SyncGroup", 3, {
        "GroupId": group, "GenerationId": generation, "MemberId": member,
        "GroupInstanceId": more.get("instance"), "Assignments": [
            {"MemberId": member, "Assignment": assignment(topic, *partitions)}]}, False)
    return member, generation


@scenario("JoinGroup")
def one_member(t):
    for version in t.versions("JoinGroup"):
        group = f"join-{version}"
        joined = join(t, group, version, keep=True)
        member = joined["MemberId"]
        t.call("joined again", "JoinGroup", version, join_fields(group, version, member))
        t.call("another protocol", "JoinGroup", version, join_fields(
            group, version, member, protocols=("roundrobin", "range")))
        cases = {
            "unknown member": {"member": "nobody"},
            "no protocols": {"member": member, "protocols": ()},
            "other type": {"member": member, "ProtocolType": "connect"},
            "no type": {"member": member, "ProtocolType": ""},
            "short session": {"SessionTimeoutMs": 1},
            "long session": {"SessionTimeoutMs": 100_000_000},
        }
        for label, more in cases.items():
            t.call(label, "JoinGroup", version, join_fields(group, version, **more))
        t.call("inconsistent protocols", "JoinGroup", version, join_fields(
            group, version, protocols=("other",)))
        t.call("empty group", "JoinGroup", version, join_fields("", version))


@scenario("JoinGroup")
def two_members(t):
    """The second join makes the first member join again; the first stays the leader."""
    for version in t.versions("JoinGroup"):
        group = f"join-two-{version}"
        first, generation = stable(t, group, version=version)
        with t.other_connection() as other:
            fields = join_fields(group, version, protocols=("roundrobin", "range"))
            if version >= 4:
                other_id = other.call("JoinGroup", version, fields)["MemberId"]
                fields = {**fields, "MemberId": other_id}
            sent = other.send("JoinGroup", version, fields)
            t.await_state(group, "PreparingRebalance")
            t.call("during a rebalance", "Heartbeat", 3, {
                "GroupId": group, "GenerationId": generation, "MemberId": first})
            leader = t.call("leader", "JoinGroup", version, join_fields(group, version, first))
            follower = other.receive("JoinGroup", version, sent)
            t.note(f"JoinGroup v{version} follower", follower)
            _sync_both(t, other, group, leader, follower)
            t.call("of two", "DescribeGroups", 5, {"Groups": [group]})
            t.call("follower leaves", "LeaveGroup", 2, {
                "GroupId": group, "MemberId": follower["MemberId"]})
            t.call("after the leave", "Heartbeat", 3, {
                "GroupId": group, "GenerationId": leader["GenerationId"], "MemberId": first})
            t.call("alone again", "JoinGroup", version, join_fields(group, version, first))


def _sync_both(t, other, group, leader, follower):
    for version in t.versions("SyncGroup"):
        common = {"GroupId": group, "GenerationId": leader["GenerationId"]}
        sent = other.send("SyncGroup", version, {**common, "MemberId": follower["MemberId"]})
        t.call("leader", "SyncGroup", version, {
            **common, "MemberId": leader["MemberId"], "Assignments": [
                {"MemberId": leader["MemberId"], "Assignment": assignment("joined", 0)},
                {"MemberId": follower["MemberId"], "Assignment": assignment("joined", 1)}]})
        t.note(f"SyncGroup v{version} follower", other.receive("SyncGroup", version, sent))


@scenario("JoinGroup")
def static_members(t):
    for version in t.versions("JoinGroup"):
        if version < 5:
            continue
        group = f"static-{version}"
        first, generation = stable(t, group, version=version, instance="one")
        t.call("back without an id", "JoinGroup", version,
               join_fields(group, version, instance="one"))
        t.call("fenced", "Heartbeat", 3, {
            "GroupId": group, "GenerationId": generation, "MemberId": first,
            "GroupInstanceId": "one"})
        t.call("fenced join", "JoinGroup", version,
               join_fields(group, version, first, instance="one"))
        t.call("unknown instance", "JoinGroup", version,
               join_fields(group, version, first, instance="two"))
        t.call("static", "DescribeGroups", 5, {"Groups": [group]})
        t.call("by instance", "LeaveGroup", 3, {"GroupId": group, "Members": [
            {"MemberId": "", "GroupInstanceId": "one"},
            {"MemberId": "", "GroupInstanceId": "none"},
            {"MemberId": "nobody", "GroupInstanceId": None}]})
        t.call("left", "DescribeGroups", 5, {"Groups": [group]})


@scenario("SyncGroup")
def syncs(t):
    for version in t.versions("SyncGroup"):
        group = f"sync-{version}"
        joined = join(t, group, 5)
        member, generation = joined["MemberId"], joined["GenerationId"]
        common = {"GroupId": group, "GenerationId": generation, "MemberId": member}
        if version >= 5:
            named = {"ProtocolType": "consumer", "ProtocolName": "range"}
            t.call("other name", "SyncGroup", version, {
                **common, **named, "ProtocolName": "sticky"})
            t.call("other type", "SyncGroup", version, {
                **common, **named, "ProtocolType": "connect"})
            common.update(named)
        t.call("unknown member", "SyncGroup", version, {**common, "MemberId": "nobody"})
        t.call("other generation", "SyncGroup", version, {**common, "GenerationId": 9})
        t.call("unknown group", "SyncGroup", version, {**common, "GroupId": "sync-unknown"})
        t.call("good", "SyncGroup", version, {**common, "Assignments": [
            {"MemberId": member, "Assignment": b"anything"}]})
        t.call("again", "SyncGroup", version, common)


@scenario("Heartbeat")
def beats(t):
    for version in t.versions("Heartbeat"):
        group = f"beat-{version}"
        member, generation = stable(t, group)
        common = {"GroupId": group, "GenerationId": generation, "MemberId": member}
        t.call("good", "Heartbeat", version, common)
        t.call("other generation", "Heartbeat", version, {**common, "GenerationId": 7})
        t.call("unknown member", "Heartbeat", version, {**common, "MemberId": "nobody"})
        t.call("unknown group", "Heartbeat", version, {**common, "GroupId": "beat-unknown"})
        t.call("empty group", "Heartbeat", version, {**common, "GroupId": ""})
        if version >= 3:
            t.call("unknown instance", "Heartbeat", version, {
                **common, "GroupInstanceId": "nobody"})


@scenario("LeaveGroup")
def leaves(t):
    for version in t.versions("LeaveGroup"):
        group = f"leave-{version}"
        member, _ = stable(t, group)
        if version < 3:
            t.call("unknown member", "LeaveGroup", version, {
                "GroupId": group, "MemberId": "nobody"})
            t.call("good", "LeaveGroup", version, {"GroupId": group, "MemberId": member})
            t.call("unknown group", "LeaveGroup", version, {
                "GroupId": "leave-unknown", "MemberId": member})
        else:
            t.call("some", "LeaveGroup", version, {"GroupId": group, "Members": [
                {"MemberId": "nobody", "GroupInstanceId": None},
                {"MemberId": member, "GroupInstanceId": None}]})
            t.call("unknown group", "LeaveGroup", version, {
                "GroupId": "leave-unknown", "Members": [{"MemberId": member}]})
            t.call("none", "LeaveGroup", version, {"GroupId": group, "Members": []})
        t.call("empty", "DescribeGroups", 5, {"Groups": [group]})


@scenario("OffsetCommit")
def commits(t):
    topic_id = t.create_topic("commit", 3)
    for version in t.versions("OffsetCommit"):
        group = f"commit-{version}"
        member, generation = stable(t, group)
        name = {"TopicId": topic_id} if version >= 10 else {"Name": "commit"}

        def commit(label, member=member, generation=generation, group=group, named=name, **more):
            one = {"PartitionIndex": 0, "CommittedOffset": 11, "CommittedMetadata": "note"}
            one.update(more)
            t.call(label, "OffsetCommit", version, {
                "GroupId": group, "GenerationIdOrMemberEpoch": generation, "MemberId": member,
                "Topics": [{**named, "Partitions": [
                    one, {"PartitionIndex": 1, "CommittedOffset": 5, "CommittedMetadata": None}
                ]}]})

        commit("good")
        commit("other generation", generation=9)
        commit("unknown member", member="nobody")
        commit("simple commit to a group with members", member="", generation=-1)
        commit("simple", member="", generation=-1, group=f"{group}-simple")
        commit("unknown group with generation", group=f"{group}-unknown")
        commit("empty group", group="", member="", generation=-1)
        commit("unknown partition", PartitionIndex=9)
        commit("long metadata", CommittedMetadata="x" * 5000)
        commit("negative offset", CommittedOffset=-5)
        if version >= 6:
            commit("leader epoch", CommittedLeaderEpoch=0)
        unknown = {"TopicId": NOBODY} if version >= 10 else {"Name": "commit-unknown"}
        commit("unknown topic", named=unknown)
        for fetched in (group, f"{group}-simple"):
            t.call(f"{fetched}", "OffsetFetch", 7, {"GroupId": fetched, "Topics": None})


@scenario("OffsetFetch")
def fetches_offsets(t):
    topic_id = t.create_topic("fetched", 3)
    other_id = t.create_topic("fetched-too")
    for group in ("fetch-a", "fetch-b"):
        t.call("", "OffsetCommit", 8, {
            "GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": [
                {"Name": "fetched", "Partitions": [
                    {"PartitionIndex": 0, "CommittedOffset": 42, "CommittedMetadata": group},
                    {"PartitionIndex": 1, "CommittedOffset": 1, "CommittedMetadata": None,
                     "CommittedLeaderEpoch": 3}]},
                {"Name": "fetched-too", "Partitions": [
                    {"PartitionIndex": 0, "CommittedOffset": 7, "CommittedMetadata": ""}]}]}, False)
    for version in t.versions("OffsetFetch"):
        if version < 8:
            ask = lambda label, group, topics, **more: t.call(  # noqa: E731
                label, "OffsetFetch", version, {"GroupId": group, "Topics": topics, **more})
            ask("some", "fetch-a", [{"Name": "fetched", "PartitionIndexes": [0, 1, 2, 9]},
                                    {"Name": "fetched-unknown", "PartitionIndexes": [0]}])
            ask("unknown group", "fetch-none", [{"Name": "fetched", "PartitionIndexes": [0]}])
            ask("no topics", "fetch-a", [])
            if version >= 2:
                ask("all", "fetch-a", None)
                ask("all of an unknown group", "fetch-none", None)
            if version >= 7:
                ask("stable", "fetch-a", None, RequireStable=True)
            continue
        name = lambda text, known: {"TopicId": known} if version >= 10 else {  # noqa: E731
            "Name": text}
        groups = [
            {"GroupId": "fetch-a", "Topics": [
                {**name("fetched", topic_id), "PartitionIndexes": [0, 1, 2, 9]},
                {**name("fetched-unknown", NOBODY), "PartitionIndexes": [0]}]},
            {"GroupId": "fetch-b", "Topics": None},
            {"GroupId": "fetch-none", "Topics": None},
            {"GroupId": "fetch-none-either", "Topics": [
                {**name("fetched-too", other_id), "PartitionIndexes": [0]}]},
        ]
        t.call("many groups", "OffsetFetch", version, {"Groups": groups})
        t.call("no groups", "OffsetFetch", version, {"Groups": []})
        if version >= 9:
            t.call("as a member", "OffsetFetch", version, {"Groups": [
                {"GroupId": "fetch-a", "MemberId": "nobody", "MemberEpoch": 3, "Topics": None}]})


@scenario("OffsetDelete")
def deletes_offsets(t):
    t.create_topic("joined", 2)
    t.create_topic("unjoined", 2)
    member, generation = stable(t, "offset-delete")
    t.call("", "OffsetCommit", 8, {
        "GroupId": "offset-delete", "GenerationIdOrMemberEpoch": generation, "MemberId": member,
        "Topics": [{"Name": name, "Partitions": [
            {"PartitionIndex": p, "CommittedOffset": 3, "CommittedMetadata": ""} for p in (0, 1)]}
            for name in ("joined", "unjoined")]}, False)
    topics = [{"Name": "joined", "Partitions": [{"PartitionIndex": 0}]},
              {"Name": "unjoined", "Partitions": [{"PartitionIndex": 0}, {"PartitionIndex": 7}]},
              {"Name": "unknown-topic", "Partitions": [{"PartitionIndex": 0}]}]
    for version in t.versions("OffsetDelete"):
        ask = lambda label, group: t.call(  # noqa: E731
            label, "OffsetDelete", version, {"GroupId": group, "Topics": topics})
        ask("subscribed and not", "offset-delete")
        ask("unknown group", "offset-delete-unknown")
        ask("no group", "")
        t.call("", "LeaveGroup", 2, {"GroupId": "offset-delete", "MemberId": member}, False)
        ask("empty group", "offset-delete")
        t.call("what is left", "OffsetFetch", 7, {"GroupId": "offset-delete", "Topics": None})


@scenario("DescribeGroups")
def describes_groups(t):
    stable(t, "described-stable")
    stable(t, "described-static", instance="fixed")
    join(t, "described-joined", 5)
    t.call("", "OffsetCommit", 5, {"GroupId": "described-simple", "MemberId": "", "Topics": []},
           False)
    for version in t.versions("DescribeGroups"):
        for group in ("described-stable", "described-static", "described-joined",
                      "described-simple", "described-unknown", ""):
            t.call(group or "empty", "DescribeGroups", version, {"Groups": [group]})
        t.call("two", "DescribeGroups", version, {
            "Groups": ["described-stable", "described-unknown"]})
        if version >= 3:
            t.call("operations", "DescribeGroups", version, {
                "Groups": ["described-stable"], "IncludeAuthorizedOperations": True})


@scenario("ListGroups")
def lists_groups(t):
    t.create_topic("listed")
    stable(t, "listed-stable")
    member, _ = stable(t, "listed-empty")
    t.call("", "LeaveGroup", 2, {"GroupId": "listed-empty", "MemberId": member}, False)
    t.call("", "OffsetCommit", 5, {"GroupId": "listed-simple", "MemberId": "", "Topics": [
        {"Name": "listed", "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 1,
                                           "CommittedMetadata": ""}]}]}, False)

    def ask(label, version, **fields):
        raw = t.call("", "ListGroups", version, fields, False)
        raw["Groups"] = [one for one in raw["Groups"] if one["GroupId"].startswith("listed-")]
        t.note(f"ListGroups v{version} {label}", raw)

    for version in t.versions("ListGroups"):
        ask("all", version)
        if version >= 4:
            for states in (["Stable"], ["stable"], ["Empty"], ["Dead", "Empty"], ["Nonsense"]):
                ask(f"in {states}", version, StatesFilter=states)
        if version >= 5:
            for types in (["classic"], ["Classic"], ["consumer"], ["nonsense"]):
                ask(f"of type {types}", version, TypesFilter=types)


@scenario("DeleteGroups")
def deletes_groups(t):
    for version in t.versions("DeleteGroups"):
        busy, empty = f"gone-busy-{version}", f"gone-empty-{version}"
        stable(t, busy)
        member, _ = stable(t, empty)
        t.call("", "LeaveGroup", 2, {"GroupId": empty, "MemberId": member}, False)
        names = [busy, empty, "gone-unknown", ""]
        t.call("some", "DeleteGroups", version, {"GroupsNames": names})
        t.call("again", "DeleteGroups", version, {"GroupsNames": names})
        t.call("none", "DeleteGroups", version, {"GroupsNames": []})


@scenario("FindCoordinator")
def finds_coordinators(t):
    for version in t.versions("FindCoordinator"):
        if version < 4:
            t.call("group", "FindCoordinator", version, {"Key": "found"})
            t.call("empty group", "FindCoordinator", version, {"Key": ""})
            if version >= 1:
                t.call("wrong type", "FindCoordinator", version, {"Key": "found", "KeyType": 9})
        else:
            t.call("groups", "FindCoordinator", version, {
                "CoordinatorKeys": ["found", "found-too"], "KeyType": 0})
            t.call("none", "FindCoordinator", version, {"CoordinatorKeys": [], "KeyType": 0})
            t.call("wrong type", "FindCoordinator", version, {
                "CoordinatorKeys": ["found"], "KeyType": 9})
