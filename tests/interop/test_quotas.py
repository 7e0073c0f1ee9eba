"""Quotas of clients and addresses: who is throttled, for how long, and that nothing is lost by it.

Raw requests find the waits that Apache's own arithmetic gives; Java's and librdkafka's clients keep
to the rates.
"""

import contextlib
import re
import subprocess
import time

import pytest
from confluent_kafka import Consumer

from harness import records
from harness.node import MillraceNode
from harness.processes import PATIENCE, free_ports, scrape, wait_until
from harness.quotas import (
    CLIENT, ME, OTHER_MEMBER, USER, WAIT_SECONDS, Stream, acquired_in, alter, create,
    end_of, fetch, join_share_group, produce, produce_request, quotas, records_in,
    seconds_to_answer, share_fetch, share_from_the_start)

WINDOW_SECONDS = 10  # that are behind the sample which fills, of quota.window.num=11
QUICK = {"quota__window__num": 3, "controller__quota__window__num": 3}
THROTTLING_QUOTA_EXCEEDED = 89


@pytest.fixture(scope="module")
def throttling(kind, start_node):
    """A node whose quotas may be changed."""
    return start_node(kind, "quotas")


@pytest.fixture(scope="module")
def quick(kind, start_node):
    """The same, where a client that had a rest may have but two seconds' worth at once."""
    return start_node(kind, "quick-quotas", **QUICK)


# What one connection meets -------------------------------------------------------------------

def test_a_produce_is_answered_at_once_and_mutes_its_connection(throttling):
    bound = 10_000
    with quotas(throttling, [(CLIENT, "p-mute")], producer_byte_rate=bound), \
            throttling.connect(client_id="p-mute") as connection, \
            throttling.connect(client_id="p-mute") as other:
        create(connection, "p-mute")
        begun = time.monotonic()
        told, size = produce(connection, "p-mute", 120_000)
        answered = time.monotonic() - begun
        assert told == pytest.approx(
            (size / WINDOW_SECONDS - bound) / bound * WINDOW_SECONDS * 1000, abs=40)
        assert answered < told / 1000 / 2
        assert seconds_to_answer(other) < told / 1000 / 2, "only that connection is muted"
        seconds_to_answer(connection)
        assert time.monotonic() - begun > told / 1000 - 0.1
        assert end_of(throttling, "p-mute") == 1, "what is throttled is written"


def test_a_produce_without_an_answer_mutes_too(throttling):
    with quotas(throttling, [(CLIENT, "p-silent")], producer_byte_rate=10_000), \
            throttling.connect(client_id="p-silent") as connection:
        create(connection, "p-silent")
        connection.send("Produce", 9, produce_request("p-silent", 125_000, acks=0))
        # Requests that were there already may overtake it.
        wait_until(lambda: seconds_to_answer(connection) > 1, WAIT_SECONDS, "a wait")


def test_a_fetch_that_is_throttled_is_empty(throttling):
    with throttling.connect() as writer:
        create(writer, "f-empty")
        for _ in range(12):
            produce(writer, "f-empty", 10_000)
    with quotas(throttling, [(CLIENT, "f-empty")], consumer_byte_rate=5_000), \
            throttling.connect(client_id="f-empty") as connection:
        answers = []
        while not answers or answers[-1]["ThrottleTimeMs"] == 0:
            answers.append(fetch(connection, "f-empty", len(answers)))
        assert [len(records_in(one)) for one in answers] == [1] * 4 + [0]
        throttled = answers[-1]
        assert throttled["ErrorCode"] == 0 and throttled["Responses"] == []
        assert 0 < throttled["ThrottleTimeMs"] < 1500, "as far as five batches are above the bound"
        # In a session: nothing is skipped, and a session that was not told of is none.
        session = (0, 0)
        throttled = fetch(connection, "f-empty", 4, session)
        while throttled["ThrottleTimeMs"] == 0:
            throttled = fetch(connection, "f-empty", 4, session)
        assert throttled["SessionId"] == 0 and throttled["Responses"] == []

        def made():
            answer = fetch(connection, "f-empty", 4, session)
            return answer if answer["SessionId"] else None
        first = wait_until(made, WAIT_SECONDS, "a session")
        session = (first["SessionId"], 1)
        throttled = fetch(connection, "f-empty", 5, session)
        while throttled["ThrottleTimeMs"] == 0:
            session = (session[0], session[1] + 1)
            throttled = fetch(connection, "f-empty", 5, session)
        assert throttled["ErrorCode"] == 0
        assert throttled["SessionId"] == session[0] and throttled["Responses"] == []


