"""Transactions as their coordinator knows them: who may write, what is open, how it ends."""

from harness.processes import wait_until
from harness.records import TRANSACTIONAL, batch
from harness.sweep import NOT_READY
from scenarios import scenario

CONCURRENT = 51
TIMEOUT_MS = 60_000


class Producers:
    """Names for producer ids, which differ between any two nodes; in order of appearance."""

    def __init__(self, t):
        self.t = t
        self.names = {-1: "none"}
        # The first who asks for a coordinator makes the topic that they work on.
        t.call("", "FindCoordinator", 4, {"KeyType": 1, "CoordinatorKeys": ["any"]}, False)

    def hide(self, value):
        """Without producer ids, and with partitions in order: Apache tells them by their hash."""
        if isinstance(value, dict):
            return {key: self.named(one) if key.endswith("ProducerId")
                    else sorted(one) if key == "Partitions" and one and isinstance(one[0], int)
                    else self.hide(one) for key, one in value.items()}
        return [self.hide(one) for one in value] if isinstance(value, list) else value

    def named(self, producer):
        return self.names.setdefault(producer, f"producer {len(self.names)}")

    def call(self, label, api, version, fields):
        """Asks until what came before is done with, and notes the answer."""
        answers = []

        def settled():
            raw = self.t.call("", api, version, fields, False)
            answers.append(raw)
            return raw is None or self.code_of(raw) not in NOT_READY | {CONCURRENT}

        wait_until(settled, 30, f"an answer to {api}")
        raw = answers[-1]
        self.t.note(f"{api} v{version} {label}", "closed" if raw is None else self.hide(raw))
        return raw

    @staticmethod
    def code_of(raw):
        """Its own code, or the first of a partition's."""
        if raw.get("ErrorCode"):
            return raw["ErrorCode"]
        for topics in ("ResultsByTopicV3AndBelow", "Topics"):
            for topic in raw.get(topics) or ():
                for one in topic.get("ResultsByPartition") or topic.get("Partitions") or ():
                    return one.get("PartitionErrorCode", one.get("ErrorCode", 0))
        for transaction in raw.get("ResultsByTransaction") or ():
            for topic in transaction["TopicResults"]:
                for one in topic["ResultsByPartition"]:
                    return one["PartitionErrorCode"]
        return 0

    def init(self, label, transactional_id, version=4, timeout=TIMEOUT_MS, **more):
        return self.call(label, "InitProducerId", version, {
            "TransactionalId": transactional_id, "TransactionTimeoutMs": timeout, **more})

    def begin(self, transactional_id):
        raw = self.init("to begin with", transactional_id)
        return raw["ProducerId"], raw["ProducerEpoch"]

    def add(self, label, version, transactional_id, producer, epoch, topics, verify=False):
        topics = [{"Name": name, "Partitions": list(partitions)}
                  for name, partitions in topics.items()]
        if version <= 3:
            fields = {"V3AndBelowTransactionalId": transactional_id,
                      "V3AndBelowProducerId": producer, "V3AndBelowProducerEpoch": epoch,
                      "V3AndBelowTopics": topics}
        else:
            fields = {"Transactions": [{
                "TransactionalId": transactional_id, "ProducerId": producer,
                "ProducerEpoch": epoch, "VerifyOnly": verify, "Topics": topics}]}
        return self.call(label, "AddPartitionsToTxn", version, fields)

    def end(self, label, version, transactional_id, producer, epoch, committed):
        return self.call(label, "EndTxn", version, {
            "TransactionalId": transactional_id, "ProducerId": producer, "ProducerEpoch": epoch,
            "Committed": committed})

    def await_end(self, transactional_id):
        """Waits until the markers of what has ended are written."""
        def complete():
            raw = self.t.call("", "DescribeTransactions", 0,
                              {"TransactionalIds": [transactional_id]}, False)
            return not raw["TransactionStates"][0]["TransactionState"].startswith("Prepare")
        wait_until(complete, 30, "a transaction to end")

    def describe(self, label, *transactional_ids):
        self.call(label, "DescribeTransactions", 0, {"TransactionalIds": list(transactional_ids)})


@scenario("InitProducerId")
def begins_transactions(t):
    t.create_topic("begun")
    for version in t.versions("InitProducerId"):
        by = Producers(t)
        name = f"begun-{version}"
        init = lambda label, **more: by.init(label, name, version, **more)  # noqa: E731
        init("no time", timeout=0)
        init("negative time", timeout=-1)
        init("too much time", timeout=900_001)
        first = init("the first")
        init("again")
        if version >= 3:
            producer, epoch = first["ProducerId"], first["ProducerEpoch"]
            init("known, its epoch of before", ProducerId=producer, ProducerEpoch=epoch)
            init("known, its epoch", ProducerId=producer, ProducerEpoch=epoch + 1)
            init("known, its epoch again", ProducerId=producer, ProducerEpoch=epoch + 1)
            init("known, an epoch to come", ProducerId=producer, ProducerEpoch=epoch + 9)
            init("of another id", ProducerId=producer + 100_000, ProducerEpoch=0)
            init("no id, an epoch", ProducerEpoch=4)
            init("an id, no epoch", ProducerId=producer)
            by.init("not known, with an id", f"{name}-new", version,
                    ProducerId=producer, ProducerEpoch=3)
        now = init("before the open one")
        by.add("opens", 3, name, now["ProducerId"], now["ProducerEpoch"], {"begun": (0,)})
        init("where one is open")
        by.await_end(name)
        by.describe("at the end", name)


