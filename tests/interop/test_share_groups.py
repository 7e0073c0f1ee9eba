"""Share groups (KIP-932) with Java's KafkaShareConsumer and Apache's kafka-share-groups."""

import collections
import re
import time

import pytest

from harness import drivers
from harness.cluster import Cluster
from harness.processes import free_ports, scrape, wait_until
from test_clients import SECONDS, numbered
from test_dump_log import differs

LOCK_MS = 3000
GROUP_CONFIGS = "share.auto.offset.reset=earliest"
# Members share a partition only where there are more of them.
ONE_PARTITION = pytest.mark.parametrize("client", [1], indirect=True)


@pytest.fixture(scope="module")
def share_node(kind, start_node):
    """A node of its own, as it is restarted; locks are short, and members beat often."""
    return start_node(kind, "share-groups", **{
        "group.share.min.record.lock.duration.ms": 1000,
        "group.share.record.lock.duration.ms": LOCK_MS,
        "group.share.min.heartbeat.interval.ms": 300,
        "group.share.heartbeat.interval.ms": 300,
        "group.share.assignment.interval.ms": 100,
        "share.coordinator.state.topic.num.partitions": 3,
        "share.coordinator.snapshot.update.records.per.snapshot": 5})


@pytest.fixture(scope="module")
def driver(folder):
    made = drivers.Driver("java", folder / "share-groups-java.log")
    yield made
    made.close()


@pytest.fixture
def client(driver, share_node, tools, request):
    """A driver that is connected, with names that only this test has."""
    driver.connect(bootstrap=share_node.bootstrap)
    driver.topic = re.sub(r"\W", "-", request.node.name)
    driver.group = f"{driver.topic}-group"
    driver.create_topic(topic=driver.topic, partitions=getattr(request, "param", 3))
    set_configs(tools, share_node.bootstrap, driver.group, GROUP_CONFIGS)
    yield driver
    assert share_node.alive(), share_node.tail()


def set_configs(tools, bootstrap, group, configs):
    done = tools.run("configs", "--bootstrap-server", bootstrap, "--entity-type", "groups",
                     "--entity-name", group, "--alter", "--add-config", configs)
    assert done.status == 0, done.err


def run_tool(tools, node, *arguments):
    """What kafka-share-groups prints."""
    done = tools.run("share-groups", "--bootstrap-server", node.bootstrap, *arguments)
    assert done.status == 0, (arguments, done.out, done.err)
    return done.out


def join(client, member, **more):
    client.share_join(member=member, **{"group": client.group, "topic": client.topic, **more})


def produce(client, records):
    client.produce(topic=client.topic, records=records, codec="none")


def deliveries(client, *members):
    """How often each value was delivered."""
    counts = collections.Counter()
    for member in members:
        counts.update(one[4] for one in client.share_received(member=member))
    return counts


def await_deliveries(client, wanted, *members):
    def missing():
        return set(wanted) - set(deliveries(client, *members))
    wait_until(lambda: not missing(), SECONDS, lambda: f"{missing()} for {members}")


def leave(client, *members):
    for member in members:
        client.share_leave(member=member)


def values_of(records):
    return [one["value"] for one in records]


def named(prefix, count):
    return [{"key": f"k{i}", "value": f"{prefix}-{i}"} for i in range(count)]


@pytest.mark.parametrize("mode", ["implicit", "explicit"])
def test_each_record_is_delivered_once(client, mode):
    """Two members have all records between them, and none twice."""
    join(client, "a", mode=mode, records=20)
    join(client, "b", mode=mode, records=20)
    records = numbered(0, 300)
    for i in range(0, 300, 50):
        produce(client, records[i:i + 50])
    await_deliveries(client, values_of(records), "a", "b")
    time.sleep(2 * LOCK_MS / 1000)
    counts = deliveries(client, "a", "b")
    leave(client, "a", "b")
    assert set(counts.values()) == {1}, counts.most_common(3)


@ONE_PARTITION
def test_a_held_record_is_delivered_again(client):
    """Its lock runs out while the member that has it does nothing."""
    records = numbered(0, 30)
    produce(client, records)
    join(client, "a", mode="explicit", holds=True)
    wait_until(lambda: client.share_received(member="a"), SECONDS, "records to be held")
    join(client, "b", mode="explicit")
    await_deliveries(client, values_of(records), "b")
    held = {one[4] for one in client.share_received(member="a")}
    again = {one[4] for one in client.share_received(member="b") if one[5] == 2}
    assert held == again
    leave(client, "a", "b")


