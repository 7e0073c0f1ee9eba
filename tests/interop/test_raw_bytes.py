"""Bytes that no client would send: the answer, or the closed connection, is Apache's.

What Apache does is kept in expected/raw_bytes.tsv, which --record writes anew from a run with
--broker apache. Memory in proportion to what the bytes merely claim is never allowed.
"""

import gzip
import os
import pathlib
import random
import struct
import time

import pytest
import zstandard

from harness import raw, records, wire
from harness.codec import uvarint, zigzag
from harness.raw import Case

EXPECTED = pathlib.Path(__file__).with_name("expected") / "raw_bytes.tsv"
TOPIC = "raw-bytes"
HUGE = 2_147_483_647
GOOD = wire.framed(wire.request("ApiVersions", 0, {}, correlation_id=77))
SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "20"))


def produce(data, version=8, **fields):
    return wire.framed(wire.request("Produce", version, {
        "Acks": 1, "TimeoutMs": 5000, "TopicData": [{
            "Name": TOPIC, "PartitionData": [{"Index": 0, "Records": data}]}], **fields}))


def metadata(version, body):
    return wire.framed(wire.header("Metadata", version, 1) + body)


def framing():
    yield Case("nothing", [])
    yield Case("half a size", [GOOD[:2]])
    yield Case("half a request", [GOOD[:-3]])
    yield Case("size zero", [struct.pack(">i", 0)])
    yield Case("size zero, then a good request", [struct.pack(">i", 0), GOOD])
    yield Case("size one", [wire.framed(b"\0")])
    yield Case("size seven", [wire.framed(bytes(7))])
    yield Case("size minus one", [struct.pack(">i", -1)])
    yield Case("smallest size", [struct.pack(">i", -HUGE - 1)])
    yield Case("size of two gigabytes", [struct.pack(">i", HUGE)])
    yield Case("size of two gigabytes and a header", [struct.pack(">i", HUGE) + GOOD[4:]])
    yield Case("size just above the limit", [struct.pack(">i", 104857601) + GOOD[4:]])
    yield Case("size of the limit", [struct.pack(">i", 104857600) + GOOD[4:]])
    yield Case("good", [GOOD], answers=("ApiVersions", 0))
    yield Case("good, one byte at a time", [bytes([b]) for b in GOOD], pause=0.005,
               answers=("ApiVersions", 0))
    yield Case("three at once", [GOOD * 3], answers=("ApiVersions", 0))
    yield Case("bytes behind the body", [wire.framed(GOOD[4:] + b"more")],
               answers=("ApiVersions", 0))
    yield Case("a web browser", [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"])
    yield Case("a TLS hello", [bytes.fromhex("16030100c8010000c40303") + bytes(200)])


def headers():
    for key in (-1, 93, 1000, 32767, -32768):
        yield Case(f"api {key}", [wire.framed(wire.header(key, 0, 1))])
    for key in (4, 5, 6, 7):
        yield Case(f"removed api {key}", [wire.framed(wire.header(key, 0, 1) + bytes(20))])
    for key in (52, 53, 56, 58, 59, 62, 63, 67, 70, 73, 82):
        yield Case(f"controller api {key}", [wire.framed(wire.header(key, 0, 1) + bytes(40))])
    for api, version in (("Metadata", -1), ("Metadata", 14), ("Metadata", 32767), ("Produce", 2),
                         ("Produce", 14), ("Fetch", 3), ("Fetch", 19), ("ListOffsets", 0),
                         ("OffsetCommit", 1), ("CreateTopics", 1), ("JoinGroup", 10),
                         ("InitProducerId", 6), ("WriteTxnMarkers", 0), ("WriteTxnMarkers", 3)):
        data = wire.framed(wire.header(api, version, 1) + bytes(30))
        yield Case(f"{api} version {version}", [data])
    for version in (5, 99, 32767):
        data = wire.framed(wire.header(18, version, 5) + bytes(10))
        yield Case(f"ApiVersions version {version}", [data, GOOD], answers=("ApiVersions", 0))
    yield Case("ApiVersions version -1", [wire.framed(wire.header(18, -1, 5))],
               answers=("ApiVersions", 0))
    yield Case("null client id", [wire.framed(wire.header("ApiVersions", 0, 3, None))],
               answers=("ApiVersions", 0))
    plain = wire.header("Metadata", 1, 1)[:8]
    yield Case("client id length -2", [wire.framed(plain + struct.pack(">h", -2) + bytes(4))])
    yield Case("client id beyond the end", [wire.framed(plain + struct.pack(">h", 30000))])
    yield Case("client id no UTF-8", [wire.framed(plain + b"\0\2\xff\xfe" + bytes(4))],
               answers=("Metadata", 1))
    flexible = wire.header("Metadata", 12, 1)[:-1]
    tag = uvarint(9) + uvarint(3) + b"abc"
    body = b"\1\0\0\0"
    yield Case("unknown tag in the header", [wire.framed(flexible + b"\1" + tag + body)],
               answers=("Metadata", 12))
    yield Case("two billion tags", [wire.framed(flexible + uvarint(HUGE) + body)])
    yield Case("tag of two gigabytes", [wire.framed(
        flexible + b"\1" + uvarint(9) + uvarint(HUGE) + body)])
    yield Case("varint without end", [wire.framed(flexible + b"\xff" * 20)])


def bodies():
    yield Case("two billion topics", [metadata(1, struct.pack(">i", HUGE))])
    yield Case("topics -1", [metadata(1, struct.pack(">i", -1))], answers=("Metadata", 1))
    yield Case("topics -2", [metadata(1, struct.pack(">i", -2))])
    yield Case("compact topics beyond the end", [metadata(12, uvarint(HUGE))])
    yield Case("compact topics of four billion", [metadata(12, uvarint(0xFFFFFFFF))])
    yield Case("topic name of two gigabytes", [metadata(
        12, uvarint(2) + bytes(16) + uvarint(HUGE) + b"abc")])
    yield Case("topic name beyond the end", [metadata(1, struct.pack(">ih", 1, 500) + b"abc")])
    yield Case("topic name null", [metadata(1, struct.pack(">ih", 1, -1))])
    yield Case("topic name no UTF-8", [metadata(
        8, struct.pack(">ih", 1, 2) + b"\xff\xfe" + bytes(3))])
    yield Case("empty body", [metadata(12, b"")])
    whole = produce(records.batch([("k", "v")]))
    for cut in (1, 10, 40):
        yield Case(f"produce cut by {cut}", [wire.framed(whole[4:-cut])])
    yield Case("records of two gigabytes", [wire.framed(
        whole[4:].replace(struct.pack(">i", len(records.batch([("k", "v")]))),
                          struct.pack(">i", HUGE), 1))])
    yield Case("array in a consumer's fetch", [wire.framed(
        wire.header("Fetch", 11, 1) + struct.pack(">iiiibiii", -1, 0, 0, 1, 0, 0, -1, HUGE))])
    yield Case("offsets of no topic", [wire.framed(
        wire.header("OffsetFetch", 5, 1) + struct.pack(">h", 1) + b"g" + struct.pack(">i", HUGE))])
    markers = lambda body: [wire.framed(  # noqa: E731
        wire.header("WriteTxnMarkers", 1, 1) + body)]
    yield Case("two billion markers", markers(uvarint(HUGE)))
    yield Case("null markers", markers(uvarint(0)))
    yield Case("no markers", markers(uvarint(1) + b"\0"), answers=("WriteTxnMarkers", 1))
    one = uvarint(2) + bytes(7) + b"\5\0\0\1"  # of producer 5
    yield Case("a marker cut short", markers(one))
    yield Case("a marker for two billion topics", markers(one + uvarint(HUGE)))
    yield Case("a marker for two billion partitions", markers(
        one + uvarint(2) + uvarint(2) + b"t" + uvarint(HUGE)))
    yield Case("a marker for no topic", markers(one + uvarint(1) + bytes(4) + b"\0\0"),
               answers=("WriteTxnMarkers", 1))
    yield Case("a result that is no boolean", markers(
        uvarint(2) + bytes(7) + b"\5\0\0\7" + uvarint(1) + bytes(4) + b"\0\0"),
        answers=("WriteTxnMarkers", 1))
    yield Case("two billion log directories", [wire.framed(
        wire.header("AlterReplicaLogDirs", 1, 1) + struct.pack(">i", HUGE))])
    yield Case("log directory beyond the end", [wire.framed(
        wire.header("AlterReplicaLogDirs", 1, 1) + struct.pack(">ih", 1, 500) + b"/data")])
    yield Case("two billion topics of a log directory", [wire.framed(
        wire.header("AlterReplicaLogDirs", 2, 1) + uvarint(2) + uvarint(2) + b"/"
        + uvarint(HUGE))])
    yield Case("acks 0 of a bad batch", [produce(records.batch([("k", "v")], crc=3), Acks=0), GOOD],
               answers=("ApiVersions", 0))
    yield Case("acks 0 of a good batch", [produce(records.batch([("k", "v")]), Acks=0), GOOD],
               answers=("ApiVersions", 0))
    yield Case("acks 0 to an unknown topic", [wire.framed(wire.request("Produce", 8, {
        "Acks": 0, "TimeoutMs": 100, "TopicData": [{"Name": "raw-none", "PartitionData": [
            {"Index": 0, "Records": records.batch([("k", "v")])}]}]})), GOOD],
        answers=("ApiVersions", 0))


def repeated_zeros(megabytes):
    """Records part with one record whose value is that many MB of zeros."""
    value = bytes(megabytes << 20)
    body = b"\0\0\0" + zigzag(-1) + zigzag(len(value)) + value + b"\0"
    return zigzag(len(body)) + body


def bombs():
    """Batches of a few KB that unpack to 200 MB and more."""
    plain = repeated_zeros(256)
    packed = {
        "gzip": gzip.compress(plain),
        "zstd": zstandard.ZstdCompressor(level=1).compress(plain),
        "lz4": records.COMPRESS["lz4"](plain),
    }
    for codec, payload in packed.items():
        data = records.batch([(None, "x")], codec=codec, payload=payload)
        yield Case(f"{codec} of 256 MB", [produce(data)], answers=("Produce", 8),
                   patience=raw.ANSWER_SECONDS, growth=400 << 20)
    claims = {
        "zstd": b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 40) + b"\1\0\0",
        "snappy": b"\xff\xff\xff\xff\x07" + b"\0" * 20,
        "snappy in blocks": records.XERIAL + struct.pack(">i", HUGE) + b"\0" * 20,
        "lz4": bytes.fromhex("04224d186040820000807f") + b"\0" * 20,
    }
    for label, payload in claims.items():
        data = records.batch([("k", "v")], codec=label.split()[0], payload=payload)
        yield Case(f"{label} that claims gigabytes", [produce(data)], answers=("Produce", 8),
                   patience=raw.ANSWER_SECONDS)
    for label, payload in {
            "record of two gigabytes": zigzag(HUGE) + b"\0\0\0",
            "key of two gigabytes": zigzag(20) + b"\0\0\0" + zigzag(HUGE),
            "two billion headers": zigzag(9) + b"\0\0\0\1\1" + zigzag(HUGE)}.items():
        data = records.batch([("k", "v")], payload=payload)
        yield Case(label, [produce(data)], answers=("Produce", 8), patience=raw.ANSWER_SECONDS)
    data = records.batch([("k", "v")], count=HUGE, last_offset_delta=HUGE - 1)
    yield Case("two billion records", [produce(data)], answers=("Produce", 8),
               patience=raw.ANSWER_SECONDS)


CASES = {case.name: case for make in (framing, headers, bodies, bombs) for case in make()}


def expected():
    if not EXPECTED.exists():
        return {}
    lines = EXPECTED.read_text().splitlines()[1:]
    return dict(line.split("\t") for line in lines)


@pytest.fixture(scope="module")
def raw_node(kind, start_node, request):
    """A node of its own, as its memory is watched."""
    one = start_node(kind, "raw")
    with one.connect() as connection:
        connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
            {"Name": TOPIC, "NumPartitions": 1, "ReplicationFactor": 1}]})
    outcomes = {}
    yield one, outcomes
    if request.config.getoption("--record") and kind == "apache":
        EXPECTED.parent.mkdir(exist_ok=True)
        EXPECTED.write_text("case\toutcome\n" + "".join(
            f"{name}\t{outcomes.get(name, '')}\n" for name in CASES))


