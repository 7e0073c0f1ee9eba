"""Fills a node with everything that leaves traces in a data directory, and reads it back.

Rounds build on each other: each adds to what the earlier ones left, whichever node wrote them.
"""

import hashlib
import random
import time

from harness import sweep
from harness.processes import wait_until
from harness.records import CODECS, CONTROL, TRANSACTIONAL, batch, parse
from harness.wire import Closed

SEGMENT = {"segment.bytes": "1048576"}
GROUPS = ("reads-plain", "reads-often", "had-members")
TRANSACTIONS = "transactions"
COMPACTED = ("compacted", "compacted-deleted")
OPEN_PRODUCER = 7_000_000
START_TIME = 1_700_000_000_000
COORDINATOR_NOT_YET = {14, 15, 16, 51}  # loading, not available, another, one under way
# Unknown topic or partition, leader not available, not leader, offset not available: what lies
# behind the recovery point is not synced yet.
NOT_YET = {3, 5, 6, 78}
LATEST, EARLIEST, MAX_TIMESTAMP = -1, -2, -3


class Population:
    """What the rounds of one data directory have made of it; `seed` decides what they write."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.sequences = {}
        self.doomed = []

    def add(self, node, turn):
        """One more round of data through the node."""
        view = sweep.Transcript(node)
        try:
            if turn == 0:
                self._create(view)
            self._produce_codecs(view, turn)
            self._produce_rolled(view, turn)
            self._produce_compacted(view, turn)
            self._transactions(view, turn)
            self._idempotent(view)
            self._groups(view, turn)
            if "AddOffsetsToTxn" in view.advertised:
                for committed in (True, False):
                    self._commit_in_transaction(view, turn, committed)
            self._delete_records(view, turn)
            self._change_topics(view, turn)
            view.settle()
        finally:
            view.close()

    def _create(self, view):
        for codec in CODECS:
            view.create_topic(f"codec-{codec}", 2)
        view.create_topic("recompressed", 1, {"compression.type": "zstd"})
        view.create_topic("append-time", 1, {"message.timestamp.type": "LogAppendTime"})
        view.create_topic("rolled", 2, {**SEGMENT, "index.interval.bytes": "1000"})
        view.create_topic(TRANSACTIONS, 2, {**SEGMENT, "index.interval.bytes": "1000"})
        for name in COMPACTED:
            policy = "compact,delete" if name.endswith("deleted") else "compact"
            view.create_topic(name, 1, {
                **SEGMENT, "cleanup.policy": policy, "min.cleanable.dirty.ratio": "0.01",
                "delete.retention.ms": "0"})
        view.create_topic("again", 1)
        view.create_topic("configured", 1, {
            "retention.ms": "123456789", "max.message.bytes": "2000000", "flush.messages": "1"})
        view.create_topic("never-used", 3)

    def _values(self, count, size=20):
        return [(f"k{self.random.randrange(100)}" if self.random.random() < 0.8 else None,
                 self.random.randbytes(self.random.randrange(size)).hex()
                 if self.random.random() < 0.9 else None,
                 [(f"h{i}", self.random.choice([None, "", "header"]))
                  for i in range(self.random.randrange(3))])
                for _ in range(count)]

    def _send(self, view, topic, records, partition=0, transactional=False, **fields):
        if transactional:
            fields["attributes"] = TRANSACTIONAL
        return self._append(view, topic, partition, batch(records, **fields), transactional)

    @staticmethod
    def _append(view, topic, partition, data, transactional=False):
        answer = view.connection.call("Produce", 9, {
            "TransactionalId": "any" if transactional else None, "Acks": -1, "TimeoutMs": 30000,
            "TopicData": [{"Name": topic, "PartitionData": [
                {"Index": partition, "Records": data}]}]})
        told = answer["Responses"][0]["PartitionResponses"][0]
        assert told["ErrorCode"] == 0, (topic, partition, told)
        return told["BaseOffset"]

    def _produce_codecs(self, view, turn):
        for codec in CODECS:
            for partition in range(2):
                for i in range(4):
                    self._send(view, f"codec-{codec}", self._values(self.random.randrange(1, 40)),
                               partition, codec=codec,
                               timestamp=START_TIME + 10_000 * turn + self.random.randrange(9_000))
            self._send(view, "recompressed", self._values(10), codec=codec)
            self._send(view, "append-time", self._values(10), codec=codec)

    def _produce_rolled(self, view, turn):
        """Several segments, with many entries in their indexes, timestamps up and down."""
        for partition in range(2):
            for i in range(25):
                value = self.random.randbytes(50_000).hex()
                self._send(view, "rolled", [("k", value), ("l", "m")], partition,
                           codec=self.random.choice(["none", "lz4"]),
                           timestamp=START_TIME + 5_000 * turn + self.random.randrange(10_000))

    def _produce_compacted(self, view, turn):
        for name in COMPACTED:
            for i in range(30):
                records = [(f"key-{self.random.randrange(60)}",
                            self.random.randbytes(1_500).hex() if self.random.random() < 0.8
                            else None) for _ in range(20)]
                self._send(view, name, records, codec=self.random.choice(list(CODECS)),
                           timestamp=int(time.time() * 1000))

    def _next(self, producer, partition, epoch, count):
        key = producer, partition, epoch
        first = self.sequences.get(key, 0)
        self.sequences[key] = first + count
        return first

    def _in_transaction(self, view, producer, partition, epoch=0, size=100):
        records = self._values(3, size)
        self._send(view, TRANSACTIONS, records, partition, transactional=True,
                   producer_id=producer, producer_epoch=epoch,
                   sequence=self._next(producer, partition, epoch, len(records)),
                   timestamp=int(time.time() * 1000), codec=self.random.choice(list(CODECS)))

    @staticmethod
    def _mark(view, producer, epoch, committed, partitions, version=1):
        one = {"ProducerId": producer, "ProducerEpoch": epoch, "TransactionResult": committed,
               "CoordinatorEpoch": 1, "Topics": [
                   {"Name": TRANSACTIONS, "PartitionIndexes": list(partitions)}]}
        if version >= 2:
            one["TransactionVersion"] = 2
        answer = view.connection.call("WriteTxnMarkers", version, {"Markers": [one]})
        for topic in answer["Markers"][0]["Topics"]:
            assert all(told["ErrorCode"] == 0 for told in topic["Partitions"]), answer

    def _transactions(self, view, turn):
        """Committed, aborted, and one that stays open until the next round ends it."""
        if turn:
            self._mark(view, OPEN_PRODUCER + turn - 1, 0, turn % 2 == 0, (0, 1))
        for i in range(6):
            producer = 6_000_000 + 100 * turn + i
            for partition in range(2):
                self._in_transaction(view, producer, partition)
            self._send(view, TRANSACTIONS, [("x", self.random.randbytes(60_000).hex())])
            if i == 2:
                for partition in range(2):
                    self._in_transaction(view, OPEN_PRODUCER + turn, partition)
            self._in_transaction(view, producer, 0)
            if i % 3 == 2:
                self._mark(view, producer, 1, i % 2 == 1, (0, 1), version=2)
            else:
                self._mark(view, producer, 0, i % 2 == 0, (0, 1))

    def _idempotent(self, view):
        """The same producer over all rounds: its sequences must be known to each node."""
        for partition in range(2):
            records = self._values(2)
            first = self._next(5_000_000, partition, 0, len(records))
            data = batch(records, producer_id=5_000_000, producer_epoch=0, sequence=first,
                         timestamp=int(time.time() * 1000))
            offset = self._append(view, "codec-none", partition, data)
            assert self._append(view, "codec-none", partition, data) == offset  # a duplicate

    def _groups(self, view, turn):
        call = view.connection.call
        for group in GROUPS[:2]:
            for repeat in range(3 if group == "reads-often" else 1):
                answer = call("OffsetCommit", 8, {
                    "GroupId": group, "GenerationIdOrMemberEpoch": -1, "MemberId": "", "Topics": [
                        {"Name": f"codec-{codec}", "Partitions": [
                            {"PartitionIndex": p, "CommittedOffset": 3 * turn + p + repeat,
                             "CommittedMetadata": f"round {turn} of {group}",
                             "CommittedLeaderEpoch": 0} for p in range(2)]}
                        for codec in list(CODECS)[:2 + turn % 3]]})
                assert not any(one["ErrorCode"] for topic in answer["Topics"]
                               for one in topic["Partitions"]), answer
        self._join(view, GROUPS[2], turn)
        call("OffsetDelete", 0, {"GroupId": GROUPS[0], "Topics": [
            {"Name": "codec-none", "Partitions": [{"PartitionIndex": turn % 2}]}]})
        if turn:
            call("DeleteGroups", 2, {"GroupsNames": [f"short-lived-{turn - 1}"]})
        call("OffsetCommit", 8, {
            "GroupId": f"short-lived-{turn}", "GenerationIdOrMemberEpoch": -1, "MemberId": "",
            "Topics": [{"Name": "codec-gzip", "Partitions": [
                {"PartitionIndex": 0, "CommittedOffset": turn, "CommittedMetadata": "",
                 "CommittedLeaderEpoch": -1}]}]})

    @staticmethod
    def _join(view, group, turn):
        """A member comes, commits, and leaves: the group is empty and has a generation."""
        call = view.connection.call
        fields = {"GroupId": group, "SessionTimeoutMs": 30000, "RebalanceTimeoutMs": 30000,
                  "MemberId": "", "ProtocolType": "consumer",
                  "Protocols": [{"Name": "range", "Metadata": b"\0\0\0\0\0\0\xff\xff\xff\xff"}]}
        fields["MemberId"] = call("JoinGroup", 5, fields)["MemberId"]
        joined = call("JoinGroup", 5, fields)
        assert joined["ErrorCode"] == 0, joined
        member = {"GroupId": group, "GenerationId": joined["GenerationId"],
                  "MemberId": fields["MemberId"]}
        call("SyncGroup", 3, {**member, "Assignments": [
            {"MemberId": fields["MemberId"], "Assignment": b""}]})
        call("OffsetCommit", 7, {
            "GroupId": group, "GenerationIdOrMemberEpoch": joined["GenerationId"],
            "MemberId": fields["MemberId"], "Topics": [{"Name": "rolled", "Partitions": [
                {"PartitionIndex": 0, "CommittedOffset": turn, "CommittedMetadata": None,
                 "CommittedLeaderEpoch": -1}]}]})
        call("LeaveGroup", 2, {"GroupId": group, "MemberId": fields["MemberId"]})

    @staticmethod
    def _commit_in_transaction(view, turn, committed):
        """Offsets that a transaction commits to a group, or does not, by its coordinator."""
        call = view.connection.call
        name = f"transaction-{turn}-{committed}"

        def succeeds(api, version, fields):
            def done():
                answer = call(api, version, fields)
                codes = [answer.get("ErrorCode", 0), *(
                    one["ErrorCode"] for topic in answer.get("Topics", ())
                    for one in topic["Partitions"])]
                assert set(codes) <= {0, *COORDINATOR_NOT_YET}, (api, answer)
                return answer if set(codes) == {0} else None
            return wait_until(done, 60, f"{api} of {name}")

        call("FindCoordinator", 3, {"Key": name, "KeyType": 1})
        made = succeeds("InitProducerId", 4, {
            "TransactionalId": name, "TransactionTimeoutMs": 60000})
        who = {"TransactionalId": name, "ProducerId": made["ProducerId"],
               "ProducerEpoch": made["ProducerEpoch"]}
        group = "reads-in-transactions"
        succeeds("AddOffsetsToTxn", 3, {**who, "GroupId": group})
        succeeds("TxnOffsetCommit", 3, {**who, "GroupId": group, "Topics": [
            {"Name": "codec-none", "Partitions": [
                {"PartitionIndex": int(committed), "CommittedOffset": 100 + turn,
                 "CommittedMetadata": name}]}]})
        succeeds("EndTxn", 3, {**who, "Committed": committed})
        # It has ended when the next one can begin.
        succeeds("InitProducerId", 4, {"TransactionalId": name, "TransactionTimeoutMs": 60000})

    @staticmethod
    def _delete_records(view, turn):
        call = view.connection.call
        answer = call("DeleteRecords", 2, {"TimeoutMs": 30000, "Topics": [
            {"Name": "rolled", "Partitions": [{"PartitionIndex": 1, "Offset": 20 * turn + 7}]},
            {"Name": "codec-lz4", "Partitions": [{"PartitionIndex": 0, "Offset": 5 * turn + 1}]},
            {"Name": "append-time", "Partitions": [{"PartitionIndex": 0, "Offset": -1}]}]})
        assert not any(one["ErrorCode"] for topic in answer["Topics"]
                       for one in topic["Partitions"]), answer

    def _change_topics(self, view, turn):
        call = view.connection.call
        call("IncrementalAlterConfigs", 1, {"Resources": [
            {"ResourceType": 2, "ResourceName": "configured", "Configs": [
                {"Name": "max.message.bytes", "ConfigOperation": 0,
                 "Value": str(2_000_000 + turn)},
                {"Name": "flush.messages", "ConfigOperation": 1, "Value": None}]},
            {"ResourceType": 4, "ResourceName": "", "Configs": [
                {"Name": "log.retention.ms", "ConfigOperation": 0, "Value": "-1"},
                {"Name": "message.max.bytes", "ConfigOperation": 0,
                 "Value": str(1_100_000 + turn)}]}]})
        if turn < 3:
            call("CreatePartitions", 3, {"TimeoutMs": 30000, "Topics": [
                {"Name": "configured", "Count": 2 + turn, "Assignments": None}]})
        # One under an old name, whose directories must not be taken for the new topic's.
        call("DeleteTopics", 5, {"TopicNames": ["again", *self.doomed], "TimeoutMs": 30000})
        view.settle()
        view.create_topic("again", 2)
        self._send(view, "again", self._values(5), turn % 2)
        self.doomed = [f"doomed-{turn}"]
        view.create_topic(self.doomed[0], 2)
        self._send(view, self.doomed[0], self._values(5))


class Contents:
    """All that clients can see of a node: facts by name, and the records of each partition."""

    def __init__(self, node):
        self.facts = {}
        self.partitions = {}
        view = sweep.Transcript(node)
        try:
            self._read(view.connection.call)
        finally:
            view.close()

    def _read(self, call):
        self.facts["cluster"] = call("DescribeCluster", 1)["ClusterId"]
        topics = [one for one in call("Metadata", 12, {"Topics": None})["Topics"]
                  if not one["Name"].startswith(("barrier-", "__"))]
        for topic in topics:
            name = topic["Name"]
            self.facts[f"topic {name}"] = topic["TopicId"], len(topic["Partitions"])
            self.facts[f"configs of {name}"] = _configs(call, 2, name, (1,))
            for partition in topic["Partitions"]:
                index = partition["PartitionIndex"]
                self.partitions[name, index] = PartitionContents(call, name, index)
        for broker in ("", "1"):
            self.facts[f"configs of broker {broker!r}"] = _configs(call, 4, broker, (2, 3))
        self.facts["features"] = _features(call)
        listed = call("ListGroups", 4, {"StatesFilter": []})["Groups"]
        for group in sorted(one["GroupId"] for one in listed):
            if group.startswith("warm-"):
                continue
            self.facts[f"offsets of {group}"] = sorted(
                (topic["Name"], one["PartitionIndex"], one["CommittedOffset"], one["Metadata"],
                 one["CommittedLeaderEpoch"])
                for topic in call("OffsetFetch", 7, {"GroupId": group, "Topics": None})["Topics"]
                for one in topic["Partitions"])
            (told,) = call("DescribeGroups", 5, {"Groups": [group]})["Groups"]
            self.facts[f"state of {group}"] = (
                told["GroupState"], told["ProtocolType"], len(told["Members"]))

    def differences(self, later):
        """What `later`, read from whoever opened the directory, has otherwise; a list of lines."""
        lines = [f"{name}: {self.facts.get(name)!r} became {later.facts.get(name)!r}"
                 for name in sorted(self.facts.keys() | later.facts.keys())
                 if self.facts.get(name) != later.facts.get(name)]
        for key in sorted(self.partitions.keys() | later.partitions.keys()):
            before, after = self.partitions.get(key), later.partitions.get(key)
            if before is None or after is None:
                lines.append(f"{key}: is there only {'later' if before is None else 'before'}")
            else:
                lines += [f"{key[0]}-{key[1]}: {line}" for line in before.differences(after)]
        return lines


class PartitionContents:
    """The batches, and what the indexes and the producer state answer."""

    def __init__(self, call, topic, partition):
        self.compacted = topic in COMPACTED
        place = topic, partition
        self.start = list_offset(call, place, EARLIEST)
        self.end = list_offset(call, place, LATEST)
        self.batches, _ = _fetch_all(call, place, self.start[1], self.end[1], 0)
        stable = list_offset(call, place, LATEST, isolation=1)
        committed, self.aborted = _fetch_all(call, place, self.start[1], stable[1], 1)
        self.committed_ends = committed[-1]["base"] + committed[-1]["last delta"] \
            if committed else -1
        self.stable = stable[1]
        times = sorted({one["max time"] for one in self.batches})
        step = max(1, len(times) // 25)
        asked = [0, *(times[i] + d for i in range(0, len(times), step) for d in (-1, 0, 1)),
                 times[-1] + 1 if times else 1]
        self.by_time = {stamp: list_offset(call, place, stamp, isolation)
                        for stamp in (*asked, MAX_TIMESTAMP) for isolation in (0, 1)}
        self.epochs = [_epoch_end(call, place, epoch) for epoch in range(40)]
        (described,) = call("DescribeProducers", 0, {"Topics": [
            {"Name": topic, "PartitionIndexes": [partition]}]})["Topics"][0]["Partitions"]
        self.producers = sorted(described["ActiveProducers"],
                                key=lambda one: one["ProducerId"])

    def digest(self, start):
        """A checksum of all batches that end at or above an offset."""
        told = hashlib.sha256()
        for one in self.batches:
            if one["base"] + one["last delta"] >= start:
                told.update(repr(sorted(one.items())).encode())
        return told.hexdigest()

    def differences(self, later):
        if self.compacted:
            return self._compaction_differences(later)
        lines = []
        # Where a node was killed, the start of its log may be known less well than it was.
        if later.start[1] > self.start[1]:
            lines.append(f"starts at {later.start}, not {self.start}")
        same_start = later.start == self.start
        for name in ("end", "stable", "producers", *(("aborted", "committed_ends")
                                                     if same_start else ())):
            if getattr(self, name) != getattr(later, name):
                lines.append(f"{name}: {getattr(self, name)} became {getattr(later, name)}")
        if self.digest(self.start[1]) != later.digest(self.start[1]):
            lines.append(_first_difference(self.batches, later.batches))
        if same_start:
            lines += [f"offset of {stamp}: {self.by_time[stamp]} became {later.by_time[stamp]}"
                      for stamp in self.by_time.keys() & later.by_time.keys()
                      if self.by_time[stamp] != later.by_time[stamp]]
            lines += [f"end of epoch {epoch}: {ours} became {theirs}" for epoch, (ours, theirs)
                      in enumerate(zip(self.epochs, later.epochs))
                      if ours != theirs and ours[0] >= 0]
        return lines

    def _compaction_differences(self, later):
        """Cleaning may go on in between: what is left was there, each key has its last value."""
        before, after = _by_offset(self.batches), _by_offset(later.batches)
        lines = [f"offset {offset}: {before.get(offset)!r} became {record!r}"
                 for offset, record in after.items() if before.get(offset) != record]
        newest, left = _newest(before), _newest(after)
        lines += [f"key {key!r}: {newest[key]!r} became {left.get(key)!r}" for key in newest
                  if newest[key] != left.get(key) and (newest[key][1] is not None or key in left)]
        if self.end != later.end:
            lines.append(f"end: {self.end} became {later.end}")
        return [line[:300] for line in lines]


def _by_offset(batches):
    return {record[0]: record for one in batches for record in one["records"]
            if not one["attributes"] & CONTROL}


def _newest(records):
    return {record[1]: (offset, record[2]) for offset, record in sorted(records.items())}


def _first_difference(before, after):
    for one, other in zip(before, after):
        if one != other:
            return f"batch {one} became {other}"[:600]
    return f"{len(before)} batches became {len(after)}"


def _configs(call, kind, name, sources):
    (told,) = call("DescribeConfigs", 4, {"Resources": [
        {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": None}]})["Results"]
    return {one["Name"]: one["Value"] for one in told["Configs"] if one["ConfigSource"] in sources}


def _features(call):
    told = call("ApiVersions", 4, {"ClientSoftwareName": "interop", "ClientSoftwareVersion": "1"})
    return sorted((one["Name"], one["MaxVersionLevel"]) for one in told["FinalizedFeatures"])


def list_offset(call, place, stamp, isolation=0):
    def ask():
        (told,) = call("ListOffsets", 7, {
            "ReplicaId": -1, "IsolationLevel": isolation, "Topics": [{
                "Name": place[0], "Partitions": [
                    {"PartitionIndex": place[1], "Timestamp": stamp}]}]})["Topics"][0]["Partitions"]
        # A node that starts shows its partitions before it leads them.
        return None if told["ErrorCode"] in NOT_YET else told

    told = wait_until(ask, 30, f"an offset of {place}")
    assert told["ErrorCode"] == 0, (place, stamp, told)
    return told["Timestamp"], told["Offset"]


def _epoch_end(call, place, epoch):
    (told,) = call("OffsetForLeaderEpoch", 4, {"ReplicaId": -1, "Topics": [{
        "Topic": place[0], "Partitions": [{"Partition": place[1], "LeaderEpoch": epoch,
                                           "CurrentLeaderEpoch": -1}]}]})["Topics"][0]["Partitions"]
    return told["LeaderEpoch"], told["EndOffset"]


def _fetch_all(call, place, position, end, isolation):
    """All batches up to `end`, and the aborted transactions that readers were told of."""
    found, aborted = [], set()
    while position < end:
        try:
            answer = call("Fetch", 11, {
                "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 0, "IsolationLevel": isolation,
                "Topics": [{"Topic": place[0], "Partitions": [
                    {"Partition": place[1], "FetchOffset": position,
                     "PartitionMaxBytes": 4 << 20}]}]})
        except Closed as closed:
            raise AssertionError(f"{place} at {position}: {closed}") from closed
        one = answer["Responses"][0]["Partitions"][0]
        assert one["ErrorCode"] == 0, (place, position, one["ErrorCode"])
        batches = parse(one["Records"] or b"", timed=True)
        # The index tells no more than about where an answer ends: some may be told too early.
        aborted |= {(gone["ProducerId"], gone["FirstOffset"])
                    for gone in one["AbortedTransactions"] or () if gone["FirstOffset"] < end}
        if not batches:
            break
        found += batches
        position = batches[-1]["base"] + batches[-1]["last delta"] + 1
    return found, sorted(aborted)