@ONE_PARTITION
def test_a_killed_member_is_missed(client, folder, share_node):
    """What it held goes to another one as soon as its connection is gone."""
    records = numbered(0, 30)
    produce(client, records)
    other = drivers.Driver("java", folder / "share-groups-killed.log")
    other.connect(bootstrap=share_node.bootstrap)
    other.share_join(member="a", group=client.group, topic=client.topic, mode="explicit",
                     holds=True)
    wait_until(lambda: other.share_received(member="a"), SECONDS, "records to be held")
    held = {one[4] for one in other.share_received(member="a")}
    other.process.kill()
    other.process.wait()
    join(client, "b", mode="explicit")
    await_deliveries(client, values_of(records), "b")
    assert held == {one[4] for one in client.share_received(member="b") if one[5] == 2}
    leave(client, "b")


def test_rejected_and_released(client):
    """Rejected records are done with, released ones come again, at most as often as allowed."""
    records = named("accept", 10) + named("reject", 10) + named("release", 10) + named("poison", 4)
    produce(client, records)
    join(client, "a", mode="explicit")
    wanted = collections.Counter({
        **{value: 1 for value in values_of(records)},
        **{f"release-{i}": 3 for i in range(10)}, **{f"poison-{i}": 5 for i in range(4)}})
    wait_until(lambda: deliveries(client, "a") == wanted, SECONDS,
               "as many deliveries as each is to have")
    time.sleep(1)
    assert deliveries(client, "a") == wanted
    leave(client, "a")


def test_a_restart_keeps_what_is_known(client, share_node):
    """After a restart nothing comes again that was accepted, and all that was not."""
    produce(client, numbered(0, 60))
    join(client, "a", mode="explicit")
    await_deliveries(client, values_of(numbered(0, 60)), "a")
    leave(client, "a")
    share_node.stop()
    share_node.start()
    client.connect(bootstrap=share_node.bootstrap)
    produce(client, numbered(60, 40))
    join(client, "b", mode="explicit")
    await_deliveries(client, values_of(numbered(60, 40)), "b")
    assert set(deliveries(client, "b")) == set(values_of(numbered(60, 40)))
    leave(client, "b")


def test_members_stay_through_a_restart(client, share_node):
    """What they hold while the node stops comes again, and nothing that was accepted."""
    join(client, "a", mode="explicit", records=10)
    join(client, "b", mode="explicit", records=10)
    for turn in range(3):
        records = numbered(100 * turn, 100)
        produce(client, records)
        share_node.stop()
        share_node.start()
        client.connect(bootstrap=share_node.bootstrap)
        await_deliveries(client, values_of(records), "a", "b")
    time.sleep(2 * LOCK_MS / 1000)
    most = deliveries(client, "a", "b")
    time.sleep(1)
    assert deliveries(client, "a", "b") == most
    leave(client, "a", "b")


def test_where_a_group_starts(client, share_node, tools):
    """At the end, or so long ago."""
    produce(client, numbered(0, 20))
    for reset, wanted in {"latest": 0, "by_duration:PT1H": 30}.items():
        client.group = f"{client.topic}-{reset[:6]}"
        set_configs(tools, share_node.bootstrap, client.group, f"share.auto.offset.reset={reset}")
        join(client, "a", mode="explicit")
        assigned = rf"{client.topic}:0,1,2"
        wait_until(lambda: re.search(assigned, run_tool(
            tools, share_node, "--describe", "--group", client.group, "--members")), SECONDS,
            "partitions")
        time.sleep(2)
        assert len(deliveries(client, "a")) == wanted, reset
        produce(client, named(reset[:6], 10))
        await_deliveries(client, values_of(named(reset[:6], 10)), "a")
        leave(client, "a")


def test_aborted_records_are_hidden(client, share_node, tools):
    """With share.isolation.level=read_committed, and only then."""
    for level in ["read_uncommitted", "read_committed"]:
        client.group = f"{client.topic}-{level}"
        set_configs(tools, share_node.bootstrap, client.group,
                    f"share.isolation.level={level},{GROUP_CONFIGS}")
        for commit in (True, False, True):
            client.begin(producer=client.group, transactional_id=client.group)
            client.write(producer=client.group, topic=client.topic,
                         records=named(f"{level}-{commit}", 20))
            client.end(producer=client.group, commit=commit)
        join(client, "a", mode="explicit")
        await_deliveries(client, values_of(named(f"{level}-True", 20)), "a")
        time.sleep(1)
        aborted = set(values_of(named(f"{level}-False", 20))) & set(deliveries(client, "a"))
        assert len(aborted) == (20 if level == "read_uncommitted" else 0)
        leave(client, "a")


