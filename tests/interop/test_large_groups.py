"""A hundred members on five hundred partitions, in groups of each kind: they come together, some
die and some leave, others come, and each time all is shared out again. The members are of our
client, a process each, or Java's in a process or two. How long each step takes is printed (-s), on
Apache's broker, too (--broker both)."""

import time

import pytest

from harness import drivers
from harness.native import Member
from harness.processes import wait_until
from test_clients import make_topic, numbered, values

MEMBERS, PARTITIONS, GONE = 100, 500, 20
SECONDS = 240
SESSION_MS = 15_000


@pytest.fixture(scope="module")
def group_node(kind, start_node):
    return start_node(kind, "large-groups", **{
        "offsets.topic.num.partitions": 3,
        "group.consumer.min.heartbeat.interval.ms": 1000,
        "group.consumer.heartbeat.interval.ms": 1000,
        "group.consumer.min.session.timeout.ms": SESSION_MS,
        "group.consumer.session.timeout.ms": SESSION_MS,
        "group.share.min.heartbeat.interval.ms": 1000,
        "group.share.heartbeat.interval.ms": 1000,
        "group.share.min.session.timeout.ms": SESSION_MS,
        "group.share.session.timeout.ms": SESSION_MS,
        "share.coordinator.state.topic.num.partitions": 3})


@pytest.fixture
def client(kind, group_node, folder, request):
    made = drivers.Driver("java", folder / "large-groups-java.log")
    made.connect(bootstrap=group_node.bootstrap)
    made.topic = request.node.name.replace("[", "-").replace("]", "")
    made.kind = kind
    yield made
    made.close()
    assert group_node.alive(), group_node.tail()


@pytest.fixture
def crowd(client, group_node, folder):
    """crowd(count, tool, *arguments): so many more members; all are ended with the test."""
    members = []

    def come(count, tool, *arguments):
        added = [Member(tool, group_node.bootstrap,
                        folder / f"{client.topic}-{len(members) + i}.log", "--group-id",
                        client.topic, "--topic", client.topic, *arguments)
                 for i in range(count)]
        members.extend(added)
        return added
    yield come
    for one in members:
        if one.process.poll() is None:
            one.process.kill()
    for one in members:
        one.process.wait()


def timed(client, what, condition, told):
    began = time.monotonic()
    wait_until(condition, SECONDS, told)
    print(f"{client.kind}, {client.topic}: {what}: {time.monotonic() - began:.1f} s")


def end_in_order(members):
    """All at once; a second signal would end one that is at it."""
    for one in members:
        one.process.terminate()
    for one in members:
        status = one.process.wait(SECONDS)
        assert status == 0, one.log.read_text()[-2000:]


class JavaMember:
    """One of many in a process of Java's client."""

    def __init__(self, driver, name, group, topic, protocol):
        self.driver, self.name = driver, name
        driver.join(member=name, group=group, topic=topic, protocol=protocol)

    def assignment(self):
        return self.driver.assignment(member=self.name)

    def leave(self):
        self.driver.leave(member=self.name)


@pytest.fixture
def java_crowd(client, group_node, folder):
    """java_crowd(count, protocol): so many more members, and the process in which they are."""
    drivers_made = []

    def come(count, protocol):
        driver = drivers.Driver(
            "java", folder / f"{client.topic}-java-{len(drivers_made)}.log")
        drivers_made.append(driver)
        driver.connect(bootstrap=group_node.bootstrap)
        return [JavaMember(driver, f"m{i}", client.topic, client.topic, protocol)
                for i in range(count)], driver.process
    yield come
    for driver in drivers_made:
        driver.process.kill()
        driver.close()


def await_shares(client, members, what):
    """The default strategy of our client, Java's ranges, and the node's own give equal shares."""
    def sizes():
        held = [one.assignment() for one in members]
        flat = [each for one in held for each in one]
        return len(flat), len(set(flat)), min(map(len, held)), max(map(len, held))

    share = PARTITIONS // len(members)
    most = share + (PARTITIONS % len(members) > 0)
    timed(client, what, lambda: sizes() == (PARTITIONS, PARTITIONS, share, most), sizes)


PROTOCOLS = pytest.mark.parametrize("protocol", ["consumer", "classic"])


@PROTOCOLS
def test_each_partition_has_one_owner(client, crowd, protocol):
    client.create_topic(topic=client.topic, partitions=PARTITIONS, configs={})
    arguments = (("--group-protocol", "consumer") if protocol == "consumer"
                 else ("--session-timeout", SESSION_MS))
    members = crowd(MEMBERS, "verifiable-consumer", *arguments)
    await_shares(client, members, f"{MEMBERS} come at once")
    for one in members[:GONE]:
        one.process.kill()
    await_shares(client, members[GONE:], f"{GONE} die, missed after {SESSION_MS / 1000:.0f} s")
    for one in members[GONE:2 * GONE]:
        one.process.terminate()
    members = members[2 * GONE:]
    await_shares(client, members, f"{GONE} leave")
    members += crowd(2 * GONE, "verifiable-consumer", *arguments)
    await_shares(client, members, f"{2 * GONE} come")
    end_in_order(members)


@PROTOCOLS
def test_each_partition_has_one_owner_of_java_s(client, java_crowd, protocol):
    client.create_topic(topic=client.topic, partitions=PARTITIONS, configs={})
    members, _ = java_crowd(MEMBERS - GONE, protocol)
    mortal, process = java_crowd(GONE, protocol)
    await_shares(client, members + mortal, f"{MEMBERS} come at once")
    process.kill()
    await_shares(client, members, f"{GONE} die")
    for one in members[:GONE]:
        one.leave()
    members = members[GONE:]
    await_shares(client, members, f"{GONE} leave")
    late, _ = java_crowd(2 * GONE, protocol)
    await_shares(client, members + late, f"{2 * GONE} come")


def test_all_records_are_shared(client, crowd, tools, group_node):
    """Of a share group; each partition has records, and whoever dies has held some."""
    make_topic(client, PARTITIONS)
    tools.run("configs", "--bootstrap-server", group_node.bootstrap, "--alter", "--entity-type",
              "groups", "--entity-name", client.topic, "--add-config",
              "share.auto.offset.reset=earliest,share.record.lock.duration.ms=15000")
    members = crowd(MEMBERS, "verifiable-share-consumer", "--acknowledgement-mode", "sync")
    wanted = set()

    def produce(count):
        client.produce(topic=client.topic, records=numbered(len(wanted), count), codec="none")
        wanted.update(values(numbered(len(wanted), count)))

    def missing(members):
        return len(wanted - {value for one in members for value in one.values()})

    produce(2000)
    timed(client, f"2000 records for {MEMBERS} that come", lambda: not missing(members),
          lambda: f"{missing(members)} records")
    for one in members[:GONE]:
        one.process.kill()
    produce(2000)
    timed(client, f"2000 records while {GONE} die", lambda: not missing(members),
          lambda: f"{missing(members)} records")
    late = crowd(GONE, "verifiable-share-consumer", "--acknowledgement-mode", "sync")
    members += late
    wait_until(lambda: all(one.named("startup_complete") for one in late), SECONDS, "the late")
    produce(2000)
    timed(client, f"2000 records for {GONE} more", lambda: not missing(members),
          lambda: f"{missing(members)} records")
    end_in_order(members[GONE:])
