"""How long producers wait when nodes of a cluster are killed, and what is there afterwards: at the
defaults of every timeout, with Apache's cluster beside ours."""

import contextlib
import random
import time

import pytest

from harness import load, processes
from harness.cluster import Cluster
from harness.namespaces import Network
from test_replication import (
    BROKERS, TOPIC, WAIT_SECONDS, all_in_sync, are_equal, check, create, partitions_of)

DEFAULTS = {
    "broker.session.timeout.ms": 9000,
    "broker.heartbeat.interval.ms": 2000,
    "default.replication.factor": 3,
}
PACE = 0.003
# The session of a broker takes nine seconds to end: whoever is faster has seen that its process is
# gone, however busy the machine is. How fast is told, not asserted.
MOST_SECONDS = {"millrace": 7.0, "apache": 60.0}


def make(folder, controllers, brokers, count=1, combined=False):
    if combined:
        members = {each: (brokers, "broker,controller") for each in BROKERS}
    else:
        members = {**{1 + i: (controllers, "controller") for i in range(count)},
                   **{each: (brokers, "broker") for each in BROKERS}}
    return Cluster(folder, members, **DEFAULTS)


def begin(cluster, pace=PACE):
    cluster.start()
    create(cluster)
    processes.wait_until(lambda: all_in_sync(cluster), WAIT_SECONDS, "all to be in sync")
    sent = load.Load(cluster.bootstrap, TOPIC, 1, pace)
    sent.wait_for(100, next(iter(cluster.brokers.values())))
    return sent


def finish(cluster, sent):
    sent.finish()
    processes.wait_until(lambda: are_equal(cluster), WAIT_SECONDS, "equal logs")
    check(cluster, sent)


def come_back(cluster, node):
    node.start()
    processes.wait_until(lambda: all_in_sync(cluster), WAIT_SECONDS, "all to be in sync")


def led_by(cluster, broker):
    return [partition for partition, (leader, _) in partitions_of(cluster).items()
            if leader == broker]


def silence_after_kill(cluster, sent, victim):
    """Kills a broker; the longest time without a record in a partition that it led."""
    partitions = led_by(cluster, victim)
    since = time.monotonic()
    node = cluster.members[victim]
    node.kill()
    for partition in partitions:
        goal = sent.sent[partition] + 50
        processes.wait_until(lambda: len(sent.acknowledged[partition]) > goal, WAIT_SECONDS,
                             lambda: f"records in partition {partition}: {sent.errors[:3]}")
    return max((sent.longest_silence(partition, since) for partition in partitions), default=0)


def kill_in_turn(cluster, sent, times):
    """Kills whichever broker leads most, again and again; the times without records."""
    waits = []
    for _ in range(times):
        leaders = [leader for leader, _ in partitions_of(cluster).values()]
        victim = max(BROKERS, key=leaders.count)
        waits.append(silence_after_kill(cluster, sent, victim))
        come_back(cluster, cluster.members[victim])
    return waits


def report(name, waits):
    waits = sorted(waits)
    print(f"\n{name}: {len(waits)} kills, seconds without records: "
          f"median {waits[len(waits) // 2]:.2f}, most {waits[-1]:.2f}")


@pytest.mark.parametrize("controllers, brokers", [
    ("millrace", "millrace"), ("millrace", "apache"), ("apache", "apache"),
])
def test_a_leader_that_is_killed(folder, request, controllers, brokers):
    times = 100 if request.config.getoption("--full") and brokers == "millrace" else 3
    cluster = make(folder / f"leader-{controllers}-{brokers}", controllers, brokers)
    try:
        sent = begin(cluster)
        waits = kill_in_turn(cluster, sent, times)
        finish(cluster, sent)
        report(f"{controllers} controllers, {brokers} brokers", waits)
        assert max(waits) < MOST_SECONDS[controllers]
    finally:
        cluster.kill()


