"""How many connections there may be: who waits, who is refused, and who makes room."""

import contextlib
import time

import pytest

from harness import wire
from harness.processes import PATIENCE, free_ports, wait_until
from harness.quotas import ADDRESS, WAIT_SECONDS, alter


@pytest.fixture
def start_limited(kind, start_node):
    """A node with a listener for clients and one of the brokers', which is told the bounds."""
    def start(**bounds):
        client, controller, broker = free_ports(3)
        listeners = (f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller},"
                     f"INNER://127.0.0.1:{broker}")
        node = start_node(kind, "connections", ports=(client, controller), **{
            "listeners": listeners, "advertised.listeners": listeners,
            "inter.broker.listener.name": "INNER", "num.network.threads": 1,
            "listener.security.protocol.map":
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,INNER:PLAINTEXT", **bounds})
        return node, broker
    return start


def is_served(connection):
    try:
        return bool(connection.call("ApiVersions", 0)["ApiKeys"])
    except wire.Closed:
        return False


def all_are_in(node, stack, count):
    """That many connections which are all served at the same time."""
    def connected():
        with contextlib.ExitStack() as attempt:
            made = [attempt.enter_context(node.connect(timeout=2)) for _ in range(count)]
            try:
                if all(is_served(one) for one in made):
                    stack.push(attempt.pop_all())
                    return made
            except TimeoutError:
                pass
        return None
    return wait_until(connected, WAIT_SECONDS, f"{count} connections")


def test_who_comes_above_the_most_waits(start_limited):
    node, inner = start_limited(**{"max.connections": 3})
    with contextlib.ExitStack() as stack:
        rests, used, leaves = all_are_in(node, stack, 3)
        waiting = stack.enter_context(node.connect(timeout=1))
        asked = waiting.send("ApiVersions", 0, {})
        with pytest.raises(TimeoutError):
            waiting.receive("ApiVersions", 0, asked)
        assert is_served(used) and is_served(leaves)
        leaves.close()
        assert waiting.receive("ApiVersions", 0, asked, timeout=WAIT_SECONDS)["ApiKeys"]

        broker = stack.enter_context(wire.Connection(inner))
        assert is_served(broker), "the brokers' listener is let go above the bound"
        with pytest.raises(wire.Closed):  # the least recently used makes room
            rests.frame(WAIT_SECONDS)
        assert is_served(used) and is_served(waiting) and is_served(broker)


def test_a_listener_has_a_bound_of_its_own(start_limited):
    node, inner = start_limited(**{"listener.name.plaintext.max.connections": 2})
    with contextlib.ExitStack() as stack:
        first, second = all_are_in(node, stack, 2)
        waiting = stack.enter_context(node.connect(timeout=1))
        asked = waiting.send("ApiVersions", 0, {})
        with pytest.raises(TimeoutError):
            waiting.receive("ApiVersions", 0, asked)
        assert is_served(stack.enter_context(wire.Connection(inner)))
        first.close()
        assert waiting.receive("ApiVersions", 0, asked, timeout=WAIT_SECONDS)["ApiKeys"]
        assert is_served(second)


def test_above_the_most_of_an_address_a_connection_is_closed(start_limited):
    node, _ = start_limited(**{"max.connections.per.ip": 2})
    with contextlib.ExitStack() as stack:
        both = all_are_in(node, stack, 2)
        assert not is_served(stack.enter_context(node.connect()))
        assert all(is_served(one) for one in both)


@pytest.fixture(scope="module")
def throttling(kind, start_node):
    """A node whose quotas may be changed."""
    return start_node(kind, "quotas-of-addresses")


def test_new_connections_of_an_address(throttling):
    with throttling.connect() as before:
        alter(throttling, [(ADDRESS, "127.0.0.1")], connection_creation_rate=2)
        accepted = 0
        refused = None
        with contextlib.ExitStack() as stack:
            while refused is None and accepted < 100:
                one = stack.enter_context(throttling.connect(client_id="c-many"))
                begun = time.monotonic()
                try:
                    one.call("ApiVersions", 0)
                    accepted += 1
                except wire.Closed:
                    refused = time.monotonic() - begun
        # Two a second for ten seconds; those that set the quota may count, too.
        assert 10 <= accepted <= 26
        assert refused < 5 * PATIENCE
        before.call("AlterClientQuotas", 1, {"Entries": [{
            "Entity": [{"EntityType": ADDRESS, "EntityName": "127.0.0.1"}],
            "Ops": [{"Key": "connection_creation_rate", "Value": 0.0, "Remove": True}]}]})

        def comes_in():
            try:
                with throttling.connect() as one:
                    return one.call("ApiVersions", 0)
            except wire.Closed:
                return None
        wait_until(comes_in, WAIT_SECONDS, "a connection without a quota")