def test_a_share_fetch_that_is_throttled_acquires_nothing(kind, throttling):
    group = topic = "s-empty"
    with throttling.connect() as writer:
        create(writer, topic)
        share_from_the_start(writer, group)
        for _ in range(8):
            produce(writer, topic, 10_000)
    with quotas(throttling, [(CLIENT, "s-empty")], consumer_byte_rate=5_000), \
            throttling.connect(client_id="s-empty") as connection, \
            throttling.connect() as other:
        topic_id = connection.call("Metadata", 12, {"Topics": [{"Name": topic}]})[
            "Topics"][0]["TopicId"]
        join_share_group(other, group, topic)
        answers = []
        while not answers or answers[-1]["ThrottleTimeMs"] == 0:
            assert len(answers) < 50, "it is never throttled"
            answers.append(share_fetch(connection, group, len(answers), topic_id))
        assert answers[-1]["ErrorCode"] == 0 and acquired_in(answers[-1]) == []
        before = [offset for answer in answers for offset in acquired_in(answer)]
        assert len(before) >= 3 and len(answers[-1]["Responses"]) == 0
        # Apache's are held until their locks expire, for one who was not given them.
        if kind == "millrace":
            after = share_fetch(other, group, 0, topic_id, member=OTHER_MEMBER, size=1 << 20)
            assert acquired_in(after) == list(range(before[-1] + 1, 8))


def test_the_most_specific_quota_applies_while_it_is_there(throttling):
    levels = [[(CLIENT, "p-level"), ME], [(CLIENT, None), ME], [ME],
              [(CLIENT, "p-level"), (USER, None)], [(CLIENT, None), (USER, None)], [(USER, None)],
              [(CLIENT, "p-level")], [(CLIENT, None)]]
    with throttling.connect() as connection:
        create(connection, "p-level")

    def wait_is(wanted):
        """Each time by a connection that was not muted yet."""
        def asked():
            with throttling.connect(client_id="p-level") as connection:
                return (produce(connection, "p-level", 30_000)[0] > 0) == wanted
        return asked

    for parts in levels:
        alter(throttling, parts, producer_byte_rate=1e12)
    for parts in levels:
        wait_until(wait_is(False), WAIT_SECONDS, f"no wait above {parts}")
        alter(throttling, parts, producer_byte_rate=1000)
        wait_until(wait_is(True), WAIT_SECONDS, f"a wait by {parts}")
        alter(throttling, parts, producer_byte_rate=None)
    wait_until(wait_is(False), WAIT_SECONDS, "no wait without a quota")


def test_time_of_requests(throttling):
    with throttling.connect(client_id="r-time") as connection:
        for _ in range(50):
            assert connection.call("Metadata", 12, {"Topics": None})["ThrottleTimeMs"] == 0
        with quotas(throttling, [(CLIENT, "r-time")], request_percentage=0.01):
            def told():
                return connection.call("Metadata", 12, {"Topics": None})["ThrottleTimeMs"]
            wait = wait_until(told, WAIT_SECONDS, "a wait")
            assert wait <= 1000, "one sample's time is the longest"
            assert seconds_to_answer(connection) > wait / 1000 - 0.1
        wait_until(lambda: told() == 0, WAIT_SECONDS, "the end of it")


# Partitions ----------------------------------------------------------------------------------

