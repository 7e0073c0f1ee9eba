"""Streams groups (KIP-1071) with Apache's Kafka Streams and kafka-streams-groups: the revenue of a
stream of orders is exact, whatever is killed."""

import contextlib
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

from harness import drivers, processes, streams
from harness import node as nodes
from harness.cluster import Cluster
from harness.processes import wait_until
from test_dump_log import differs

SECONDS = 120
SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "7"))
QUICK = {
    "group.streams.min.session.timeout.ms": 1000,
    "group.streams.session.timeout.ms": 6000,
    "group.streams.min.heartbeat.interval.ms": 200,
    "group.streams.heartbeat.interval.ms": 300,
    "group.streams.initial.rebalance.delay.ms": 500,
    "group.streams.assignment.interval.ms": 100,
    "group.min.session.timeout.ms": 1000,
    "group.initial.rebalance.delay.ms": 500,
}
PROTOCOLS = pytest.mark.parametrize("protocol", ["streams", "classic"])
TRANSACTION_MS = 10_000


@pytest.fixture(scope="module")
def streams_node(kind, start_node):
    return start_node(kind, "streams-groups", **QUICK)


@pytest.fixture(scope="module")
def driver(folder):
    made = drivers.Driver("java", folder / "streams-groups-java.log")
    yield made
    made.close()


class App:
    """An application on a node or cluster: its topics, its processes, the orders that it got."""

    def __init__(self, driver, folder, bootstrap, name, protocol, replication=1):
        self.driver, self.folder, self.bootstrap = driver, folder, bootstrap
        self.name, self.protocol, self.replication = name, protocol, replication
        self.source, self.target = f"{name}-orders", f"{name}-revenue"
        self.orders = streams.Orders(SEED)
        self.instances = {}
        for topic in (self.source, self.target):
            driver.create_topic(topic=topic, partitions=3, replication=replication, configs={})

    def start(self, instance, **properties):
        timeouts = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 1000}
        self.instances[instance] = streams.Instance(
            self.folder, f"{self.name}-{instance}", self.bootstrap, self.name, self.source,
            self.target, **{
                "group.protocol": self.protocol, "num.stream.threads": 2,
                "replication.factor": self.replication,
                "producer.transaction.timeout.ms": TRANSACTION_MS,
                "producer.delivery.timeout.ms": 60_000, "auto.offset.reset": "earliest",
                **({} if self.protocol == "streams" else timeouts), **properties})
        return self.instances[instance]

    def order(self, count):
        self.driver.produce(topic=self.source, records=self.orders.make(count), codec="none")

    def sums(self):
        return streams.latest(self.driver.read(topic=self.target, partitions=3, committed=True))

    def await_sums(self):
        wait_until(lambda: self.sums() == self.orders.sums(), SECONDS,
                   lambda: f"{self.orders.sums()}, not {self.sums()}; " + "; ".join(
                       each.told()[-1500:] for each in self.instances.values()))

    def end(self):
        for each in self.instances.values():
            if each.process.poll() is None:
                each.kill()


@pytest.fixture
def make_app(driver, folder):
    """make_app(bootstrap, name, protocol): an application whose processes end with the test."""
    with contextlib.ExitStack() as ends:
        def make(bootstrap, name, protocol, **options):
            driver.connect(bootstrap=bootstrap)
            # What a store has on disk is of use with one cluster alone.
            own = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
            app = App(driver, own, bootstrap, re.sub(r"\W", "-", name), protocol, **options)
            ends.callback(app.end)
            return app
        yield make


def run_tool(tools, node, *arguments, status=0):
    """What kafka-streams-groups prints."""
    done = tools.run("streams-groups", "--bootstrap-server", node.bootstrap, *arguments)
    assert done.status == status, (arguments, done.out, done.err)
    return done.out


def set_configs(tools, node, group, configs):
    done = tools.run("configs", "--bootstrap-server", node.bootstrap, "--entity-type", "groups",
                     "--entity-name", group, "--alter", "--add-config", configs)
    assert done.status == 0, done.err


@PROTOCOLS
def test_revenue_is_exact_through_kills(make_app, streams_node, protocol):
    """Processes are killed and come back, and so is the node."""
    app = make_app(streams_node.bootstrap, f"kills-{protocol}", protocol)
    app.start("a")
    app.order(200)
    app.start("b")
    app.await_sums()
    app.order(100)
    app.instances["a"].kill()
    app.order(100)
    app.start("a")
    app.await_sums()
    app.order(100)
    streams_node.kill()
    streams_node.start()
    app.driver.connect(bootstrap=app.bootstrap)
    app.order(200)
    app.start("c")
    app.instances["b"].close()
    app.order(100)
    app.await_sums()
    assert streams_node.alive(), streams_node.tail()


