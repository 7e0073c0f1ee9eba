"""Client libraries do with the node what they do with Apache Kafka."""

import collections
import time

import pytest

from harness import drivers
from harness.processes import wait_until

SECONDS = 60


@pytest.fixture(scope="module")
def client_node(kind, start_node):
    """A node of its own, as it is restarted."""
    return start_node(kind, "clients")


@pytest.fixture(scope="module", params=list(drivers.COMMANDS))
def driver(request, folder):
    made = drivers.Driver(request.param, folder / f"driver-{request.param}.log")
    yield made
    made.close()


@pytest.fixture
def client(driver, client_node, request):
    """A driver that is connected, with names that only this test has."""
    driver.connect(bootstrap=client_node.bootstrap)
    driver.topic = f"{driver.name}-{request.function.__name__}"
    driver.group = f"{driver.topic}-group"
    yield driver
    assert client_node.alive(), client_node.tail()


def need(client, *abilities):
    for ability in abilities:
        if ability not in client.can:
            pytest.skip(f"{client.name} has no {ability.replace('_', ' ')}")


def make_topic(client, partitions=1, **configs):
    client.create_topic(topic=client.topic, partitions=partitions, configs=configs)
    wait_until(lambda: client.topic in client.list_topics(), SECONDS, "the topic is listed")


def numbered(first, count, **more):
    return [{"key": f"key-{i}", "value": f"value {i} ÄÖ", **more}
            for i in range(first, first + count)]


def values(records):
    return sorted(record["value"] for record in records)


def received_values(client, *members):
    return sorted(one[4] for member in members for one in client.received(member=member))


def await_values(client, wanted, *members):
    """Waits until the members have received exactly the wanted values, each at least once."""
    def ready():
        got = set(received_values(client, *members))
        assert got <= set(wanted), f"unknown: {sorted(got - set(wanted))[:3]}"
        return got == set(wanted)
    wait_until(ready, SECONDS, lambda: f"{len(wanted)} records; there are "
               f"{len(set(received_values(client, *members)))}")


def await_share(client, shares):
    """Waits until the members hold shares of these sizes, all of the topic, none twice."""
    def held():
        return {member: client.assignment(member=member) for member in shares}

    def ready():
        flat = [one for each in held().values() for one in each]
        return len(set(flat)) == len(flat) == sum(shares.values()) and all(
            len(held()[member]) == share for member, share in shares.items())
    wait_until(ready, SECONDS, lambda: f"shares {shares}; there are {held()}")


def test_topic_life(client):
    make_topic(client, 2)
    with pytest.raises(drivers.DriverError):
        client.create_topic(topic=client.topic, partitions=2, configs={})
    if "partitions" in client.can:
        client.create_partitions(topic=client.topic, total=5)
    client.delete_topic(topic=client.topic)
    wait_until(lambda: client.topic not in client.list_topics(), SECONDS, "the topic is gone")


def test_configs(client):
    need(client, "configs")
    make_topic(client, 1, **{"retention.ms": "123456"})
    found = client.describe_configs(topic=client.topic)
    assert found["retention.ms"] == "123456"
    assert found["cleanup.policy"] == "delete"
    client.alter_configs(topic=client.topic, set={"cleanup.policy": "compact"},
                         delete=["retention.ms"])
    wait_until(lambda: client.describe_configs(topic=client.topic)["cleanup.policy"] == "compact",
               SECONDS, "the altered config")
    assert client.describe_configs(topic=client.topic)["retention.ms"] == "-1"  # the node's
    with pytest.raises(drivers.DriverError):
        client.alter_configs(topic=client.topic, set={"retention.ms": "many"})


def test_records(client):
    """Each codec, idempotent and not; offsets ascend; what went in comes out, with headers."""
    make_topic(client, 1)
    headers = {"headers": {"h": "x"}} if "headers" in client.can else {}
    sent, expected_offset = [], 0
    for codec in client.codecs:
        for idempotent in (True, False) if "idempotent" in client.can else (False,):
            batch = numbered(len(sent), 50, **headers)
            placed = client.produce(topic=client.topic, records=batch, codec=codec, partition=0,
                                    idempotent=idempotent)
            assert placed == [[0, expected_offset + i] for i in range(50)]
            expected_offset += 50
            sent += batch
    if "groups" in client.can:
        client.join(member="reader", group=client.group, topic=client.topic)
        await_values(client, values(sent), "reader")
        got = client.received(member="reader")
        client.leave(member="reader")
    else:
        got = client.fetch_all(topic=client.topic, partition=0)
    assert [one[2] for one in got] == list(range(expected_offset))
    assert [(one[3], one[4]) for one in got] == [(one["key"], one["value"]) for one in sent]
    if headers:
        assert all(one[5] == {"h": "x"} for one in got)


def test_keys_keep_their_partition(client):
    need(client, "partitioner")
    make_topic(client, 4)
    where = collections.defaultdict(set)
    for _ in range(2):
        for record, (partition, _) in zip(numbered(0, 40), client.produce(
                topic=client.topic, records=numbered(0, 40), codec="none")):
            where[record["key"]].add(partition)
    assert all(len(one) == 1 for one in where.values())
    assert set.union(*where.values()) == {0, 1, 2, 3}