def assert_serves(node):
    assert node.alive(), f"the node ended:\n{node.tail()}"
    with node.connect() as connection:
        assert connection.call("Metadata", 12, {"Topics": []}, timeout=15)["Brokers"]


@pytest.mark.parametrize("name", CASES)
def test_outcome(name, raw_node, request):
    node, outcomes = raw_node
    before = node.resident_bytes()
    got = outcomes[name] = raw.outcome(node, CASES[name])
    assert_serves(node)
    if node.kind != "apache":  # a virtual machine's heap says nothing of one request
        assert node.resident_bytes() - before < CASES[name].growth
    if not (request.config.getoption("--record") and node.kind == "apache"):
        assert got == expected()[name]


def test_garbage(raw_node):
    """Random bytes, bare and behind a right size: no crash, no hang."""
    node, _ = raw_node
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    for _ in range(200):
        data = chance.randbytes(chance.randrange(1, 400))
        pieces = [wire.framed(data)] if chance.random() < 0.7 else [data]
        raw.outcome(node, Case("garbage", pieces, patience=0.02))
    assert_serves(node)


def test_mutated_requests(raw_node):
    """Good requests with some bytes changed: no crash, no hang."""
    node, _ = raw_node
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    with node.connect() as connection:
        advertised = wire.api_versions(connection)
    for name, (first, last) in sorted(advertised.items()):
        known = wire.schema.apis()[name].request.versions
        version = chance.randrange(max(first, known.first), min(last, known.last) + 1)
        for _ in range(6):
            data = bytearray(wire.request(name, version, {}))
            for _ in range(chance.randrange(1, 6)):
                data[chance.randrange(8, len(data) - 1) if len(data) > 10 else -1] = \
                    chance.randrange(256)
            raw.outcome(node, Case(name, [wire.framed(bytes(data))], patience=0.02))
    assert_serves(node)