def tasks(told):
    """Of what describe prints of members: each member's tasks, by role."""
    return [dict(re.findall(r"([A-Z]+): ((?:\w+:\[[\d,]*\]; )+)", line))
            for line in told.splitlines() if "product" not in line and ":[" in line]


def test_standby_tasks(make_app, streams_node, tools):
    """Each state has a standby task in another process once the group's config asks for it."""
    app = make_app(streams_node.bootstrap, "standby", "streams")
    set_configs(tools, streams_node, app.name, "streams.num.standby.replicas=1")
    for name in ("a", "b"):
        app.start(name, **{"application.server": "localhost:1234"})
    app.order(100)

    def standby():
        told = tools.run("streams-groups", "--bootstrap-server", app.bootstrap, "--describe",
                         "--group", app.name, "--members").out
        return sorted(int(one) for member in tasks(told)
                      for one in re.findall(r"\d", member.get("STANDBY", "").split(":", 1)[-1]))
    wait_until(lambda: standby() == [0, 1, 2], SECONDS, lambda: f"standby tasks, not {standby()}")
    app.instances["a"].kill()
    app.order(100)
    app.await_sums()


def test_internal_topics(make_app, streams_node, tools):
    """The coordinator makes them, with the configs that the application asks for."""
    app = make_app(streams_node.bootstrap, "internal", "streams")
    app.start("a", **{"topic.segment.bytes": 12_345_678})
    app.order(50)
    app.await_sums()
    wanted = {"internal-revenue-changelog": "cleanup.policy=compact",
              "internal-by-product-repartition": "cleanup.policy=delete"}
    for topic, policy in wanted.items():
        done = tools.run("topics", "--bootstrap-server", streams_node.bootstrap, "--describe",
                         "--topic", topic)
        assert "PartitionCount: 3" in done.out and policy in done.out, done.out
        assert "segment.bytes=12345678" in done.out, done.out