def create_topic(connection, name, partitions, version):
    answer = connection.call("CreateTopics", version, {"timeoutMs": 30000, "Topics": [
        {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1}]})
    return answer["Topics"][0]["ErrorCode"], answer["ThrottleTimeMs"]


def mutations(node):
    """Eleven partitions at once, then one a second; refusals by versions that know them."""
    with quotas(node, [(CLIENT, "m-some")], controller_mutation_rate=1), \
            node.connect(client_id="m-some") as connection:
        assert create_topic(connection, "m-a", 14, 7) == (0, 0), "overdrawn, for the next one"
        error, told = create_topic(connection, "m-b", 1, 7)
        assert error == THROTTLING_QUOTA_EXCEEDED and 2000 < told <= 3000
        begun = time.monotonic()
        error, again = create_topic(connection, "m-b", 1, 6)
        assert time.monotonic() - begun > told / 1000 - 0.1, "it was muted"
        assert (error, again) == (0, 0)
        # Older versions get what they ask for, and wait afterwards.
        error, told = create_topic(connection, "m-c", 4, 5)
        assert error == 0 and 2000 < told <= 5000
        answer = connection.call("DeleteTopics", 4, {"TopicNames": ["m-a"], "TimeoutMs": 30000})
        assert answer["Responses"][0]["ErrorCode"] == 0
        assert 10_000 < answer["ThrottleTimeMs"] <= 14_000
    with node.connect() as connection:
        _refusals(node, connection)


def _refusals(node, connection):
    """Each request that makes or removes partitions, of a client that may not now."""
    with quotas(node, [(CLIENT, "m-all")], controller_mutation_rate=1):
        def client():
            return node.connect(client_id="m-all")
        with client() as one:
            assert create_topic(one, "m-many", 60, 7) == (0, 0)
        wait_until(lambda: len(connection.call("Metadata", 12, {
            "Topics": [{"Name": "m-many"}]})["Topics"][0]["Partitions"]) == 60, 30, "it is there")
        topic = {"Name": "m-many", "Count": 61, "Assignments": None}
        for api, version, fields, results in (
                ("DeleteTopics", 5, {"TopicNames": ["m-many"], "TimeoutMs": 1000}, "Responses"),
                ("DeleteTopics", 6, {"Topics": [{"Name": "m-many"}], "TimeoutMs": 1000},
                 "Responses"),
                ("CreatePartitions", 3, {"Topics": [topic], "TimeoutMs": 1000}, "Results"),
                ("CreateTopics", 7, {"timeoutMs": 1000, "Topics": [
                    {"Name": "m-no", "NumPartitions": 1, "ReplicationFactor": 1}]}, "Topics")):
            with client() as one:
                answer = one.call(api, version, fields)
            refused = answer[results][0]
            assert refused["ErrorCode"] == THROTTLING_QUOTA_EXCEEDED, (api, version, answer)
            assert 40_000 < answer["ThrottleTimeMs"] <= 49_000
            assert refused.get("ErrorMessage") is None
        for api, version, fields, results in (
                ("CreatePartitions", 1, {"Topics": [topic], "TimeoutMs": 1000}, "Results"),
                ("DeleteTopics", 3, {"TopicNames": ["m-many"], "TimeoutMs": 1000}, "Responses")):
            with client() as one:
                answer = one.call(api, version, fields)
            assert answer[results][0]["ErrorCode"] == 0, answer
            assert answer["ThrottleTimeMs"] > 40_000
    with node.connect() as connection:
        missing = connection.call("Metadata", 12, {
            "Topics": [{"Name": "m-no"}, {"Name": "m-many"}], "AllowAutoTopicCreation": False})
        assert all(one["ErrorCode"] == 3 for one in missing["Topics"])


def test_partitions_made_and_removed(throttling):
    mutations(throttling)


@pytest.mark.parametrize("about,held_back", [
    ({USER: None}, ("name", "", None)),
    ({USER: ME[1]}, ("name", "", None)),
    ({CLIENT: None}, ("name",)),
    ({CLIENT: "name"}, ("name",)),
    ({USER: None, CLIENT: None}, ("name",)),
    ({USER: ME[1], CLIENT: None}, ("name",)),
    ({USER: None, CLIENT: "name"}, ("name",)),
], ids=["any user", "user", "any client", "client", "any user, any client", "user, any client",
        "any user, client"])