@scenario("AddPartitionsToTxn")
def takes_partitions_in(t):
    t.create_topic("joined-in", 3)
    for version in t.versions("AddPartitionsToTxn"):
        by = Producers(t)
        name = f"joined-in-{version}"
        producer, epoch = by.begin(name)
        add = lambda label, *more, **how: by.add(  # noqa: E731
            label, version, *more, **how)
        add("unknown transactional id", f"{name}-none", producer, epoch, {"joined-in": (0,)})
        add("empty transactional id", "", producer, epoch, {"joined-in": (0,)})
        add("another producer", name, producer + 100_000, epoch, {"joined-in": (0,)})
        add("a later epoch", name, producer, epoch + 1, {"joined-in": (0,)})
        add("no epoch", name, producer, -1, {"joined-in": (0,)})
        add("nothing", name, producer, epoch, {})
        add("no partitions", name, producer, epoch, {"joined-in": ()})
        add("unknown topic", name, producer, epoch, {"joined-in-none": (0,)})
        add("unknown partition", name, producer, epoch, {"joined-in": (0, 7)})
        by.describe("none", name)
        add("one", name, producer, epoch, {"joined-in": (1,)})
        add("the same", name, producer, epoch, {"joined-in": (1,)})
        add("more", name, producer, epoch, {"joined-in": (0, 1)})
        if version >= 4:
            add("verified", name, producer, epoch, {"joined-in": (0, 1)}, verify=True)
            add("not verified", name, producer, epoch, {"joined-in": (0, 2)}, verify=True)
            add("verified, later epoch", name, producer, epoch + 1, {"joined-in": (0,)},
                verify=True)
            add("verified, unknown", f"{name}-none", producer, epoch, {"joined-in": (0,)},
                verify=True)
        by.describe("two", name)
        by.end("the end", 4, name, producer, epoch, True)
        by.await_end(name)
        add("after the end", name, producer, epoch, {"joined-in": (2,)})
        by.init("of the next", name)
        by.await_end(name)
        add("a former epoch", name, producer, epoch, {"joined-in": (2,)})
        by.describe("at the end", name)


@scenario("EndTxn")
def ends_what_is_open(t):
    t.create_topic("ended", 2)
    for version in t.versions("EndTxn"):
        for committed in (True, False):
            by = Producers(t)
            name = f"ended-{version}-{committed}"
            producer, epoch = by.begin(name)

            def end(label, one=name, who=producer, when=None, how=committed):
                raw = by.end(f"{label}, {'commit' if how else 'abort'}", version, one, who,
                             epoch if when is None else when, how)
                by.await_end(name)
                return raw

            end("unknown transactional id", f"{name}-none")
            end("empty transactional id", "")
            end("another producer", who=producer + 100_000)
            end("a later epoch", when=epoch + 1)
            end("no epoch", when=-1)
            raw = end("nothing open")
            if version >= 5 and raw["ErrorCode"] == 0:
                epoch = raw["ProducerEpoch"]
            by.add("opens", 3, name, producer, epoch, {"ended": (0, 1)})
            end("open, a former epoch", when=epoch - 1)
            raw = end("open")
            by.describe("ended", name)
            end("the same again")
            end("the other end", how=not committed)
            if version >= 5 and raw["ErrorCode"] == 0:
                end("the same with the next epoch", when=raw["ProducerEpoch"])
            by.describe("at the end", name)


def offsets(version, group, name, producer, epoch, offset, topic="counted", **more):
    fields = {"TransactionalId": name, "GroupId": group, "ProducerId": producer,
              "ProducerEpoch": epoch, "Topics": [{"Name": topic, "Partitions": [
                  {"PartitionIndex": 0, "CommittedOffset": offset, "CommittedMetadata": "m"}]}]}
    return {**fields, **more} if version >= 3 else fields


def fetch_offsets(t, label, group):
    for stable in (False, True):
        t.call(f"{label}, {'stable' if stable else 'any'}", "OffsetFetch", 8, {
            "Groups": [{"GroupId": group, "Topics": [
                {"Name": "counted", "PartitionIndexes": [0]}]}], "RequireStable": stable})


@scenario("AddOffsetsToTxn")
def takes_groups_in(t):
    for version in t.versions("AddOffsetsToTxn"):
        by = Producers(t)
        name = f"grouped-{version}"
        producer, epoch = by.begin(name)

        def add(label, one=name, who=producer, when=epoch, group="grouped"):
            by.call(label, "AddOffsetsToTxn", version, {
                "TransactionalId": one, "ProducerId": who, "ProducerEpoch": when,
                "GroupId": group})

        add("unknown transactional id", f"{name}-none")
        add("another producer", who=producer + 100_000)
        add("a later epoch", when=epoch + 1)
        add("empty group", group="")
        add("a group")
        add("the same")
        by.end("the end", 4, name, producer, epoch, False)
        by.await_end(name)
        by.describe("at the end", name)