def test_tools(client, share_node, tools):
    """Apache's tool lists, describes, resets and deletes."""
    def run(*arguments):
        return run_tool(tools, share_node, *arguments)

    group = ("--group", client.group)
    produce(client, numbered(0, 60))
    join(client, "a", mode="explicit")
    await_deliveries(client, values_of(numbered(0, 60)), "a")
    assert client.group in run("--list")
    assert re.search(rf"{client.group} +Stable", run("--list", "--state"))
    assert re.search(rf"{client.group} .*Stable +1", run("--describe", *group, "--state"))
    members = run("--describe", *group, "--members")
    assert f"{client.topic}:0,1,2" in members, members
    leave(client, "a")
    wait_until(lambda: "Empty" in run("--describe", *group, "--state"), SECONDS, "an empty group")

    def offsets():
        lines = [line.split() for line in run("--describe", *group).splitlines()]
        return {line[2]: (line[3], line[4]) for line in lines if line[:2] == [client.group,
                                                                             client.topic]}
    wait_until(lambda: [lag for _, lag in offsets().values()] == ["0"] * 3, SECONDS, "no lag")
    run("--reset-offsets", *group, "--topic", client.topic, "--to-earliest", "--execute")
    assert {start for start, _ in offsets().values()} == {"0"}, offsets()
    assert sum(int(lag) for _, lag in offsets().values()) == 60
    join(client, "b", mode="explicit")
    await_deliveries(client, values_of(numbered(0, 60)), "b")
    leave(client, "b")
    wait_until(lambda: "Empty" in run("--describe", *group, "--state"), SECONDS, "an empty group")
    run("--delete-offsets", *group, "--topic", client.topic)
    assert offsets() == {}
    run("--delete", *group)
    assert client.group not in run("--list")


def test_the_coordinator_s_log_is_apache_s(client, share_node, tools):
    """kafka-dump-log reads what the share coordinator writes, and ours prints the same of it."""
    produce(client, numbered(0, 200))
    join(client, "a", mode="explicit", records=5)
    await_deliveries(client, values_of(numbered(0, 200)), "a")
    leave(client, "a")
    share_node.stop()
    logs = sorted(share_node.data.glob("__share_group_state-*/*.log"))
    assert logs
    told = ""
    for path in logs:
        assert differs(tools, path, ("--share-group-state-decoder",)) is None
        told += tools.run("dump-log", "--share-group-state-decoder", "--files", path).out
    share_node.start()
    assert '"snapshotEpoch":1' in told, "no snapshot after updates"
    assert client.group in told and '"deliveryState":2' in told


def knows(node, topic):
    with node.connect() as connection:
        (told,) = connection.call("Metadata", 9, {"Topics": [{"Name": topic}],
                                                  "AllowAutoTopicCreation": False})["Topics"]
    return told["ErrorCode"] == 0


def test_beside_apache_s_nodes(folder, driver, tools):
    """Leaders, share coordinators and the group's coordinator are on nodes of both kinds."""
    cluster = Cluster(
        folder / "share-groups-mixed",
        {1: ("millrace", "controller"), 11: ("apache", "broker"), 12: ("millrace", "broker")}, **{
            "offsets.topic.num.partitions": 4,
            "share.coordinator.state.topic.num.partitions": 8,
            "group.share.min.heartbeat.interval.ms": 300,
            "group.share.heartbeat.interval.ms": 300})
    try:
        cluster.start()
        driver.connect(bootstrap=cluster.bootstrap)
        for turn in range(2):  # of groups, so that both kinds coordinate some
            driver.topic, driver.group = f"mixed-{turn}", f"mixed-group-{turn}"
            driver.create_topic(topic=driver.topic, partitions=6)
            # A share coordinator that has not heard of it refuses what its members acknowledge.
            wait_until(lambda: all(knows(node, driver.topic) for node in cluster.brokers.values()),
                       SECONDS, "both brokers to know the topic")
            set_configs(tools, cluster.bootstrap, driver.group, GROUP_CONFIGS)
            records = numbered(0, 200)
            join(driver, "a", mode="explicit", records=20)
            join(driver, "b", mode="explicit", records=20)
            produce(driver, records)
            await_deliveries(driver, values_of(records), "a", "b")
            assert set(deliveries(driver, "a", "b").values()) == {1}
            leave(driver, "a", "b")
            told = run_tool(tools, cluster, "--describe", "--group", driver.group)
            lags = [line.split()[4] for line in told.splitlines() if driver.topic in line]
            assert lags == ["0"] * 6, told
    finally:
        cluster.kill()


