"""Our client in groups of the consumer protocol (KIP-848) and share groups (KIP-932): alone, and
with Java's members among its own."""

import collections
import re
import subprocess

import pytest

from harness import drivers
from harness.native import Member
from harness.node import MillraceNode
from harness.processes import wait_until
from test_clients import SECONDS, make_topic, numbered, received_values, values
from test_share_groups import GROUP_CONFIGS, LOCK_MS, set_configs


@pytest.fixture(scope="module")
def group_node(kind, start_node):
    """A node of its own, as it is restarted; members beat often and are missed soon."""
    return start_node(kind, "native-groups", **{
        "offsets.topic.num.partitions": 3,
        "group.consumer.min.heartbeat.interval.ms": 300,
        "group.consumer.heartbeat.interval.ms": 300,
        "group.consumer.min.session.timeout.ms": 6000,
        "group.consumer.session.timeout.ms": 6000,
        "group.share.min.record.lock.duration.ms": 1000,
        "group.share.record.lock.duration.ms": LOCK_MS,
        "group.share.min.heartbeat.interval.ms": 300,
        "group.share.heartbeat.interval.ms": 300,
        "group.share.assignment.interval.ms": 100,
        "group.share.delivery.count.limit": 10,
        "share.coordinator.state.topic.num.partitions": 3})


@pytest.fixture(scope="module")
def driver(folder):
    made = drivers.Driver("java", folder / "native-groups-java.log")
    yield made
    made.close()


@pytest.fixture
def client(driver, group_node, request):
    driver.connect(bootstrap=group_node.bootstrap)
    driver.topic = re.sub(r"\W", "-", request.node.name)
    driver.group = f"{driver.topic}-group"
    yield driver
    assert group_node.alive(), group_node.tail()


@pytest.fixture
def native(client, group_node, folder):
    """native(*arguments): a member of the test's group; all are ended with the test."""
    members = []

    def start(*arguments, tool="verifiable-consumer", protocol=("--group-protocol", "consumer"),
              topic=None):
        log = folder / f"{client.topic}-{len(members)}.log"
        more = () if tool == "verifiable-share-consumer" else protocol
        members.append(Member(tool, group_node.bootstrap, log, "--group-id", client.group,
                              "--topic", topic or client.topic, *more, *arguments))
        return members[-1]
    yield start
    for one in members:
        if one.process.poll() is None:
            one.kill()


def produce(client, first, count, topic=None):
    client.produce(topic=topic or client.topic, records=numbered(first, count), codec="none")


def await_shares(client, shares, *, native=(), java=()):
    """Members hold shares of these sizes, all of the topic, none twice."""
    def held():
        return [one.assignment() for one in native] + [
            client.assignment(member=one) for one in java]

    def ready():
        flat = [each for one in held() for each in one]
        sizes = sorted(len(one) for one in held())
        return len(set(flat)) == len(flat) and sizes == sorted(shares)
    wait_until(ready, SECONDS, lambda: f"shares {shares}; there are {held()}")


def await_values(client, wanted, *, native=(), java=()):
    """They have had all of these, at least once."""
    def missing():
        got = set(received_values(client, *java)) if java else set()
        return set(wanted) - got - {value for one in native for value in one.values()}
    wait_until(lambda: not missing(), SECONDS, lambda: f"{len(missing())} of {len(wanted)}")


def test_members_come_and_go(client, group_node, native):
    make_topic(client, 4)
    produce(client, 0, 60)
    one = native()
    await_shares(client, [4], native=[one])
    await_values(client, values(numbered(0, 60)), native=[one])
    two = native()
    await_shares(client, [2, 2], native=[one, two])
    # What stayed was never given up.
    assert len(one.named("partitions_revoked")[0]["partitions"]) == 2
    three = native()
    await_shares(client, [1, 1, 2], native=[one, two, three])
    produce(client, 60, 60)
    await_values(client, values(numbered(0, 120)), native=[one, two, three])
    # Commits follow what was read: nothing came twice.
    three.stop()
    await_shares(client, [2, 2], native=[one, two])
    two.kill()
    await_shares(client, [4], native=[one])
    group_node.stop()
    group_node.start()
    client.connect(bootstrap=group_node.bootstrap)
    produce(client, 120, 20)
    await_values(client, values(numbered(120, 20)), native=[one])
    wait_until(lambda: sum(client.committed(group=client.group).values()) == 140, SECONDS,
               "all is committed")
    one.stop()
    counts = sum((each.values() for each in (one, two, three)), collections.Counter())
    assert set(counts) == set(values(numbered(0, 140)))


