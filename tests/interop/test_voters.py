"""Voters that come and go: Apache's and our controllers, leaders and tools, in all combinations."""

import json
import re
import subprocess

import pytest

from harness import processes
from harness.node import MillraceNode

WAIT_SECONDS = 60
BROKER = {11: ("apache", "broker")}


def controllers(kinds, first=1):
    return {each: (kind, "controller") for each, kind in enumerate(kinds, start=first)}


@pytest.fixture(params=["apache", "millrace"])
def change(request, tools):
    """change(cluster, verb, controller): by the tool of either kind; its output."""
    def of_apache(arguments):
        run = tools.run("metadata-quorum", *arguments)
        return run.status, run.out + run.err

    def of_millrace(arguments):
        run = subprocess.run(
            [MillraceNode.executable, "metadata-quorum", *arguments], capture_output=True,
            text=True, timeout=90, check=False)
        return run.returncode, run.stdout + run.stderr

    run = {"apache": of_apache, "millrace": of_millrace}[request.param]

    def change(cluster, verb, node):
        known = ["--bootstrap-controller", ",".join(
            f"127.0.0.1:{each.controller_port}" for each in cluster.controllers.values()
            if each.alive())]
        if verb == "add-controller":
            return run([*known, "--command-config", str(node.properties_file), verb])
        return run([*known, verb, "--controller-id", str(node.properties["node.id"]),
                    "--controller-directory-id", directory_id(node)])

    return change


def directory_id(node):
    text = (node.data / "meta.properties").read_text()
    return re.search(r"directory.id=(\S+)", text).group(1)


def last_election(node):
    state = (node.data / "__cluster_metadata-0" / "quorum-state").read_text()
    return json.loads(state.splitlines()[0])  # ours has a checksum behind


def lets_go(cluster, each):
    """Stops a former voter, once it knows of a leader among the others."""
    node = cluster.members[each]
    processes.wait_until(lambda: last_election(node)["leaderId"] not in (-1, each), WAIT_SECONDS,
                         lambda: f"{each} to follow: {last_election(node)}")
    node.stop()


def knows(cluster, voters):
    processes.wait_until(lambda: cluster.voters() == sorted(voters), WAIT_SECONDS,
                         lambda: f"voters {voters}, not {cluster.voters()}")


def apply(cluster, change, verb, each):
    """Until it is done: a controller that has just started may not have caught up yet."""
    told = []

    def done():
        status, text = change(cluster, verb, cluster.members[each])
        told.append(text)
        return status == 0 or re.search("already part|Cannot remove", text)
    processes.wait_until(done, WAIT_SECONDS, lambda: f"{verb} {each}: {told[-1]}")
    return told[-1]


def works(cluster, topic):
    def created():
        with cluster.members[11].connect(timeout=30) as connection:
            answer = connection.call("CreateTopics", 7, {
                "Topics": [{"Name": topic, "NumPartitions": 1, "ReplicationFactor": 1,
                            "Assignments": [], "Configs": []}],
                "timeoutMs": 20000, "validateOnly": False})
            return answer["Topics"][0]["ErrorCode"] in (0, 36)  # TOPIC_ALREADY_EXISTS
    processes.wait_until(created, WAIT_SECONDS, f"topic {topic}")


@pytest.mark.parametrize("leader, joins", [("apache", "millrace"), ("millrace", "apache")])
def test_a_leader_takes_a_voter_in_and_lets_it_go(start_cluster, change, leader, joins):
    cluster = start_cluster({**controllers([leader, joins]), **BROKER}, dynamic=True, voters=[1])
    processes.wait_until(lambda: cluster.leader() == 1, WAIT_SECONDS, "the leader")
    assert "Added" in apply(cluster, change, "add-controller", 2)
    knows(cluster, [1, 2])
    works(cluster, "of-two")
    status, text = change(cluster, "add-controller", cluster.members[2])
    assert status != 0 and "already part of the set of voters" in text
    assert "Removed" in apply(cluster, change, "remove-controller", 2)
    knows(cluster, [1])
    status, text = change(cluster, "remove-controller", cluster.members[2])
    assert status != 0 and "Cannot remove voter" in text
    works(cluster, "of-one")