@pytest.mark.parametrize("nodes", ["millrace", "apache"])
def test_a_leader_that_is_the_active_controller(folder, request, nodes):
    """The nodes have both roles, and the one that is killed is the active controller, too."""
    times = 100 if request.config.getoption("--full") and nodes == "millrace" else 3
    cluster = make(folder / f"combined-{nodes}", nodes, nodes, combined=True)
    try:
        sent = begin(cluster)
        waits = []
        for _ in range(times):
            processes.wait_until(cluster.leader, WAIT_SECONDS, "a controller")
            victim = cluster.leader()
            waits.append(silence_after_kill(cluster, sent, victim))
            come_back(cluster, cluster.members[victim])
        finish(cluster, sent)
        report(f"{nodes} nodes of both roles", waits)
        assert max(waits) < MOST_SECONDS[nodes]
    finally:
        cluster.kill()


def test_controllers_that_are_killed_do_not_stop_producers(folder, request):
    times = 100 if request.config.getoption("--full") else 4
    cluster = make(folder / "controllers", "millrace", "millrace", count=3)
    try:
        sent = begin(cluster)
        since = time.monotonic()
        took = []
        for _ in range(times):
            processes.wait_until(cluster.leader, WAIT_SECONDS, "a controller")
            victim = cluster.leader()
            killed = time.monotonic()
            cluster.members[victim].kill()
            processes.wait_until(lambda: cluster.leader() not in (None, victim), WAIT_SECONDS,
                                 "another controller")
            took.append(time.monotonic() - killed)
            sent.wait_for(50, next(iter(cluster.brokers.values())))
            cluster.members[victim].start()
        finish(cluster, sent)
        silences = [sent.longest_silence(one, since) for one in range(load.PARTITIONS)]
        report("controllers, until another one is told of", took)
        assert max(silences) < 7, silences
    finally:
        cluster.kill()


def test_nodes_that_are_paused(folder, request):
    """A leader that sleeps for longer than its session finds, when it wakes, that it leads no
    longer: what it acknowledges or tells then is not what clients have seen of the next one."""
    times = 30 if request.config.getoption("--full") else 2
    cluster = make(folder / "paused", "millrace", "millrace")
    try:
        sent = begin(cluster)
        for turn in range(times):
            victim = BROKERS[turn % len(BROKERS)]
            node = cluster.members[victim]
            others = next(one for each, one in cluster.brokers.items() if each != victim)
            with node.paused():
                processes.wait_until(
                    lambda: victim not in [
                        one for one, _ in partitions_of(cluster, others).values()],
                    WAIT_SECONDS, "others to lead")
                sent.wait_for(100, others)
            sent.wait_for(100, others)
            processes.wait_until(lambda: all_in_sync(cluster), WAIT_SECONDS, "all to be in sync")
        finish(cluster, sent)
    finally:
        cluster.kill()


def cuts_of(chance, victim, members):
    """Ways that are cut between a broker and the others: all, those to it, or those from it."""
    others = [each for each in members if each != victim]
    if chance.random() < 0.4:
        others = chance.sample(others, chance.randrange(1, len(others)))
    kind = chance.randrange(3)
    return ([(victim, other) for other in others if kind != 0] +
            [(other, victim) for other in others if kind != 1])


def test_ways_that_are_cut(folder, request):
    """Brokers and the controller are machines; whatever a broker sends, or is sent, is lost."""
    times = 60 if request.config.getoption("--full") else 4
    chance = random.Random(7)
    with contextlib.closing(Network([1, *BROKERS])) as network, network.router():
        members = {1: ("millrace", "controller"),
                   **{each: ("millrace", "broker") for each in BROKERS}}
        cluster = Cluster(folder / "cuts", members, network=network, **{
            **DEFAULTS, "replica.lag.time.max.ms": 5000, "replica.socket.timeout.ms": 5000,
            "min.insync.replicas": 2})
        try:
            sent = begin(cluster)
            for turn in range(times):
                victim = BROKERS[turn % len(BROKERS)]
                for way in cuts_of(chance, victim, members):
                    network.cut(*way)
                time.sleep(chance.uniform(1, 14))
                network.heal()
                others = next(one for each, one in cluster.brokers.items() if each != victim)
                sent.wait_for(100, others)
                processes.wait_until(lambda: all_in_sync(cluster), WAIT_SECONDS,
                                     "all to be in sync")
            finish(cluster, sent)
        finally:
            cluster.kill()
