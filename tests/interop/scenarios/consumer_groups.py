"""The consumer protocol of KIP-848: heartbeats, and what is told of a group's members."""

from harness.processes import wait_until
from scenarios import scenario

LEAVE = -1
LEAVE_FOR_A_WHILE = -2


def heartbeat(t, label, version, group, member, epoch, keep=True, **more):
    """A heartbeat; its raw answer, in which partitions are in order."""
    fields = {"GroupId": group, "MemberId": member, "MemberEpoch": epoch,
              "RebalanceTimeoutMs": -1, **more}
    raw = t.call("", "ConsumerGroupHeartbeat", version, fields, False)
    if keep:
        assignment = (raw or {}).get("Assignment")
        for topic in assignment["TopicPartitions"] if assignment else ():
            topic["Partitions"].sort()
        t.note(f"ConsumerGroupHeartbeat v{version} {label}", raw or "closed")
    return raw


def join(t, label, version, group, member, topics, keep=True, **more):
    return heartbeat(t, label, version, group, member, 0, keep, SubscribedTopicNames=topics,
                     RebalanceTimeoutMs=30000, TopicPartitions=[], **more)


def settle(t, version, group, member, epoch, owned):
    """Heartbeats of a member that has what it was told, until its assignment is whole."""
    seen = {}

    def whole():
        raw = heartbeat(t, "", version, group, member, epoch, False,
                        TopicPartitions=owned)
        seen.update(raw)
        return raw["ErrorCode"] == 0 and raw["Assignment"] is None
    wait_until(whole, 30, f"{member} to have its assignment")
    return seen


@scenario("ConsumerGroupHeartbeat")
def one_consumer(t):
    topic = t.create_topic("beat", 3)
    for version in t.versions("ConsumerGroupHeartbeat"):
        group, member = f"beat-{version}", f"member-{version}"
        joined = join(t, "joins", version, group, member, ["beat"])
        epoch = joined["MemberEpoch"]
        owned = [{"TopicId": topic, "Partitions": [0, 1, 2]}]
        heartbeat(t, "has them", version, group, member, epoch, TopicPartitions=owned)
        heartbeat(t, "again", version, group, member, epoch)
        heartbeat(t, "other topics", version, group, member, epoch,
                  SubscribedTopicNames=["beat", "beat-none"])
        heartbeat(t, "an assignor", version, group, member, epoch, ServerAssignor="range")
        heartbeat(t, "an unknown assignor", version, group, member, epoch, ServerAssignor="none")
        heartbeat(t, "an epoch from before", version, group, member, 1 << 20)
        heartbeat(t, "somebody unknown", version, group, "nobody", 3)
        heartbeat(t, "leaves", version, group, member, LEAVE)
        heartbeat(t, "has left", version, group, member, epoch)


@scenario("ConsumerGroupHeartbeat")
def what_is_wrong(t):
    topic = t.create_topic("wrong-beat")
    for version in t.versions("ConsumerGroupHeartbeat"):
        group = f"wrong-beat-{version}"
        good = {"SubscribedTopicNames": ["wrong-beat"], "RebalanceTimeoutMs": 1000,
                "TopicPartitions": []}
        beat = lambda label, member="m", epoch=0, **more: heartbeat(  # noqa: E731
            t, label, version, more.pop("group", group), member, epoch, **{**good, **more})
        beat("no group", group="")
        beat("a group of blanks", group=" ")
        beat("no rebalance timeout", RebalanceTimeoutMs=-1)
        beat("no topics", SubscribedTopicNames=None)
        beat("empty topics", SubscribedTopicNames=[])
        beat("no partitions", TopicPartitions=None)
        beat("partitions from the start", TopicPartitions=[
            {"TopicId": topic, "Partitions": [0]}])
        beat("no member id", member="")
        beat("no member id later", member="", epoch=2)
        beat("an empty instance", InstanceId="")
        beat("an empty rack", RackId="")
        beat("an unknown assignor", ServerAssignor="other")
        beat("an epoch below", epoch=-3)
        beat("leaves for a while without an instance", epoch=LEAVE_FOR_A_WHILE)
        beat("somebody unknown leaves", member="x", epoch=LEAVE)
        if version >= 1:
            beat("no pattern", SubscribedTopicNames=None, SubscribedTopicRegex="")
            beat("a wrong pattern", SubscribedTopicNames=None, SubscribedTopicRegex="wrong-(")