def test_whom_a_quota_on_partitions_is_about(throttling, about, held_back):
    """A client that tells no name has the quotas of its user only."""
    mine = f"m-{time.monotonic_ns()}"  # no other test has drawn on its bucket

    def named(name):
        return mine if name == "name" else name
    with quotas(throttling, [(kind, named(name)) for kind, name in about.items()],
                controller_mutation_rate=1):
        for client in ("name", "", None):
            overdrawn = client != "name" and client in held_back  # a user is one client
            with throttling.connect(client_id=named(client)) as one:
                assert create_topic(one, f"{mine}-first-{client}", 1 if overdrawn else 17,
                                    5)[0] == 0
            with throttling.connect(client_id=named(client)) as one:
                refused = create_topic(one, f"{mine}-{client}", 1, 7)[0]
            expected = THROTTLING_QUOTA_EXCEEDED if client in held_back else 0
            assert refused == expected, (about, client)


def test_our_tool_has_a_name_as_apaches_has(throttling):
    """Each run is the same client, which is held back."""
    def topics(name, partitions):
        subprocess.run([MillraceNode.executable, "topics", "--bootstrap-server",
                        throttling.bootstrap, "--create", "--topic", name, "--partitions",
                        str(partitions), "--replication-factor", "1"],
                       check=True, capture_output=True, timeout=60)

    with quotas(throttling, [(CLIENT, None)], controller_mutation_rate=1):
        topics("m-tool-first", 15)
        begun = time.monotonic()
        topics("m-tool", 1)
        assert time.monotonic() - begun > 2


@pytest.mark.parametrize("kinds", [("millrace", "millrace"), ("apache", "millrace"),
                                   ("millrace", "apache")], ids="-by-".join)
def test_partitions_by_a_broker_that_passes_requests_on(start_cluster, kinds):
    """It is the controller that counts; it and the broker are two nodes."""
    controller, broker = kinds
    cluster = start_cluster({1: (controller, "controller"), 2: (broker, "broker")})
    mutations(cluster.brokers[2])


# Clients -------------------------------------------------------------------------------------

def keeps_to(rate, bound):
    """Clients send in bursts, and then wait for a whole window: some of the rate is lost."""
    return 0.4 * bound < rate < 1.25 * bound


def test_librdkafka_produces_at_the_rate_that_is_set_meanwhile(quick):
    with quick.connect() as connection:
        create(connection, "p-stream")
    bound = 400_000
    alter(quick, [(CLIENT, "p-stream")], producer_byte_rate=bound)
    with contextlib.closing(Stream(quick, "p-stream", "p-stream")) as stream:
        slow = stream.rate(3 * bound, 5 * bound)
        assert any(wait > 0 for wait in stream.waits)
        alter(quick, [(CLIENT, "p-stream")], producer_byte_rate=3 * bound)
        faster = stream.rate(9 * bound, 15 * bound)
        alter(quick, [(CLIENT, "p-stream")], producer_byte_rate=None)
        free = stream.rate(3 * bound, 30 * bound)
        print(f"rates: {slow:.0f} of {bound}, {faster:.0f} of {3 * bound}, {free:.0f}")
        stream.finish()
        assert end_of(quick, "p-stream") * 1000 == stream.acknowledged
    assert keeps_to(slow, bound) and keeps_to(faster, 3 * bound) and free > 5 * bound