def test_with_java_s_members(client, native):
    """Rebalances among members of both kinds, and what each hands over is read once."""
    make_topic(client, 6)
    client.join(member="a", group=client.group, topic=client.topic, protocol="consumer")
    await_shares(client, [6], java=["a"])
    one = native()
    await_shares(client, [3, 3], native=[one], java=["a"])
    produce(client, 0, 100)
    await_values(client, values(numbered(0, 100)), native=[one], java=["a"])
    client.commit(member="a")
    client.join(member="b", group=client.group, topic=client.topic, protocol="consumer")
    two = native()
    await_shares(client, [1, 1, 2, 2], native=[one, two], java=["a", "b"])
    produce(client, 100, 100)
    await_values(client, values(numbered(0, 200)), native=[one, two], java=["a", "b"])
    client.commit(member="a")
    client.commit(member="b")
    counts = collections.Counter(received_values(client, "a", "b"))
    client.leave(member="a")
    client.leave(member="b")
    await_shares(client, [3, 3], native=[one, two])
    wait_until(lambda: sum(client.committed(group=client.group).values()) == 200, SECONDS,
               "all is committed")
    produce(client, 200, 20)
    await_values(client, values(numbered(200, 20)), native=[one, two])
    one.stop()
    two.stop()
    counts += one.values() + two.values()
    assert set(counts.values()) == {1}, counts.most_common(3)


def test_static_members(client, native):
    """A member that comes back under its instance id has its partitions; a second one has none."""
    make_topic(client, 4)
    one = native("--group-instance-id", "one")
    await_shares(client, [4], native=[one])
    two = native("--group-instance-id", "two")
    await_shares(client, [2, 2], native=[one, two])
    held = one.assignment()
    one.stop()
    assert len(two.assignment()) == 2
    back = native("--group-instance-id", "one")
    await_shares(client, [2, 2], native=[back, two])
    assert back.assignment() == held
    thief = native("--group-instance-id", "one")
    assert thief.process.wait(SECONDS) == 1
    assert "UNRELEASED_INSTANCE_ID" in thief.log.read_text()
    assert back.assignment() == held
    back.stop()
    two.stop()


def test_a_group_changes_its_protocol(client, native):
    """Native members of either protocol in one group, which goes over and back."""
    make_topic(client, 4)
    old = native(protocol=("--session-timeout", "6000"))
    await_shares(client, [4], native=[old])
    new = native()
    wait_until(lambda: len(new.assignment()) == 2, SECONDS, "a share for the new one")
    produce(client, 0, 40)
    await_values(client, values(numbered(0, 40)), native=[old, new])
    old.stop()
    await_shares(client, [4], native=[new])
    late = native(protocol=("--session-timeout", "6000"))
    await_shares(client, [2, 2], native=[new, late])
    new.stop()
    await_shares(client, [4], native=[late])
    produce(client, 40, 10)
    await_values(client, values(numbered(40, 10)), native=[late])
    late.stop()