@pytest.mark.parametrize("old, new", [("apache", "millrace"), ("millrace", "apache")])
def test_all_controllers_are_replaced(start_cluster, change, old, new):
    """One by one; the former voters go away, and whoever comes back finds the new ones."""
    cluster = start_cluster(
        {**controllers([old] * 3), **controllers([new] * 3, first=4), **BROKER},
        dynamic=True, voters=[1, 2, 3])
    for each in (1, 2, 3):
        apply(cluster, change, "add-controller", each + 3)
        works(cluster, f"beside-{each}")
        apply(cluster, change, "remove-controller", each)
        lets_go(cluster, each)
        works(cluster, f"without-{each}")
    knows(cluster, [4, 5, 6])
    # Twice another one leads, and the broker starts with nothing but the bootstrap servers.
    cluster.members[11].stop()
    cluster.members[11].start()
    for turn in range(2):
        leader = processes.wait_until(cluster.leader, WAIT_SECONDS, "a leader")
        cluster.members[leader].stop()
        works(cluster, f"after-{turn}")
        cluster.members[leader].start()
    # Apache's does not start when its last vote was for itself and it is no voter any more.
    returns = next(each for each in (1, 2, 3)
                   if last_election(cluster.members[each])["votedId"] != each)
    cluster.members[returns].start()
    processes.wait_until(
        lambda: returns in {one["ReplicaId"] for one in (cluster.describe_quorum() or {}).get(
            "Observers", [])}, WAIT_SECONDS, "the former voter to follow the new ones")


@pytest.mark.parametrize("leader, joins", [("apache", "millrace"), ("millrace", "apache")])
def test_a_controller_joins_by_itself(start_cluster, leader, joins):
    cluster = start_cluster({**controllers([leader, joins]), **BROKER}, dynamic=True, voters=[1],
                            **{"controller.quorum.fetch.timeout.ms": 1000})
    node = cluster.members[2]
    node.stop()
    node.properties["controller.quorum.auto.join.enable"] = "true"
    node.start()
    knows(cluster, [1, 2])
    works(cluster, "joined")


@pytest.mark.parametrize("leader, moves", [("apache", "millrace"), ("millrace", "apache")])
def test_a_voter_tells_its_new_address(start_cluster, leader, moves):
    cluster = start_cluster({**controllers([leader, moves, leader]), **BROKER}, dynamic=True)
    processes.wait_until(cluster.leader, WAIT_SECONDS, "a leader")
    node = cluster.members[2]
    node.stop()
    node.controller_port = processes.free_ports(1)[0]
    address = f"CONTROLLER://127.0.0.1:{node.controller_port}"
    node.properties.update({"listeners": address, "advertised.listeners": address})
    node.start()

    def told():
        found = cluster.describe_nodes()
        return found and found.get(2) == node.controller_port
    processes.wait_until(told, WAIT_SECONDS, "the new address among the voters")
    works(cluster, "moved")


@pytest.mark.parametrize("kinds", [
    ("apache", "apache", "millrace"), ("millrace", "millrace", "apache"),
], ids="-".join)
def test_a_static_quorum_becomes_dynamic(start_cluster, tools, kinds):
    cluster = start_cluster({**controllers(kinds), **BROKER})
    broker = cluster.members[11].bootstrap

    def raised():
        run = tools.run("features", "--bootstrap-server", broker, "upgrade", "--feature",
                        "kraft.version=1")
        return run.status == 0
    processes.wait_until(raised, WAIT_SECONDS, "kraft.version 1")
    for node in cluster.controllers.values():
        node.stop()
    for node in cluster.controllers.values():
        del node.properties["controller.quorum.voters"]
        node.launch()
    knows(cluster, [1, 2, 3])
    works(cluster, "dynamic")
