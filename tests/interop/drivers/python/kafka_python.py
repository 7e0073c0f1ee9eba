"""kafka-python behind the protocol of harness/drivers.py."""

import kafka
from kafka.admin import (
    AlterConfigOp, ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec)
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor

import common


class Member(common.Member):
    def __init__(self, options, topic):
        self.consumer = kafka.KafkaConsumer(topic, **options)
        super().__init__()

    def poll(self):
        # An assignment that comes just after a poll has timed out is lost to this client, and
        # one that polls for long does not come back after a restart.
        patience = 50 if self.consumer.assignment() else 1000
        for records in self.consumer.poll(timeout_ms=patience).values():
            self.records += [
                [one.topic, one.partition, one.offset, one.key.decode(), one.value.decode(),
                 {name: value.decode() for name, value in one.headers}] for one in records]
        self.held = {f"{one.topic}-{one.partition}" for one in self.consumer.assignment()}

    def commit(self):
        self.consumer.commit()

    def close(self):
        self.consumer.close()


class Driver(common.Groups):
    def abilities(self):
        return {"codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
                "can": ["groups", "static", "cooperative", "idempotent", "configs",
                        "delete_records", "list_offsets", "partitions", "group_admin", "headers",
                        "partitioner"]}

    def connect(self, bootstrap):
        self.options = {"bootstrap_servers": bootstrap, "reconnect_backoff_max_ms": 200}
        self.admin = KafkaAdminClient(**self.options)
        return True

    def create_topic(self, topic, partitions, configs=None):
        self.admin.create_topics({topic: {
            "num_partitions": partitions, "replication_factor": 1, "configs": configs or {}}})

    def list_topics(self):
        return sorted(self.admin.list_topics())

    def create_partitions(self, topic, total):
        self.admin.create_partitions({topic: total})

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])

    def produce(self, topic, records, codec, partition=None, idempotent=True):
        producer = kafka.KafkaProducer(
            **self.options, acks="all", linger_ms=5, enable_idempotence=idempotent,
            compression_type=None if codec == "none" else codec)
        sent = [producer.send(
            topic, key=record["key"].encode(), value=record["value"].encode(),
            partition=partition, headers=[
                (name, value.encode()) for name, value in record.get("headers", {}).items()])
            for record in records]
        placed = [future.get(common.SECONDS) for future in sent]
        producer.close()
        return [[one.partition, one.offset] for one in placed]

    def make_member(self, group, topic, instance=None, cooperative=False):
        assignor = CooperativeStickyAssignor if cooperative else RangePartitionAssignor
        return Member({
            **self.options, "group_id": group, "auto_offset_reset": "earliest",
            "enable_auto_commit": False, "session_timeout_ms": 10000,
            "heartbeat_interval_ms": 300, "group_instance_id": instance,
            "partition_assignment_strategy": [assignor]}, topic)

    def committed(self, group):
        found = self.admin.list_group_offsets(group)[group]
        return {f"{where.topic}-{where.partition}": one.offset for where, one in found.items()}

    def describe_configs(self, topic):
        found = self.admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
        (topics,) = found.values()
        return {name: entry["value"] if isinstance(entry, dict) else entry
                for name, entry in topics[topic].items()}

    def alter_configs(self, topic, set=None, delete=()):
        steps = {**{name: (AlterConfigOp.SET, value) for name, value in (set or {}).items()},
                 **{name: (AlterConfigOp.DELETE, None) for name in delete}}
        answer = self.admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, configs=steps)])
        for topics in answer.values():
            for outcome in topics.values():
                if "error" in str(outcome).lower() and "NoError" not in str(outcome):
                    raise RuntimeError(str(outcome))

    def delete_records(self, topic, partition, before):
        where = kafka.TopicPartition(topic, partition)
        return self.admin.delete_records({where: before})[where]["low_watermark"]

    def list_offsets(self, topic, partition, spec):
        where = kafka.TopicPartition(topic, partition)
        wanted = {"earliest": OffsetSpec.EARLIEST, "latest": OffsetSpec.LATEST}.get(spec, spec)
        return self.admin.list_partition_offsets({where: wanted})[where].offset

    def list_groups(self):
        return [one["group_id"] for one in self.admin.list_groups()]

    def describe_group(self, group):
        found = self.admin.describe_groups([group])[group]
        return {"state": str(found["group_state"]).split(".")[-1], "members": len(found["members"])}

    def delete_group(self, group):
        (outcome,) = self.admin.delete_groups([group]).values()
        if outcome != "OK":
            raise RuntimeError(outcome)


common.serve(Driver())