def test_a_user_is_one_client_however_many_connections_it_has(quick):
    bound = 400_000
    with quick.connect() as connection:
        create(connection, "p-user")
    with quotas(quick, [ME], producer_byte_rate=bound), contextlib.ExitStack() as stack:
        streams = [stack.enter_context(contextlib.closing(Stream(quick, "p-user", f"p-user-{i}")))
                   for i in range(4)]

        def total():
            return sum(one.acknowledged for one in streams)

        def reached(goal):
            wait_until(lambda: total() >= goal, 3 * WAIT_SECONDS, f"{goal} bytes")
            return time.monotonic(), total()
        begun, first = reached(4 * bound)
        ended, last = reached(first + 6 * bound)
        rate = (last - first) / (ended - begun)
        print(f"rate: {rate:.0f} of {bound}")
        assert keeps_to(rate, bound)
        alter(quick, [ME], producer_byte_rate=None)
        for one in streams:
            one.finish()
        assert end_of(quick, "p-user") * 1000 == total()


def metric(printed, name):
    found = re.search(rf"{name}\S*\s*:\s*([\d.]+)", printed)
    assert found, printed[-3000:]
    return float(found[1])


def test_java_produces_and_consumes_at_the_rate(quick, tools):
    bound, count = 1_000_000, 8_000
    with quick.connect() as connection:
        create(connection, "j-perf")
    with quotas(quick, [(CLIENT, "j-perf")], producer_byte_rate=bound, consumer_byte_rate=bound):
        begun = time.monotonic()
        run = tools.run("producer-perf-test", "--topic", "j-perf", "--num-records", count,
                        "--record-size", 1000, "--throughput", -1, "--print-metrics",
                        "--command-property", f"bootstrap.servers={quick.bootstrap}",
                        "client.id=j-perf", "acks=all")
        took = time.monotonic() - begun
        assert run.status == 0, run.err
        # Two seconds' worth come at once.
        assert took > (count * 1000 / bound - 2) * 0.8
        assert took < count * 1000 / bound * 2.5 * PATIENCE
        assert metric(run.out, "produce-throttle-time-avg") > 0
        assert end_of(quick, "j-perf") == count
        begun = time.monotonic()
        run = tools.run("consumer-perf-test", "--bootstrap-server", quick.bootstrap, "--topic",
                        "j-perf", "--num-records", count, "--print-metrics", "--timeout", 30_000,
                        "--command-property", "client.id=j-perf")
        took = time.monotonic() - begun
        assert run.status == 0, run.err
        assert took > (count * 1000 / bound - 2) * 0.8
        assert took < count * 1000 / bound * 3 * PATIENCE
        assert metric(run.out, "fetch-throttle-time-avg") > 0


