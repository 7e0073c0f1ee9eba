"""Clients with group.protocol=consumer (KIP-848), and groups that change their protocol."""

import pytest

from harness import drivers
from harness.processes import wait_until
from test_clients import (SECONDS, await_share, await_values, make_topic, need, numbered,
                          received_values, values)

NAMES = ["java", "confluent-kafka", "franz-go"]


@pytest.fixture(scope="module")
def group_node(kind, start_node):
    """A node of its own, as it is restarted; members beat often and are missed soon."""
    return start_node(kind, "consumer-groups", **{
        "group.consumer.min.heartbeat.interval.ms": 300,
        "group.consumer.heartbeat.interval.ms": 300,
        "group.consumer.min.session.timeout.ms": 6000,
        "group.consumer.session.timeout.ms": 6000})


@pytest.fixture(scope="module", params=NAMES)
def driver(request, folder):
    made = drivers.Driver(request.param, folder / f"consumer-groups-{request.param}.log")
    yield made
    made.close()


@pytest.fixture
def client(driver, group_node, request):
    """A driver that is connected, with names that only this test has."""
    need(driver, "consumer_protocol")
    driver.connect(bootstrap=group_node.bootstrap)
    driver.topic = f"{driver.name}-{request.function.__name__}"
    driver.group = f"{driver.topic}-group"
    yield driver
    assert group_node.alive(), group_node.tail()


def join(client, member, protocol="consumer", **more):
    client.join(member=member, group=client.group, protocol=protocol,
                **{"topic": client.topic, **more})


def produce(client, first, count, topic=None):
    client.produce(topic=topic or client.topic, records=numbered(first, count), codec="none")


def await_more(client, first, count, *members):
    wait_until(lambda: set(values(numbered(first, count))) <= set(
        received_values(client, *members)), SECONDS, f"records {first} to {first + count}")


def test_members_come_and_go(client, group_node):
    """Shares, commits, a leave, a restart of the node, and on from what was committed."""
    make_topic(client, 4)
    produce(client, 0, 60)
    join(client, "a")
    await_share(client, {"a": 4})
    await_values(client, values(numbered(0, 60)), "a")
    client.commit(member="a")
    join(client, "b")
    await_share(client, {"a": 2, "b": 2})
    join(client, "c")
    wait_until(lambda: sorted(len(client.assignment(member=one)) for one in "abc") == [1, 1, 2],
               SECONDS, "shares of three")
    produce(client, 60, 40)
    await_more(client, 60, 40, "a", "b", "c")
    for member in "abc":
        client.commit(member=member)
    assert sum(client.committed(group=client.group).values()) == 100
    client.leave(member="c")
    client.leave(member="b")
    await_share(client, {"a": 4})

    group_node.stop()
    group_node.start()
    client.connect(bootstrap=group_node.bootstrap)
    produce(client, 100, 10)
    await_more(client, 100, 10, "a")
    client.commit(member="a")
    client.leave(member="a")

    produce(client, 110, 10)
    join(client, "d")
    await_values(client, values(numbered(110, 10)), "d")
    client.leave(member="d")


def test_a_dead_member_is_missed(client, group_node, folder):
    make_topic(client, 4)
    join(client, "a")
    await_share(client, {"a": 4})
    other = drivers.Driver(client.name, folder / f"dies-{client.name}.log")
    other.connect(bootstrap=group_node.bootstrap)
    other.topic, other.group = client.topic, client.group
    join(other, "b")
    await_share(client, {"a": 2})
    wait_until(lambda: len(other.assignment(member="b")) == 2, SECONDS, "its share")
    other.process.kill()
    await_share(client, {"a": 4})
    client.leave(member="a")


def test_static_members(client):
    """A member that comes back under its instance id has its partitions, undisturbed."""
    need(client, "static")
    make_topic(client, 4)
    join(client, "a", instance="instance-a")
    await_share(client, {"a": 4})
    join(client, "b", instance="instance-b")
    await_share(client, {"a": 2, "b": 2})
    held = client.assignment(member="a")
    client.leave(member="a")
    assert len(client.assignment(member="b")) == 2
    join(client, "a", instance="instance-a")
    await_share(client, {"a": 2, "b": 2})
    assert client.assignment(member="a") == held
    client.leave(member="a")
    client.leave(member="b")


def test_a_pattern(client):
    """The node finds the topics that a pattern means, also those that come later."""
    need(client, "regex")
    first, second = f"{client.topic}-1", f"{client.topic}-22"
    pattern = f"{client.topic}-[0-9]+"
    client.create_topic(topic=first, partitions=2, configs={})
    produce(client, 0, 10, first)
    join(client, "a", topic=pattern, regex=True)
    await_values(client, values(numbered(0, 10)), "a")
    client.create_topic(topic=second, partitions=1, configs={})
    wait_until(lambda: second in client.list_topics(), SECONDS, "the topic is listed")
    produce(client, 10, 5, second)
    await_values(client, values(numbered(0, 15)), "a")
    assert client.assignment(member="a") == [f"{first}-0", f"{first}-1", f"{second}-0"]
    client.leave(member="a")