@scenario("TxnOffsetCommit")
def commits_offsets_with_a_transaction(t):
    t.create_topic("counted")
    for version in t.versions("TxnOffsetCommit"):
        for committed in (True, False):
            by = Producers(t)
            name = group = f"counted-{version}-{committed}"
            producer, epoch = by.begin(name)
            send = lambda label, *more, **how: by.call(  # noqa: E731
                label, "TxnOffsetCommit", version, offsets(version, group, *more, **how))
            if version < 5:
                by.call("joins", "AddOffsetsToTxn", 3, {
                    "TransactionalId": name, "ProducerId": producer, "ProducerEpoch": epoch,
                    "GroupId": group})
            send("unknown topic", name, producer, epoch, 1, topic="counted-none")
            send("the first", name, producer, epoch, 11)
            fetch_offsets(t, "while it is open", group)
            send("another one", name, producer, epoch, 12)
            if version >= 3:
                send("of a member that is none", name, producer, epoch, 13, MemberId="nobody",
                     GenerationId=1)
                send("of a generation that is none", name, producer, epoch, 13, GenerationId=3)
            if version >= 5:
                send("unknown transactional id", f"{name}-none", producer, epoch, 1)
                send("a later epoch", name, producer, epoch + 1, 1)
            by.end("the end", 5 if version >= 5 else 4, name, producer, epoch, committed)
            by.await_end(name)
            fetch_offsets(t, "at the end", group)


@scenario("Produce")
def records_join_by_themselves(t):
    """From version 12 on; the coordinator knows of the partition afterwards."""
    t.create_topic("self-joined", 2)
    topic_id = {value: key for key, value in t.names.items()}["id of self-joined"]
    for version in [one for one in t.versions("Produce") if one >= 12]:
        by = Producers(t)
        name = f"self-joined-{version}"
        producer, epoch = by.begin(name)

        def write(label, one=name, who=producer, when=epoch, sequence=0):
            data = batch([("k", "v")], attributes=TRANSACTIONAL, producer_id=who,
                         producer_epoch=when, sequence=sequence)
            topic = {"TopicId": topic_id} if version >= 13 else {"Name": "self-joined"}
            answers = []

            def settled():
                raw = t.call("", "Produce", version, {
                    "TransactionalId": one, "Acks": -1, "TimeoutMs": 30000, "TopicData": [
                        {**topic, "PartitionData": [{"Index": 1, "Records": data}]}]}, False)
                answers.append(raw)
                code = raw["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
                return code not in NOT_READY | {CONCURRENT}

            wait_until(settled, 30, "an answer to Produce")
            for response in answers[-1]["Responses"]:
                for partition in response["PartitionResponses"]:
                    partition.pop("BaseOffset")
            t.note(f"Produce v{version} {label}", answers[-1])

        write("unknown transactional id", f"{name}-none")
        write("a later epoch", when=epoch + 1)
        write("the first")
        by.describe("joined", name)
        write("the next", sequence=1)
        raw = by.end("the end", 5, name, producer, epoch, True)
        by.await_end(name)
        write("after the end", sequence=2)
        write("the next epoch", when=raw["ProducerEpoch"])
        by.describe("joined again", name)
        by.end("the end", 5, name, producer, raw["ProducerEpoch"], False)
        by.await_end(name)


@scenario("ListTransactions")
def lists(t):
    t.create_topic("listed-in")
    by = Producers(t)
    producer, epoch = by.begin("listed-one")
    second, later = by.begin("listed-two")
    by.add("opens", 3, "listed-one", producer, epoch, {"listed-in": (0,)})
    by.describe("both", "listed-one", "listed-two")
    by.describe("unknown and empty", "listed-none", "")
    by.describe("none")
    mine = {"ProducerIdFilters": [producer, second]}
    for version in t.versions("ListTransactions"):
        def listed(label, **fields):
            by.call(label, "ListTransactions", version, {**mine, **fields})
        listed("both")
        listed("open", StateFilters=["Ongoing"])
        listed("several states", StateFilters=["Empty", "CompleteCommit"])
        listed("unknown states", StateFilters=["Ongoing", "No State", "ongoing"])
        listed("only unknown states", StateFilters=["No State"])
        listed("one producer", ProducerIdFilters=[second])
        listed("unknown producer", ProducerIdFilters=[9_999_999])
        if version >= 1:
            listed("not that long", DurationFilter=3_600_000)
            listed("any time", DurationFilter=0)
        if version >= 2:
            listed("pattern", TransactionalIdPattern="listed-t.*")
            listed("a part of it", TransactionalIdPattern="listed")
            listed("empty pattern", TransactionalIdPattern="")
            listed("no pattern", TransactionalIdPattern="([")
    by.end("the end", 4, "listed-one", producer, epoch, False)
    by.await_end("listed-one")
    by.end("nothing", 4, "listed-two", second, later, False)