def test_java_consumes_in_a_share_group_at_the_rate(kind, quick, tools):
    if kind == "apache":
        pytest.skip("its records wait for locks to expire, each time that the client is throttled")
    bound, count = 400_000, 4_000
    with quick.connect() as connection:
        create(connection, "s-perf")
        share_from_the_start(connection, "s-perf")
        for _ in range(count // 40):
            batch = records.batch([(f"k{i}", "v" * 990) for i in range(40)])
            connection.call("Produce", 9, {"Acks": -1, "TimeoutMs": 30000, "TopicData": [{
                "Name": "s-perf", "PartitionData": [{"Index": 0, "Records": batch}]}]})
    with quotas(quick, [(CLIENT, "s-perf")], consumer_byte_rate=bound):
        begun = time.monotonic()
        run = tools.run("share-consumer-perf-test", "--bootstrap-server", quick.bootstrap,
                        "--topic", "s-perf", "--group", "s-perf", "--num-records", count,
                        "--print-metrics", "--timeout", 60_000, "--command-property",
                        "client.id=s-perf")
        took = time.monotonic() - begun
    assert run.status == 0, run.err
    assert took > (count * 1000 / bound - 2) * 0.7
    assert metric(run.out, "fetch-throttle-time-max") > 0


def test_librdkafka_consumes_at_the_rate(quick):
    bound, count = 400_000, 4_000
    with quick.connect() as connection:
        create(connection, "f-stream")
        for _ in range(count // 40):
            batch = records.batch([(f"k{i}", "v" * 990) for i in range(40)])
            connection.call("Produce", 9, {"Acks": -1, "TimeoutMs": 30000, "TopicData": [{
                "Name": "f-stream", "PartitionData": [{"Index": 0, "Records": batch}]}]})
    waits = []
    with quotas(quick, [(CLIENT, "f-stream")], consumer_byte_rate=bound):
        consumer = Consumer({
            "bootstrap.servers": quick.bootstrap, "client.id": "f-stream", "group.id": "f-stream",
            "auto.offset.reset": "earliest",
            "throttle_cb": lambda event: waits.append(event.throttle_time)})
        consumer.subscribe(["f-stream"])
        begun = None
        found = []
        deadline = time.monotonic() + 3 * WAIT_SECONDS * PATIENCE
        while len(found) < count and time.monotonic() < deadline:
            for message in consumer.consume(500, 0.2):
                assert not message.error(), message.error()
                found.append(message.offset())
            if found and begun is None:
                begun = time.monotonic()
        took = time.monotonic() - begun
        consumer.close()
    assert found == list(range(count)), "each once, in order"
    assert any(wait > 0 for wait in waits)
    assert took > (count * 1000 / bound - 2) * 0.7


# Tools ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("whose", ["apache", "millrace"])
def test_the_tool_sets_and_tells_quotas(throttling, tools, whose):
    def configs(*arguments):
        words = ["--bootstrap-server", throttling.bootstrap, *arguments]
        if whose == "apache":
            run = tools.run("configs", *words)
            assert run.status == 0, run.err
            return run.out
        run = subprocess.run([MillraceNode.executable, "configs", *words], capture_output=True,
                             text=True, check=True, timeout=60)
        return run.stdout

    def describes(arguments, wanted):
        wait_until(lambda: configs(*arguments, "--describe").strip() == wanted, WAIT_SECONDS,
                   lambda: f"{wanted!r}; {configs(*arguments, '--describe')!r}")

    cases = [
        (["--entity-type", "users", "--entity-name", "tool-u"], "producer_byte_rate=1024",
         "Quota configs for user-principal 'tool-u' are producer_byte_rate=1024.0"),
        (["--entity-type", "clients", "--entity-name", "tool-c"], "request_percentage=12.5",
         "Quota configs for client-id 'tool-c' are request_percentage=12.5"),
        (["--entity-type", "users", "--entity-name", "tool-u", "--entity-type", "clients",
          "--entity-name", "tool-c"], "consumer_byte_rate=2048",
         "Quota configs for user-principal 'tool-u', client-id 'tool-c' are "
         "consumer_byte_rate=2048.0"),
        (["--entity-type", "ips", "--entity-name", "192.0.2.9"], "connection_creation_rate=20",
         "Quota configs for ip '192.0.2.9' are connection_creation_rate=20.0"),
    ]
    for entity, quota, told in cases:
        assert "Completed updating" in configs(*entity, "--alter", "--add-config", quota)
        describes(entity, told)
        assert "Completed updating" in configs(
            *entity, "--alter", "--delete-config", quota.partition("=")[0])
        describes(entity, "")


def test_figures_of_throttled_clients(kind, start_node):
    if kind == "apache":
        pytest.skip("Apache Kafka shows its figures by JMX")
    (port,) = free_ports(1)
    node = start_node(kind, "quota-figures", metrics__listeners=f"127.0.0.1:{port}")

    def figure(name, labels):
        return scrape(port).get(f"{name}{{{labels}}}", 0)

    with quotas(node, [ME], producer_byte_rate=10_000, request_percentage=1e6), \
            node.connect(client_id="figures") as connection:
        create(connection, "figures")
        told, size = produce(connection, "figures", 120_000)
        labels = 'user="ANONYMOUS"'
        assert 0 < figure("kafka_server_Produce_byte_rate", labels) <= size / WINDOW_SECONDS
        assert figure("kafka_server_Produce_throttle_time", labels) == told
        assert figure("kafka_server_Request_request_time", labels) > 0
        assert figure("kafka_network_RequestMetrics_Max",
                      'name="ThrottleTimeMs",request="Produce"') == told