def test_a_group_changes_its_protocol(client):
    """A classic group takes in members of the consumer protocol, one by one, and goes back."""
    make_topic(client, 4)
    produce(client, 0, 20)
    join(client, "a", "classic")
    join(client, "b", "classic")
    await_share(client, {"a": 2, "b": 2})
    await_values(client, values(numbered(0, 20)), "a", "b")
    client.commit(member="a")
    client.commit(member="b")

    join(client, "c")
    wait_until(lambda: client.assignment(member="c"), SECONDS, "a share for the new one")
    produce(client, 20, 20)
    await_more(client, 20, 20, "a", "b", "c")
    client.leave(member="a")
    await_share(client, {"b": 2, "c": 2})
    client.leave(member="b")
    await_share(client, {"c": 4})
    produce(client, 40, 20)
    await_more(client, 40, 20, "c")
    client.commit(member="c")

    join(client, "d", "classic")
    await_share(client, {"c": 2, "d": 2})
    client.leave(member="c")
    await_share(client, {"d": 4})
    produce(client, 60, 20)
    await_more(client, 60, 20, "d")
    client.commit(member="d")
    assert sum(client.committed(group=client.group).values()) == 80
    client.leave(member="d")


def test_tools_tell_of_the_group(client, group_node, tools):
    if client.name != "java":
        pytest.skip("the members' kind does not matter")
    make_topic(client, 3)
    produce(client, 0, 9)
    join(client, "a")
    await_values(client, values(numbered(0, 9)), "a")
    client.commit(member="a")

    def told(*words):
        run = tools.run("consumer-groups", "--bootstrap-server", group_node.bootstrap, *words)
        assert run.status == 0, run
        return [line.split() for line in run.out.splitlines() if client.group in line]

    assert told("--list") == [[client.group]]
    assert told("--list", "--state") == [[client.group, "Stable"]]
    assert told("--list", "--type", "consumer") == [[client.group, "Consumer"]]
    assert told("--list", "--type", "classic") == []
    describe = ["--describe", "--group", client.group]
    (state,) = told(*describe, "--state")
    assert {"uniform", "Stable", "1"} <= set(state), state
    (member,) = told(*describe, "--members")
    assert member[-1] == "3", member
    offsets = told(*describe)
    assert len(offsets) == 3 and sum(int(one[3]) for one in offsets) == 9
    client.leave(member="a")
    told("--delete", "--group", client.group)
    assert told("--list") == []


GROUP_RESOURCE, INVALID_CONFIG = 32, 40
# Values that are beyond what the broker's configs allow for a group, or just within that.
BEYOND = {
    "consumer.assignment.interval.ms": 15001, "consumer.heartbeat.interval.ms": 15001,
    "consumer.session.timeout.ms": 44999, "share.assignment.interval.ms": 15001,
    "share.delivery.count.limit": 11, "share.heartbeat.interval.ms": 4999,
    "share.partition.max.record.locks": 99, "share.record.lock.duration.ms": 60001,
    "share.session.timeout.ms": 60001, "streams.assignment.interval.ms": 15001,
    "streams.heartbeat.interval.ms": 4999, "streams.num.standby.replicas": 3,
    "streams.session.timeout.ms": 60001}
WITHIN = {
    "consumer.assignment.interval.ms": 15000, "consumer.heartbeat.interval.ms": 15000,
    "consumer.session.timeout.ms": 60000, "share.assignment.interval.ms": 0,
    "share.delivery.count.limit": 10, "share.partition.max.record.locks": 100,
    "share.record.lock.duration.ms": 60000, "streams.initial.rebalance.delay.ms": 10 ** 9,
    "streams.num.standby.replicas": 2}


def alter_group(connection, name, value):
    """The error of setting a config of the group."""
    answer = connection.call("IncrementalAlterConfigs", 1, {
        "Resources": [{"ResourceType": GROUP_RESOURCE, "ResourceName": "bounded", "Configs": [
            {"Name": name, "ConfigOperation": 0, "Value": str(value)}]}],
        "ValidateOnly": False})
    return answer["Responses"][0]["ErrorCode"]


def told_interval(node, member):
    with node.connect() as connection:
        answer = connection.call("ConsumerGroupHeartbeat", 1, {
            "GroupId": "bounded", "MemberId": member, "MemberEpoch": 0, "InstanceId": None,
            "RackId": None, "RebalanceTimeoutMs": 60000, "SubscribedTopicNames": ["absent"],
            "SubscribedTopicRegex": None, "ServerAssignor": None, "TopicPartitions": []})
        return answer["HeartbeatIntervalMs"] if answer["ErrorCode"] == 0 else None


def test_configs_out_of_bounds(kind, start_node):
    """They are refused; where the broker's bounds are narrowed later, the nearest one counts."""
    node = start_node(kind, "group-bounds")
    with node.connect() as connection:
        for name, value in BEYOND.items():
            assert (name, alter_group(connection, name, value)) == (name, INVALID_CONFIG)
        for name, value in WITHIN.items():
            assert (name, alter_group(connection, name, value)) == (name, 0)
        connection.call("FindCoordinator", 6, {"KeyType": 0, "CoordinatorKeys": ["bounded"]})
    wait_until(lambda: told_interval(node, "a") == 15000, SECONDS, "the interval of the group")
    node.stop()
    node.properties["group.consumer.max.heartbeat.interval.ms"] = 7000
    node.start()
    wait_until(lambda: told_interval(node, "b") == 7000, SECONDS, "the broker's bound")