@scenario("ConsumerGroupHeartbeat")
def static_consumers(t):
    topic = t.create_topic("static-beat", 2)
    owned = [{"TopicId": topic, "Partitions": [0, 1]}]
    for version in t.versions("ConsumerGroupHeartbeat"):
        group, first, second = f"static-beat-{version}", f"one-{version}", f"two-{version}"
        epoch = join(t, "joins", version, group, first, ["static-beat"],
                     InstanceId="static")["MemberEpoch"]
        settle(t, version, group, first, epoch, owned)
        join(t, "a second of its instance", version, group, second, ["static-beat"],
             InstanceId="static")
        heartbeat(t, "under another instance", version, group, first, epoch, InstanceId="other")
        heartbeat(t, "leaves for a while", version, group, first, LEAVE_FOR_A_WHILE,
                  InstanceId="static")
        back = join(t, "another comes back for it", version, group, second, ["static-beat"],
                    InstanceId="static")
        heartbeat(t, "the one before", version, group, first, epoch, InstanceId="static")
        heartbeat(t, "the new one", version, group, second, back["MemberEpoch"],
                  InstanceId="static", TopicPartitions=owned)
        heartbeat(t, "leaves for good", version, group, second, LEAVE, InstanceId="static")


@scenario("ConsumerGroupHeartbeat")
def consumers_of_a_pattern(t):
    t.create_topic("pattern-beat-a")
    t.create_topic("pattern-beat-b")
    for version in t.versions("ConsumerGroupHeartbeat"):
        if version < 1:
            continue
        group, member = f"pattern-beat-{version}", f"member-{version}"
        epoch = join(t, "joins", version, group, member, None,
                     SubscribedTopicRegex="pattern-beat-.*")["MemberEpoch"]

        def resolved(group=group, member=member, epoch=epoch, version=version):
            raw = heartbeat(t, "", version, group, member, epoch, False)
            assignment = raw["Assignment"]
            return assignment is not None and len(assignment["TopicPartitions"]) == 2
        wait_until(resolved, 30, "a pattern to be resolved")
        heartbeat(t, "leaves", version, group, member, LEAVE)


@scenario("ConsumerGroupDescribe")
def describes_consumers(t):
    topic = t.create_topic("described-beat", 2)
    last = t.versions("ConsumerGroupHeartbeat")[-1]
    epoch = join(t, "", last, "described-beat", "member", ["described-beat"], keep=False,
                 InstanceId="instance", RackId="rack")["MemberEpoch"]
    settle(t, last, "described-beat", "member", epoch,
           [{"TopicId": topic, "Partitions": [0, 1]}])
    join(t, "", last, "empty-beat", "gone", ["described-beat"], keep=False)
    heartbeat(t, "", last, "empty-beat", "gone", LEAVE, keep=False)
    for version in t.versions("ConsumerGroupDescribe"):
        for groups in (["described-beat"], ["empty-beat"], ["no-beat"], [""], [],
                       ["described-beat", "no-beat", "described-beat"]):
            for authorized in (False, True):
                raw = t.call("", "ConsumerGroupDescribe", version, {
                    "GroupIds": groups, "IncludeAuthorizedOperations": authorized}, False)
                for group in raw["Groups"]:
                    for member in group["Members"]:
                        for part in ("Assignment", "TargetAssignment"):
                            for one in member[part]["TopicPartitions"]:
                                one["Partitions"].sort()
                t.note(f"ConsumerGroupDescribe v{version} {groups}, {authorized}", raw)