def run_ours(tools, node, *arguments):
    """What our streams-groups says, errors too."""
    done = subprocess.run(
        [nodes.MillraceNode.executable, "streams-groups", "--bootstrap-server", node.bootstrap,
         *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout + done.stderr


@pytest.mark.parametrize("tool", [run_tool, run_ours], ids=["apache-tool", "our-tool"])
def test_tools(make_app, streams_node, tools, tool):
    """Each tool lists, describes, resets and deletes, with the internal topics."""
    def run(*arguments):
        return tool(tools, streams_node, *arguments)

    name = "tooled" if tool is run_tool else "tooled-by-us"
    app = make_app(streams_node.bootstrap, name, "streams")
    group = ("--group", app.name)
    app.start("a")
    app.order(60)
    app.await_sums()
    assert app.name in run("--list").splitlines()
    wait_until(lambda: re.search(rf"{app.name} +Stable", run("--list", "--state", "stable")),
               SECONDS, "a stable group")
    told = run("--describe", *group, "--state", "--verbose")
    assert re.search(rf"{app.name} +\S+ \(\d+\) +Stable +\d+ +\d+ +2\b", told), told
    members = tasks(run("--describe", *group, "--members", "--verbose"))
    assert sum(len(re.findall(r"\d+(?=[,\]])", one.get("ACTIVE", ""))) for one in members) == 6

    def offsets():
        lines = [line.split() for line in run("--describe", *group, "--verbose").splitlines()]
        return {(line[1], int(line[2])): line[3:] for line in lines if line[:1] == [app.name]}
    wait_until(lambda: len(offsets()) == 6 and all(one[-1] == "0" for one in offsets().values()),
               SECONDS, lambda: f"no lag: {offsets()}")
    assert "not EMPTY" in run("--delete", *group)
    assert "is inactive" in run("--reset-offsets", *group, "--all-input-topics", "--to-earliest",
                                "--execute")
    app.instances["a"].close()
    wait_until(lambda: "no active members" in run("--describe", *group, "--state"), SECONDS,
               "an empty group")
    planned = run("--reset-offsets", *group, "--input-topic", app.source, "--to-earliest",
                  "--dry-run")
    assert len(re.findall(rf"{app.name} +{app.source} +\d +0\b", planned)) == 3, planned
    run("--reset-offsets", *group, "--all-input-topics", "--to-earliest", "--execute",
        "--delete-all-internal-topics")
    assert not [one for one in app.driver.list_topics() if one.startswith(f"{name}-revenue-ch")]
    app.start("b")
    wait_until(lambda: sum(len(one) for one in app.driver.read(
        topic=app.target, partitions=3, committed=True)) >= 2 * len(app.orders.sums()), SECONDS,
        "sums once more")
    app.await_sums()
    app.instances["b"].close()
    wait_until(lambda: "Empty" in run("--describe", *group, "--state"), SECONDS, "an empty group")
    told = run("--delete-offsets", *group, "--input-topic", app.source)
    assert "Request succeeded" in told and told.count("Successful") == 3, told
    assert "was successful" in run("--delete", *group, "--delete-all-internal-topics")
    assert app.name not in run("--list").splitlines()
    assert not [one for one in app.driver.list_topics() if one.startswith(f"{name}-by-product")]


def test_our_tool_prints_what_apache_s_prints(make_app, streams_node, tools):
    """But for the order of lines, and for errors, which go to standard error."""
    app = make_app(streams_node.bootstrap, "printed", "streams")
    set_configs(tools, streams_node, app.name, "streams.num.standby.replicas=1")
    for name in ("a", "b"):
        app.start(name)
    app.order(60)
    app.await_sums()

    def same(*arguments):
        told = [sorted(line.rstrip() for line in tool(tools, streams_node, *arguments).splitlines())
                for tool in (run_tool, run_ours)]
        return told[0] == told[1] or told

    def await_same(*arguments):
        wait_until(lambda: same(*arguments) is True, SECONDS, lambda: f"{same(*arguments)}")
    group = ("--group", app.name)
    for more in ([], ["--members"], ["--state"]):
        await_same("--describe", *group, *more)
        await_same("--describe", *group, *more, "--verbose")
    for more in ([], ["--state"], ["--state", "stable,empty"]):
        await_same("--list", *more)
    for name in ("a", "b"):
        app.instances[name].close()
    wait_until(lambda: "no active members" in run_tool(
        tools, streams_node, "--describe", *group, "--state"), SECONDS, "an empty group")
    await_same("--describe", *group, "--state")
    for how in (["--to-earliest"], ["--to-latest"], ["--to-current"], ["--to-offset", "3"],
                ["--to-offset", "3", "--export"], ["--shift-by", "-2"], ["--by-duration", "PT1H"],
                ["--to-datetime", "2026-01-31T13:00:00.000"]):
        await_same("--reset-offsets", *group, "--all-input-topics", *how, "--dry-run")
    await_same("--reset-offsets", *group, "--input-topic", f"{app.source}:0,2", "--to-latest",
               "--dry-run")


def test_a_group_changes_its_protocol(make_app, streams_node, tools):
    """An empty classic group becomes a streams group, and the reverse; offsets stay."""
    app = make_app(streams_node.bootstrap, "changing", "classic")
    for turn, protocol in enumerate(["classic", "streams", "classic"]):
        app.protocol = protocol
        app.start(f"i{turn}")
        app.order(50)
        app.await_sums()
        app.instances[f"i{turn}"].close()
        listed = tools.run("groups", "--bootstrap-server", app.bootstrap, "--list").out
        kind = "Streams" if protocol == "streams" else "Classic"
        assert re.search(rf"{app.name} +{kind}", listed), listed


def test_the_coordinator_s_log_is_apache_s(make_app, streams_node, tools):
    """kafka-dump-log reads the records of streams groups, and ours prints the same of them."""
    app = make_app(streams_node.bootstrap, "logged", "streams")
    app.start("a")
    app.order(50)
    app.await_sums()
    app.instances["a"].close()
    streams_node.stop()
    logs = sorted(streams_node.data.glob("__consumer_offsets-*/*.log"))
    assert logs
    told = ""
    for path in logs:
        assert differs(tools, path, ("--offsets-decoder",)) is None
        told += tools.run("dump-log", "--offsets-decoder", "--files", path).out
    streams_node.start()
    assert "logged-by-product-repartition" in told and '"processId"' in told


def test_figures(make_app, kind, start_node):
    """Groups by state, and how often they were assigned anew, at /metrics."""
    if kind == "apache":
        pytest.skip("Apache Kafka shows its figures by JMX")
    (port,) = processes.free_ports(1)
    node = start_node(kind, "streams-figures", **QUICK, **{
        "metrics.listeners": f"127.0.0.1:{port}"})

    def figure(name, labels=""):
        return processes.scrape(port).get(
            f"kafka_server_group_coordinator_metrics_{name}{labels}", 0)
    app = make_app(node.bootstrap, "figures", "streams")
    app.start("a")
    app.order(10)
    app.await_sums()
    wait_until(lambda: figure("streams_group_count", '{state="Stable"}') == 1, SECONDS,
               lambda: f"a stable group: {processes.scrape(port)}")
    assert figure("group_count", '{protocol="streams"}') == 1
    assert figure("streams_group_rebalance_count") > 0
    app.instances["a"].close()
    wait_until(lambda: figure("streams_group_count", '{state="Empty"}') == 1, SECONDS,
               "an empty group")


UNSUPPORTED_VERSION = 35


def refusal(node):
    """What a member is told that would join."""
    with node.connect() as connection:
        joined = connection.call("StreamsGroupHeartbeat", 0, {
            "GroupId": "gated", "MemberId": "m", "RebalanceTimeoutMs": 1000, "ProcessId": "p",
            "Topology": {"Epoch": 0, "Subtopologies": []}})["ErrorCode"]
        described = connection.call("StreamsGroupDescribe", 0, {"GroupIds": ["gated"]})
    assert (described["Groups"][0]["ErrorCode"] == UNSUPPORTED_VERSION) == (
        joined == UNSUPPORTED_VERSION)
    return joined


def test_groups_that_are_switched_off(kind, start_node, tools):
    """By group.coordinator.rebalance.protocols, or by the level of streams.version."""
    node = start_node(kind, "streams-off", **{
        "group.coordinator.rebalance.protocols": "classic,consumer"})
    assert refusal(node) == UNSUPPORTED_VERSION
    node = start_node(kind, "streams-level")
    assert refusal(node) != UNSUPPORTED_VERSION

    def set_level(verb, level):
        done = tools.run("features", "--bootstrap-server", node.bootstrap, verb, "--feature",
                         f"streams.version={level}")
        assert done.status == 0, done
    set_level("downgrade", 0)
    wait_until(lambda: refusal(node) == UNSUPPORTED_VERSION, SECONDS, "groups switched off")
    set_level("upgrade", 1)
    wait_until(lambda: refusal(node) != UNSUPPORTED_VERSION, SECONDS, "groups switched on")


def test_why_internal_topics_cannot_be_made(driver, streams_node):
    """A member is told, while the group waits for them."""
    driver.connect(bootstrap=streams_node.bootstrap)
    driver.create_topic(topic="unmade-source", partitions=2, configs={})
    changelog = {"Name": "unmade-changelog", "Partitions": 0, "ReplicationFactor": 3,
                 "TopicConfigs": []}
    topology = {"Epoch": 0, "Subtopologies": [{
        "SubtopologyId": "0", "SourceTopics": ["unmade-source"], "SourceTopicRegex": [],
        "StateChangelogTopics": [changelog], "RepartitionSinkTopics": [],
        "RepartitionSourceTopics": [], "CopartitionGroups": []}]}
    joined = {"GroupId": "unmade", "MemberId": "m", "RebalanceTimeoutMs": 1000, "ProcessId": "p",
              "Topology": topology, "ActiveTasks": [], "StandbyTasks": [], "WarmupTasks": []}
    told = []

    def failed():
        with streams_node.connect() as connection:
            connection.call("FindCoordinator", 4, {"CoordinatorKeys": ["unmade"]})
            told.append(connection.call("StreamsGroupHeartbeat", 0, joined))
        return any("Creation failed: unmade-changelog (" in status["StatusDetail"]
                   for status in told[-1]["Status"] or [])
    wait_until(failed, 30, lambda: f"a reason: {told[-1:]}")
    assert "unmade-changelog" not in driver.list_topics()


def in_sync(cluster):
    with next(iter(cluster.brokers.values())).connect(timeout=30) as connection:
        answer = connection.call("Metadata", 12, {"Topics": None})
    return all(len(one["IsrNodes"]) == 2 for topic in answer["Topics"]
               for one in topic["Partitions"])


def test_coordinators_of_both_kinds(make_app, folder):
    """The group's coordinator, and all leaders, move between an Apache node and ours."""
    cluster = Cluster(
        folder / "streams-groups-mixed",
        {1: ("millrace", "controller"), 11: ("apache", "broker"), 12: ("millrace", "broker")}, **{
            "transaction.state.log.replication.factor": 2, "offsets.topic.replication.factor": 2,
            "transaction.state.log.num.partitions": 2, "offsets.topic.num.partitions": 2,
            "min.insync.replicas": 1, "replica.lag.time.max.ms": 5000, **QUICK})
    try:
        cluster.start()
        app = make_app(cluster.bootstrap, "mixed", "streams", replication=2)
        app.start("a")
        app.order(100)
        app.await_sums()
        app.start("b")
        for node in cluster.brokers.values():
            app.order(100)
            wait_until(lambda: in_sync(cluster), SECONDS, "all to be in sync")
            node.kill()
            app.driver.connect(bootstrap=cluster.bootstrap)
            app.order(100)
            app.await_sums()
            node.start()
        app.driver.connect(bootstrap=cluster.bootstrap)
        app.await_sums()
    finally:
        cluster.kill()