def test_delete_records_and_offsets(client):
    need(client, "delete_records", "list_offsets")
    make_topic(client, 1)
    client.produce(topic=client.topic, records=numbered(0, 20), codec="none", partition=0)
    ask = lambda spec: client.list_offsets(  # noqa: E731
        topic=client.topic, partition=0, spec=spec)
    assert (ask("earliest"), ask("latest"), ask(0)) == (0, 20, 0)
    assert ask(int(time.time() * 1000) + 3_600_000) == -1
    assert client.delete_records(topic=client.topic, partition=0, before=7) == 7
    assert (ask("earliest"), ask("latest")) == (7, 20)
    if "groups" in client.can:
        client.join(member="reader", group=client.group, topic=client.topic)
        await_values(client, values(numbered(7, 13)), "reader")
        client.leave(member="reader")


def test_group_goes_on_after_a_restart(client, client_node):
    """Join, rebalance, commit, leave, restart of the broker, and on from what was committed."""
    need(client, "groups")
    make_topic(client, 4)
    produce = lambda first, count: client.produce(  # noqa: E731
        topic=client.topic, records=numbered(first, count), codec="none")
    join = lambda name: client.join(  # noqa: E731
        member=name, group=client.group, topic=client.topic)

    produce(0, 60)
    join("a")
    await_share(client, {"a": 4})
    await_values(client, values(numbered(0, 60)), "a")
    client.commit(member="a")
    join("b")
    await_share(client, {"a": 2, "b": 2})
    produce(60, 40)
    await_values(client, values(numbered(0, 100)), "a", "b")
    client.commit(member="a")
    client.commit(member="b")
    assert sum(client.committed(group=client.group).values()) == 100
    client.leave(member="b")
    await_share(client, {"a": 4})

    produce(100, 20)
    wait_until(lambda: set(values(numbered(100, 20))) <= set(received_values(client, "a")),
               SECONDS, "the records after the leave")
    client_node.stop()
    client_node.start()
    # librdkafka's admin client does not find a coordinator again whose connection it lost.
    client.connect(bootstrap=client_node.bootstrap)
    produce(120, 10)
    wait_until(lambda: set(values(numbered(120, 10))) <= set(received_values(client, "a")),
               SECONDS, "the records after the restart")
    client.leave(member="a")

    join("c")
    await_share(client, {"c": 4})
    await_values(client, values(numbered(100, 30)), "c")
    client.commit(member="c")
    assert sum(client.committed(group=client.group).values()) == 130
    client.leave(member="c")


def test_group_admin(client):
    need(client, "groups", "group_admin")
    make_topic(client, 2)
    client.produce(topic=client.topic, records=numbered(0, 10), codec="none")
    client.join(member="a", group=client.group, topic=client.topic)
    await_values(client, values(numbered(0, 10)), "a")
    client.commit(member="a")
    assert client.group in client.list_groups()
    described = client.describe_group(group=client.group)
    assert (described["state"].upper(), described["members"]) == ("STABLE", 1)
    with pytest.raises(drivers.DriverError):
        client.delete_group(group=client.group)
    client.leave(member="a")
    wait_until(lambda: client.describe_group(group=client.group)["members"] == 0, SECONDS,
               "the group is empty")
    client.delete_group(group=client.group)
    assert client.group not in client.list_groups()


def test_static_members(client):
    """A member that comes back under its instance id has its partitions, undisturbed."""
    need(client, "groups", "static")
    make_topic(client, 4)
    join = lambda name: client.join(  # noqa: E731
        member=name, group=client.group, topic=client.topic, instance=f"instance-{name}")
    join("a")
    await_share(client, {"a": 4})
    join("b")
    await_share(client, {"a": 2, "b": 2})
    held = client.assignment(member="a")
    client.leave(member="a")
    assert len(client.assignment(member="b")) == 2
    join("a")
    await_share(client, {"a": 2, "b": 2})
    assert client.assignment(member="a") == held
    client.leave(member="a")
    client.leave(member="b")


def test_cooperative_members(client):
    """A rebalance takes only what has to move."""
    need(client, "groups", "cooperative")
    make_topic(client, 6)
    client.produce(topic=client.topic, records=numbered(0, 60), codec="none")
    join = lambda name: client.join(  # noqa: E731
        member=name, group=client.group, topic=client.topic, cooperative=True)
    join("a")
    await_share(client, {"a": 6})
    await_values(client, values(numbered(0, 60)), "a")
    client.commit(member="a")
    join("b")
    await_share(client, {"a": 3, "b": 3})
    kept = set(client.assignment(member="a"))
    join("c")
    await_share(client, {"a": 2, "b": 2, "c": 2})
    assert set(client.assignment(member="a")) < kept
    client.produce(topic=client.topic, records=numbered(60, 60), codec="none")
    await_values(client, values(numbered(0, 120)), "a", "b", "c")
    client.leave(member="b")
    await_share(client, {"a": 3, "c": 3})
    client.leave(member="a")
    client.leave(member="c")