def test_leaders_are_killed(folder, driver, tools):
    """All is delivered though each of three nodes is killed in turn, and done with in the end."""
    cluster = Cluster(
        folder / "share-groups-killed", {each: ("millrace", "broker,controller")
                                         for each in (1, 2, 3)}, **{
            **{f"{topic}.replication.factor": 3 for topic in (
                "offsets.topic", "share.coordinator.state.topic", "default")},
            "share.coordinator.state.topic.min.isr": 2, "offsets.topic.num.partitions": 3,
            "share.coordinator.state.topic.num.partitions": 3,
            "group.share.min.record.lock.duration.ms": 1000,
            "group.share.record.lock.duration.ms": LOCK_MS,
            "group.share.delivery.count.limit": 10,
            "group.share.min.heartbeat.interval.ms": 300,
            "group.share.heartbeat.interval.ms": 300})
    try:
        cluster.start()
        driver.connect(bootstrap=cluster.bootstrap)
        driver.topic, driver.group = "led", "led-group"
        driver.create_topic(topic=driver.topic, partitions=3, replication=3)
        set_configs(tools, cluster.bootstrap, driver.group, GROUP_CONFIGS)
        join(driver, "a", mode="explicit", records=20)
        join(driver, "b", mode="explicit", records=20)
        for turn, node in enumerate(cluster.members.values()):
            produce(driver, numbered(100 * turn, 50))
            node.kill()
            produce(driver, numbered(100 * turn + 50, 50))
            node.start()
            await_deliveries(driver, values_of(numbered(0, 100 * (turn + 1))), "a", "b")

        def lags():
            told = run_tool(tools, cluster, "--describe", "--group", driver.group)
            return [line.split()[4] for line in told.splitlines() if driver.topic in line]
        wait_until(lambda: lags() == ["0"] * 3, SECONDS, lambda: f"no lag: {lags()}")
        leave(driver, "a", "b")
    finally:
        cluster.kill()


def test_figures_follow(kind, start_node, driver, tools):
    """What members do is told at /metrics, under Apache's names."""
    if kind == "apache":
        pytest.skip("Apache Kafka shows its figures by JMX")
    (port,) = free_ports(1)
    node = start_node(kind, "share-figures", **{
        "metrics.listeners": f"127.0.0.1:{port}",
        "group.share.min.record.lock.duration.ms": 1000,
        "group.share.record.lock.duration.ms": 1000,
        "group.share.min.heartbeat.interval.ms": 300,
        "group.share.heartbeat.interval.ms": 300,
        "share.coordinator.state.topic.num.partitions": 1})

    def figure(bean, name, attribute="Count", **labels):
        told = "".join(f',{key}="{value}"' for key, value in labels.items())
        return scrape(port).get(f'kafka_server_{bean}_{attribute}{{name="{name}"{told}}}', 0)
    driver.connect(bootstrap=node.bootstrap)
    driver.topic, driver.group = "figures", "figures-group"
    driver.create_topic(topic=driver.topic, partitions=2)
    set_configs(tools, node.bootstrap, driver.group, GROUP_CONFIGS)
    records = named("accept", 40) + named("reject", 3) + named("release", 2)
    produce(driver, records)
    join(driver, "a", mode="explicit")
    await_deliveries(driver, values_of(records), "a")
    sessions = "ShareSessionCache"
    assert figure(sessions, "ShareSessionsCount", "Value") == 1
    assert figure(sessions, "SharePartitionsCount", "Value") == 2
    for kind_of, wanted in {"Accept": 42, "Reject": 3, "Release": 4}.items():
        wait_until(lambda: figure("ShareGroupMetrics", "RecordAcknowledgementsPerSec",
                                  ackType=kind_of) == wanted, SECONDS, kind_of)
    for name in ("TotalShareFetchRequestsPerSec", "TotalShareAcknowledgementRequestsPerSec"):
        of_topic = figure("BrokerTopicMetrics", name, topic=driver.topic)
        assert 0 < of_topic <= figure("BrokerTopicMetrics", name)
    assert figure("ShareGroupMetrics", "PartitionLoadTimeMs") == 2
    wait_until(lambda: figure("DelayedShareFetchMetrics", "ExpiresPerSec") > 0, SECONDS, "expiries")
    leave(driver, "a")
    wait_until(lambda: figure(sessions, "ShareSessionsCount", "Value") == 0, SECONDS, "no session")
    assert figure(sessions, "ShareSessionEvictionsPerSec") == 0

    produce(driver, named("held", 5))
    join(driver, "b", mode="explicit", holds=True)

    def of_partitions(name, attribute="Count"):
        return sum(figure("SharePartitionMetrics", name, attribute, group=driver.group,
                          topic=driver.topic, partition=i) for i in range(2))
    wait_until(lambda: of_partitions("InFlightMessageCount", "Value") > 0, SECONDS, "in flight")
    assert 1 <= of_partitions("InFlightBatchCount", "Value") <= 5
    wait_until(lambda: of_partitions("AcquisitionLockTimeoutPerSec") > 0, SECONDS, "timeouts")
    leave(driver, "b")