def run(node, tool, *arguments):
    done = subprocess.run(
        [MillraceNode.executable, tool, "--bootstrap-server", node.bootstrap,
         *map(str, arguments)], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return done


def test_console_consumer_of_a_pattern(client, group_node):
    """The node finds the topics; those that come later are found, too."""
    for name in ("one", "two"):
        client.create_topic(topic=f"{client.topic}-{name}", partitions=2, configs={})
        produce(client, 0, 10, f"{client.topic}-{name}")
    shown = run(group_node, "console-consumer", "--include", f"{client.topic}-.*",
                "--from-beginning", "--max-messages", 20, "--timeout-ms", 30000,
                "--consumer-property", "group.protocol=consumer")
    assert sorted(shown.stdout.splitlines()) == sorted(2 * values(numbered(0, 10)))
    measured = run(group_node, "consumer-perf-test", "--topic", f"{client.topic}-one",
                   "--num-records", 10, "--command-property", "group.protocol=consumer",
                   "--hide-header")
    assert measured.stdout.split(", ")[4] == "10"


@pytest.fixture
def share(client, group_node, tools, native):
    """share(*arguments): a member of the test's share group."""
    client.create_topic(topic=client.topic, partitions=2, configs={})
    set_configs(tools, group_node.bootstrap, client.group, GROUP_CONFIGS)
    return lambda *arguments: native(*arguments, tool="verifiable-share-consumer")


def deliveries(client, natives, *java):
    counts = sum((one.values() for one in natives), collections.Counter())
    for member in java:
        counts.update(one[4] for one in client.share_received(member=member))
    return counts


@pytest.mark.parametrize("mode", ["auto", "sync", "async"])
def test_share_group_with_java_s_members(client, share, mode):
    """All records once between members of both kinds."""
    one = share("--acknowledgement-mode", mode)
    two = share("--acknowledgement-mode", mode)
    client.share_join(member="a", group=client.group, topic=client.topic, mode="explicit",
                      records=20)
    wanted = values(numbered(0, 300))
    for i in range(0, 300, 50):
        produce(client, i, 50)
    wait_until(lambda: set(deliveries(client, [one, two], "a")) == set(wanted), SECONDS,
               "all records")
    by_java = deliveries(client, [], "a")
    client.share_leave(member="a")
    # Who holds fewer partitions may have been faster all the time.
    produce(client, 300, 50)
    wanted = values(numbered(0, 350))
    wait_until(lambda: set(by_java + deliveries(client, [one, two])) == set(wanted), SECONDS,
               "the records behind the member that has left")
    one.stop()
    two.stop()
    counts = by_java + deliveries(client, [one, two])
    assert set(counts.values()) == {1}, counts.most_common(3)
    told = [each for member in (one, two) for each in member.named("offsets_acknowledged")]
    assert told and all(each["success"] for each in told), told
    acknowledged = sum(each["count"] for each in told)
    natives = sum((one.values() + two.values()).values())
    # With auto the last ones are given back by the end.
    assert acknowledged == natives if mode != "auto" else acknowledged <= natives


def test_a_killed_share_member_is_missed(client, share):
    produce(client, 0, 40)
    one = share()
    wait_until(one.values, SECONDS, "records")
    one.kill()
    two = share()
    produce(client, 40, 10)
    wait_until(lambda: set(one.values() + two.values()) == set(values(numbered(0, 50))), SECONDS,
               lambda: f"{len(two.values())} records")
    two.stop()


def test_share_members_stay_through_a_restart(client, group_node, share):
    one, two = share("--acknowledgement-mode", "sync"), share("--acknowledgement-mode", "async")
    for turn in range(2):
        produce(client, 100 * turn, 100)
        group_node.stop()
        group_node.start()
        client.connect(bootstrap=group_node.bootstrap)
        wanted = set(values(numbered(0, 100 * (turn + 1))))
        wait_until(lambda: set(one.values() + two.values()) == wanted, SECONDS,
                   lambda: f"{len(set(one.values() + two.values()))} records")
    one.stop()
    two.stop()


def console_share(node, client, *arguments):
    done = run(node, "console-share-consumer", "--topic", client.topic, "--group", client.group,
               "--timeout-ms", 2 * LOCK_MS, "--formatter-property", "print.delivery=true",
               *arguments)
    return sorted(done.stdout.splitlines())


def test_console_share_consumer(client, group_node, share, tools):
    """What is released comes again, what is rejected does not; Apache's tool the same."""
    assert share is not None
    produce(client, 0, 10)
    wanted = values(numbered(0, 10))
    few = ("--release", "--max-messages", 4)

    def values_of(lines):
        assert all(re.match(r"Delivery:\d+\t", line) for line in lines), lines
        return sorted(line.split("\t")[1] for line in lines)
    mine = console_share(group_node, client, *few)
    assert len(mine) == 4 and set(values_of(mine)) <= set(wanted)
    theirs = tools.run("console-share-consumer", "--bootstrap-server", group_node.bootstrap,
                       "--topic", client.topic, "--group", client.group, "--timeout-ms",
                       2 * LOCK_MS, "--formatter-property", "print.delivery=true", *few)
    assert len(values_of(theirs.out.splitlines())) == 4
    rejected = console_share(group_node, client, "--reject")
    assert values_of(rejected) == wanted
    assert not all(line.startswith("Delivery:1\t") for line in rejected), rejected
    assert console_share(group_node, client) == []


def test_share_groups_tool(client, group_node, share, tools, folder):
    """Our kafka-share-groups prints what Apache's prints, and does what it does."""
    def both(*arguments, status=0):
        theirs = tools.run("share-groups", "--bootstrap-server", group_node.bootstrap, *arguments)
        mine = subprocess.run(
            [MillraceNode.executable, "share-groups", "--bootstrap-server", group_node.bootstrap,
             *arguments], capture_output=True, text=True, check=False, timeout=SECONDS)
        assert mine.returncode == theirs.status == status, (mine.stderr, theirs.err)
        return mine.stdout, theirs.out

    def same(*arguments):
        mine, theirs = both(*arguments)
        assert mine == theirs
        return mine

    def settled(*arguments, wanted):
        """What is being changed may change between the two runs."""
        wait_until(lambda: len(set(both(*arguments))) == 1 and re.search(
            wanted, both(*arguments)[0]), SECONDS, lambda: both(*arguments))
        return same(*arguments)

    group = ("--group", client.group)
    produce(client, 0, 30)
    one = share("--acknowledgement-mode", "sync")
    wait_until(lambda: len(one.values()) == 30, SECONDS, "all records")
    settled("--describe", *group, wanted=rf"{client.topic} +1 +\d+ +0\n")
    settled("--describe", *group, "--offsets", "--verbose", wanted="LEADER-EPOCH")
    settled("--describe", *group, "--members", wanted=rf"2 +{client.topic}:0,1\n")
    settled("--describe", *group, "--members", "--verbose", wanted="MEMBER-EPOCH")
    settled("--describe", *group, "--state", wanted=r"Stable +1\n")
    settled("--describe", *group, "--state", "--verbose", wanted="ASSIGNMENT-EPOCH")
    one.stop()
    settled("--describe", *group, "--state", wanted=r"Empty +0\n")
    settled("--describe", *group, wanted=r"\d+ +0\n")
    both("--describe", *group, "--members")

    def lines(*arguments):
        return [sorted(text.splitlines()) for text in both(*arguments)]
    for arguments in (["--list"], ["--list", "--state"], ["--list", "--state", "stable,empty"]):
        mine, theirs = lines(*arguments)
        assert mine == theirs and any(client.group in line for line in mine)

    for where in (["--to-earliest"], ["--to-latest"], ["--to-datetime", "2020-01-01T00:00:00.000"],
                  ["--to-datetime", "2020-01-01T00:00:00.000+01:00"]):
        for topics in (["--all-topics"], ["--topic", client.topic],
                       ["--topic", f"{client.topic}:1"]):
            mine, theirs = lines("--reset-offsets", *group, *topics, *where, "--dry-run")
            assert mine == theirs and len(mine) >= 3
    run(group_node, "share-groups", "--reset-offsets", *group, "--topic", client.topic,
        "--to-earliest", "--execute")
    settled("--describe", *group, wanted=rf"{client.topic} +0 +0 +\d+\n")
    again = share("--acknowledgement-mode", "sync")
    wait_until(lambda: len(again.values()) == 30, SECONDS, "all records once more")
    refused = subprocess.run(
        [MillraceNode.executable, "share-groups", "--bootstrap-server", group_node.bootstrap,
         "--delete", *group], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert f"Share group '{client.group}' is not EMPTY." in refused.stderr
    again.stop()
    wait_until(lambda: "Empty" in both("--describe", *group, "--state")[0], SECONDS, "it is empty")
    mine = run(group_node, "share-groups", "--delete-offsets", *group, "--topic", client.topic)
    assert mine.stdout == f"\n{'TOPIC':15} STATUS\n{client.topic:15} Successful\n".replace(
        "TOPIC          ", f"{'TOPIC':{max(15, len(client.topic))}}")
    settled("--describe", *group, wanted="has no offset information")
    deleted = run(group_node, "share-groups", "--delete", *group)
    assert deleted.stdout == (
        f"Deletion of requested share groups ('{client.group}') was successful.\n")
    mine, theirs = lines("--list")
    assert mine == theirs and client.group not in mine