def test_many_half_requests(raw_node):
    """Connections that claim much and send little cost little."""
    node, _ = raw_node
    if node.kind == "apache":
        pytest.skip("Apache reserves the claimed size for each, and runs out of memory")
    before = node.resident_bytes()
    claim = struct.pack(">i", 100_000_000) + GOOD[4:]
    held = []
    try:
        for _ in range(200):
            one = node.connect()
            one.send_bytes(claim)
            held.append(one)
        assert_serves(node)
        assert node.resident_bytes() - before < 100 << 20
    finally:
        for one in held:
            one.close()


def test_slow_reader(raw_node):
    """A client that asks much and reads nothing is held back, and delays nobody."""
    node, _ = raw_node
    before = node.resident_bytes()
    data = records.batch([("k", "v" * 900_000)])
    with node.connect() as writer:
        for _ in range(8):
            writer.send_bytes(produce(data))
            writer.frame()
    fetch = wire.framed(wire.request("Fetch", 11, {
        "ReplicaId": -1, "MaxWaitMs": 0, "MinBytes": 1, "Topics": [{"Topic": TOPIC, "Partitions": [
            {"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 50 << 20}]}]}))
    with node.connect(timeout=2) as greedy:
        try:
            for _ in range(2000):
                greedy.send_bytes(fetch)
        except TimeoutError:
            pass
        started = time.monotonic()
        assert_serves(node)
        assert time.monotonic() - started < 10
        if node.kind != "apache":
            assert node.resident_bytes() - before < 300 << 20


def test_each_case_is_expected(request):
    """What is expected covers each case."""
    if request.config.getoption("--record"):
        pytest.skip("being written")
    assert set(expected()) == set(CASES)