def test_sessions_are_bounded(kind, start_node):
    """group.share.max.share.sessions is of the whole node, on whatever threads connections are."""
    most = 10
    node = start_node(kind, "share-sessions", **{
        "group.share.max.share.sessions": most, "group.share.max.size": most})

    def begin(connection, number):
        return connection.call("ShareFetch", 1, {
            "GroupId": "bounded", "MemberId": f"AAAAAAAAAAEAAAAAAAAA{number:02}",
            "ShareSessionEpoch": 0, "MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": 1000,
            "MaxRecords": 1, "BatchSize": 1, "Topics": [], "ForgottenTopicsData": []})["ErrorCode"]
    connections = [node.connect() for _ in range(most + 3)]
    try:
        wait_until(lambda: begin(connections[0], 0) == 0, SECONDS, "share groups are served")
        assert [begin(each, i) for i, each in enumerate(connections)] == [0] * most + [133] * 3
        connections[1].close()
        wait_until(lambda: begin(connections[most], most) == 0, SECONDS, "room for another one")
        assert begin(connections[-1], 99) == 133
    finally:
        for each in connections:
            each.close()


SHARE_KEY = "gated:AAAAAAAAAAEAAAAAAAAAAQ:0"
NOT_COORDINATOR, UNSUPPORTED_VERSION = 16, 35


def test_before_the_coordinators_are_there(kind, start_node, tools):
    """Nobody coordinates until somebody has asked who does; share.version 0 refuses members, but
    their state has its coordinator."""
    node = start_node(kind, "share-first", **{
        "share.coordinator.state.topic.num.partitions": 1, "offsets.topic.num.partitions": 1})

    def find(connection, key_type, key):
        answer = connection.call("FindCoordinator", 6, {"KeyType": key_type,
                                                        "CoordinatorKeys": [key]})
        return answer["Coordinators"][0]["ErrorCode"]

    def beat(connection):
        return connection.call("ShareGroupHeartbeat", 1, {
            "GroupId": "gated", "MemberId": "AAAAAAAAAAEAAAAAAAAAAA", "MemberEpoch": 0,
            "RackId": None, "SubscribedTopicNames": ["absent"]})["ErrorCode"]

    def others(connection):
        return [connection.call("Heartbeat", 4, {
                    "GroupId": "gated", "GenerationId": 1, "MemberId": "m",
                    "GroupInstanceId": None})["ErrorCode"],
                connection.call("InitProducerId", 4, {
                    "TransactionalId": "t", "TransactionTimeoutMs": 1000, "ProducerId": -1,
                    "ProducerEpoch": -1})["ErrorCode"]]
    with node.connect() as connection:
        assert beat(connection) == NOT_COORDINATOR
        assert others(connection) == [NOT_COORDINATOR] * 2
        wait_until(lambda: find(connection, 0, "gated") == 0, SECONDS, "the group's coordinator")
        wait_until(lambda: beat(connection) == 0, SECONDS, "a member")
        done = tools.run("features", "--bootstrap-server", node.bootstrap, "downgrade",
                         "--feature", "share.version=0")
        assert done.status == 0, done
        wait_until(lambda: beat(connection) == UNSUPPORTED_VERSION, SECONDS, "switched off")
        wait_until(lambda: find(connection, 2, SHARE_KEY) == 0, SECONDS, "the share coordinator")
