"""librdkafka, through confluent-kafka, behind the protocol of harness/drivers.py."""

import sys
import time

import common
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import ConsumerGroupTopicPartitions as GroupPartitions
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
    OffsetSpec, ResourceType)


class Member(common.Member):
    def __init__(self, options, topic):
        self.consumer = Consumer(options)
        self.consumer.subscribe([topic])
        super().__init__()

    def poll(self):
        for one in self.consumer.consume(500, 0.05):
            if one.error():
                print(one.error(), file=sys.stderr)
                continue
            headers = {name: value.decode() for name, value in one.headers() or ()}
            self.records.append([one.topic(), one.partition(), one.offset(), one.key().decode(),
                                 one.value().decode(), headers])
        self.held = {f"{one.topic}-{one.partition}" for one in self.consumer.assignment()}

    def commit(self):
        try:
            self.consumer.commit(asynchronous=False)
        except KafkaException as failed:
            if failed.args[0].code() != KafkaError._NO_OFFSET:  # nothing came to this member
                raise

    def close(self):
        self.consumer.close()


class Driver(common.Groups):
    def abilities(self):
        return {"codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
                "can": ["groups", "static", "cooperative", "idempotent", "configs",
                        "delete_records", "list_offsets", "partitions", "group_admin", "headers",
                        "partitioner", "transactions", "consumer_protocol", "regex"]}

    def connect(self, bootstrap):
        self.options = {"bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": 200}
        self.admin = AdminClient(self.options)
        return True

    @staticmethod
    def _wait(futures):
        for future in futures.values():
            result = future.result(common.SECONDS)
        return result

    def create_topic(self, topic, partitions, configs=None, replication=1):
        self._wait(self.admin.create_topics(
            [NewTopic(topic, partitions, replication, config=configs or {})]))

    def list_topics(self):
        return sorted(self.admin.list_topics(timeout=common.SECONDS).topics)

    def create_partitions(self, topic, total):
        self._wait(self.admin.create_partitions([NewPartitions(topic, total)]))

    def delete_topic(self, topic):
        self._wait(self.admin.delete_topics([topic]))

    def produce(self, topic, records, codec, partition=None, idempotent=True):
        placed, errors = [None] * len(records), []
        producer = Producer({**self.options, "compression.type": codec, "linger.ms": 5,
                             "enable.idempotence": idempotent, "acks": "all"})

        def note(index):
            def done(error, message):
                if error:
                    errors.append(str(error))
                else:
                    placed[index] = [message.partition(), message.offset()]
            return done

        where = {} if partition is None else {"partition": partition}
        for index, record in enumerate(records):
            producer.produce(topic, record["value"], record["key"], on_delivery=note(index),
                             headers=record.get("headers"), **where)
        if producer.flush(common.SECONDS) or errors:
            raise RuntimeError(f"not delivered: {errors[:3]}")
        return placed

    producers = {}

    def begin(self, producer, transactional_id):
        """Begins a transaction; a producer of a new name fences those before."""
        if producer not in self.producers:
            made = Producer({**self.options, "transactional.id": transactional_id})
            made.init_transactions(common.SECONDS)
            self.producers[producer] = made
        self.producers[producer].begin_transaction()
        return True

    def write(self, producer, topic, records, partition=None):
        where = {} if partition is None else {"partition": partition}
        for record in records:
            self.producers[producer].produce(topic, record["value"], record["key"], **where)
        self.producers[producer].flush(common.SECONDS)
        return True

    def end(self, producer, commit):
        one = self.producers[producer]
        one.commit_transaction(common.SECONDS) if commit else one.abort_transaction(common.SECONDS)
        return True

    def read(self, topic, partitions, committed):
        """Values in the order of each partition, up to where it ends now."""
        consumer = Consumer({**self.options, "group.id": "unused", "enable.auto.commit": False,
                             "enable.partition.eof": True, "isolation.level":
                             "read_committed" if committed else "read_uncommitted"})
        consumer.assign([TopicPartition(topic, each, 0) for each in range(partitions)])
        found, ended, until = {each: [] for each in range(partitions)}, set(), time.time() + 30
        while len(ended) < partitions and time.time() < until:
            for one in consumer.consume(500, 0.2):
                if one.error():
                    ended.add(one.partition())
                else:
                    found[one.partition()].append(one.value().decode())
        consumer.close()
        return [found[each] for each in range(partitions)]

    def copy(self, transactional_id, group, source, target, idle):
        """Exactly once, until nothing more comes for so many seconds."""
        consumer = Consumer({**self.options, "group.id": group, "enable.auto.commit": False,
                             "auto.offset.reset": "earliest", "session.timeout.ms": 10000,
                             "isolation.level": "read_committed"})
        producer = Producer({**self.options, "transactional.id": transactional_id})
        self._patiently(lambda: producer.init_transactions(10))
        consumer.subscribe([source])
        last = time.time()
        while time.time() - last < idle:
            batch = [one for one in consumer.consume(20, 0.2) if not one.error()]
            if not batch:
                continue
            last = time.time()
            try:
                producer.begin_transaction()
                for one in batch:
                    producer.produce(target, one.value(), one.key())
                producer.send_offsets_to_transaction(
                    consumer.position(consumer.assignment()), consumer.consumer_group_metadata(),
                    common.SECONDS)
                self._patiently(lambda: producer.commit_transaction(10))
            except KafkaException as failed:
                if not failed.args[0].txn_requires_abort():
                    raise
                self._patiently(lambda: producer.abort_transaction(10))
                for one in consumer.committed(consumer.assignment(), common.SECONDS):
                    one.offset = max(one.offset, 0)
                    consumer.seek(one)
        consumer.close()
        return True

    @staticmethod
    def _patiently(call):
        until = time.time() + common.SECONDS
        while True:
            try:
                return call()
            except KafkaException as failed:
                if not failed.args[0].retriable() or time.time() > until:
                    raise

    def make_member(self, group, topic, instance=None, cooperative=False, protocol="classic",
                    regex=False):
        options = {**self.options, "group.id": group, "auto.offset.reset": "earliest",
                   "enable.auto.commit": False}
        if protocol == "consumer":
            options["group.protocol"] = "consumer"
        else:
            options |= {"session.timeout.ms": 10000, "heartbeat.interval.ms": 300,
                        "partition.assignment.strategy":
                        "cooperative-sticky" if cooperative else "range"}
        if instance:
            options["group.instance.id"] = instance
        return Member(options, f"^{topic}$" if regex else topic)

    def committed(self, group):
        found = self._wait(self.admin.list_consumer_group_offsets([GroupPartitions(group)]))
        return {f"{one.topic}-{one.partition}": one.offset for one in found.topic_partitions}

    def describe_configs(self, topic):
        found = self._wait(self.admin.describe_configs(
            [ConfigResource(ResourceType.TOPIC, topic)]))
        return {name: entry.value for name, entry in found.items()}

    def alter_configs(self, topic, set=None, delete=()):
        steps = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                 for name, value in (set or {}).items()]
        steps += [ConfigEntry(name, None, incremental_operation=AlterConfigOpType.DELETE)
                  for name in delete]
        self._wait(self.admin.incremental_alter_configs(
            [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=steps)]))

    def delete_records(self, topic, partition, before):
        found = self._wait(self.admin.delete_records([TopicPartition(topic, partition, before)]))
        return found.low_watermark

    def list_offsets(self, topic, partition, spec):
        specs = {"earliest": OffsetSpec.earliest, "latest": OffsetSpec.latest}
        wanted = specs[spec]() if spec in specs else OffsetSpec.for_timestamp(spec)
        return self._wait(self.admin.list_offsets(
            {TopicPartition(topic, partition): wanted})).offset

    def list_groups(self):
        listed = self.admin.list_consumer_groups().result(common.SECONDS)
        return [one.group_id for one in listed.valid]

    def describe_group(self, group):
        found = self._wait(self.admin.describe_consumer_groups([group]))
        return {"state": found.state.name, "members": len(found.members)}

    def delete_group(self, group):
        self._wait(self.admin.delete_consumer_groups([group]))


common.serve(Driver())
