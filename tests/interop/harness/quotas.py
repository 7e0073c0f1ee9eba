"""Quotas set and removed, requests that they throttle, and a client that sends all the time."""

import contextlib
import threading
import time

from confluent_kafka import Producer

from harness import population, records, wire
from harness.processes import wait_until

USER, CLIENT, ADDRESS = "user", "client-id", "ip"
ME = (USER, "ANONYMOUS")
MEMBER, OTHER_MEMBER = "AAAAAAAAAAEAAAAAAAAAAQ", "AAAAAAAAAAEAAAAAAAAAAg"  # of share groups
WAIT_SECONDS = 60


def alter(node, parts, **quotas):
    """Sets quotas, or removes those that are None; they are in force in the end."""
    with node.connect() as connection:
        answer = connection.call("AlterClientQuotas", 1, {"Entries": [{
            "Entity": [{"EntityType": kind, "EntityName": name} for kind, name in parts],
            "Ops": [{"Key": key, "Value": value or 0.0, "Remove": value is None}
                    for key, value in quotas.items()]}]})
        assert answer["Entries"][0]["ErrorCode"] == 0, answer
        for _ in range(2):  # brokers act on quotas after they show topics of the same delta
            create(connection, f"barrier-{time.monotonic_ns()}")


def create(connection, topic, partitions=1, version=4):
    connection.call("CreateTopics", version, {"timeoutMs": 30000, "Topics": [
        {"Name": topic, "NumPartitions": partitions, "ReplicationFactor": 1}]})

    def has_leaders():
        found = connection.call("Metadata", 12, {
            "Topics": [{"Name": topic}], "AllowAutoTopicCreation": False})["Topics"][0]
        return found["ErrorCode"] == 0 and all(
            each["ErrorCode"] == 0 for each in found["Partitions"])
    wait_until(has_leaders, WAIT_SECONDS, f"leaders of {topic}")


@contextlib.contextmanager
def quotas(node, parts, **values):
    alter(node, parts, **values)
    try:
        yield
    finally:
        alter(node, parts, **dict.fromkeys(values))


def produce_request(topic, size, acks=-1):
    batch = records.batch([("k", "v" * size)])
    return {"Acks": acks, "TimeoutMs": 30000, "TopicData": [{
        "Name": topic, "PartitionData": [{"Index": 0, "Records": batch}]}]}


def produce(connection, topic, size, acks=-1):
    """The wait that is told, and the request's size."""
    fields = produce_request(topic, size, acks)
    answer = connection.call("Produce", 9, fields)
    assert answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"] == 0
    return answer["ThrottleTimeMs"], len(wire.request("Produce", 9, fields, 1,
                                                      connection.client_id))


def fetch(connection, topic, offset, session=(0, -1), size=10_500):
    return connection.call("Fetch", 11, {
        "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "MaxBytes": size, "SessionId": session[0],
        "SessionEpoch": session[1], "Topics": [{"Topic": topic, "Partitions": [{
            "Partition": 0, "FetchOffset": offset, "PartitionMaxBytes": size}]}]})


def records_in(answer):
    return [one for topic in answer["Responses"] for each in topic["Partitions"]
            for batch in records.parse(each["Records"] or b"") for one in batch["records"]]


def share_from_the_start(connection, group):
    """A share group that is new has what is there already."""
    answer = connection.call("IncrementalAlterConfigs", 1, {"Resources": [{
        "ResourceType": 32, "ResourceName": group, "Configs": [{
            "Name": "share.auto.offset.reset", "ConfigOperation": 0, "Value": "earliest"}]}]})
    assert answer["Responses"][0]["ErrorCode"] == 0, answer


def join_share_group(connection, group, topic):
    """A member that has the topic's partition."""
    held = {"epoch": 0}

    def has_partition():
        if not held["epoch"]:  # has the coordinator's topic made
            connection.call("FindCoordinator", 4, {"KeyType": 0, "CoordinatorKeys": [group]})
        told = connection.call("ShareGroupHeartbeat", 1, {
            "GroupId": group, "MemberId": MEMBER, "MemberEpoch": held["epoch"],
            "SubscribedTopicNames": None if held["epoch"] else [topic]})
        if told["ErrorCode"]:
            return False
        held["epoch"] = told["MemberEpoch"]
        return told["Assignment"] and told["Assignment"]["TopicPartitions"]
    wait_until(has_partition, WAIT_SECONDS, f"the partition of {topic}")


def share_fetch(connection, group, epoch, topic_id, member=MEMBER, size=10_500):
    return connection.call("ShareFetch", 1, {
        "GroupId": group, "MemberId": member, "ShareSessionEpoch": epoch, "MaxWaitMs": 500,
        "MinBytes": 1, "MaxBytes": size, "MaxRecords": 100, "BatchSize": 100,
        "ForgottenTopicsData": [], "Topics": [] if epoch else [{
            "TopicId": topic_id, "Partitions": [{"PartitionIndex": 0,
                                                 "AcknowledgementBatches": []}]}]})


def acquired_in(answer):
    return [offset for topic in answer["Responses"] for each in topic["Partitions"]
            for some in each["AcquiredRecords"]
            for offset in range(some["FirstOffset"], some["LastOffset"] + 1)]


def seconds_to_answer(connection):
    begun = time.monotonic()
    connection.call("ApiVersions", 0)
    return time.monotonic() - begun


def end_of(node, topic):
    with node.connect() as connection:
        return population.list_offset(connection.call, (topic, 0), -1)[1]


class Stream:
    """A librdkafka producer that sends all the time."""

    def __init__(self, node, topic, client_id):
        self.waits = []
        self.acknowledged = 0
        self.errors = []
        self.producer = Producer({
            "bootstrap.servers": node.bootstrap, "client.id": client_id, "acks": "all",
            "enable.idempotence": True, "linger.ms": 2, "message.timeout.ms": 600_000,
            "queue.buffering.max.kbytes": 2048, "batch.size": 50_000,
            "throttle_cb": lambda event: self.waits.append(event.throttle_time)})
        self.topic = topic
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()

    def _note(self, error, message):
        if error:
            self.errors.append(str(error))
        else:
            self.acknowledged += len(message)

    def _send(self):
        value = bytes(1000)
        while not self.enough.is_set():
            try:
                self.producer.produce(self.topic, value, partition=0, on_delivery=self._note)
            except BufferError:
                self.producer.poll(0.02)
            self.producer.poll(0)

    def rate(self, after, size):
        """Bytes a second, measured over `size` of them behind the next `after`."""
        def reached(goal):
            wait_until(lambda: self.acknowledged >= goal, 3 * WAIT_SECONDS, f"{goal} bytes")
            return time.monotonic()
        begun = reached(self.acknowledged + after)
        first = self.acknowledged
        return size / (reached(first + size) - begun)

    def close(self):
        self.enough.set()
        self.thread.join(WAIT_SECONDS)
        self.producer.purge()
        self.producer = None  # ends it

    def finish(self):
        self.enough.set()
        self.thread.join(WAIT_SECONDS)
        assert self.producer.flush(WAIT_SECONDS) == 0
        assert not self.errors
