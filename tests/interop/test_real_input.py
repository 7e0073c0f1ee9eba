"""Real text through console producers, and back through groups of three console consumers."""

import hashlib
import itertools

import pytest

from harness import console, text
from harness.processes import wait_until

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
MEMBERS = 3
PARTITIONS = 6
SECONDS = 300


@pytest.fixture(scope="module")
def text_node(kind, start_node):
    """With Kafka's own delay, in which all members of a new group come together."""
    return start_node(kind, "text", group__initial__rebalance__delay__ms=3000)


def make_topic(node, name):
    with node.connect() as connection:
        answer = connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
            {"Name": name, "NumPartitions": PARTITIONS, "ReplicationFactor": 1}]})
        assert answer["Topics"][0]["ErrorCode"] == 0, answer


def await_members(node, group):
    """Waits until all members of a group have their share."""
    with node.connect() as connection:
        def ready():
            assert group.alive(), group.tail()
            found = connection.call("DescribeGroups", 5, {"Groups": [group.name]})["Groups"][0]
            return found["GroupState"] == "Stable" and len(found["Members"]) == MEMBERS
        wait_until(ready, SECONDS, f"{MEMBERS} members of {group.name}")


def await_lines(group, count):
    def ready():
        assert group.alive(), group.tail()
        return group.count >= count
    wait_until(ready, SECONDS, lambda: f"{count} lines by {group.maker}; there are {group.count}")


def read_back(outputs, rounds):
    """The lines of each round of produce, by their numbers.

    A partition's lines of one round have to come in order, and each exactly once.
    """
    counts, last = {}, {}
    placed = [dict() for _ in range(rounds)]
    for member, output in enumerate(outputs):
        for line in output.split(b"\n")[:-1]:
            partition, number, value = line.split(b"\t", 2)
            number = int(number)
            if number <= last.get(partition, 0):  # a new round begins in this partition
                counts[partition] = counts.get(partition, 0) + 1
            last[partition] = number
            here = placed[counts.get(partition, 0)]
            assert number not in here, f"twice: {line[:80]} of member {member}"
            here[number] = value
    return placed


def checksum_of(placed):
    return checksum(b"%d\t%s\n" % one for one in sorted(placed.items()))


def checksum(lines):
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
    return digest.hexdigest()


def test_each_producer_codec_and_consumer(text_node, kind, folder, request):
    """Groups that are there from the start read what each producer sends in each codec."""
    megabytes = 100 if request.config.getoption("--full") else 2
    path = text.lines(megabytes)
    wanted = checksum(path.open("rb"))
    count = sum(1 for _ in path.open("rb"))
    makers = console.makers(kind)
    make_topic(text_node, "matrix")
    groups = [console.ReaderGroup(maker, text_node.bootstrap, "matrix", MEMBERS, folder)
              for maker in makers]
    try:
        for group in groups:
            await_members(text_node, group)
        for sent, (maker, codec) in enumerate(itertools.product(makers, CODECS), 1):
            console.produce(maker, text_node.bootstrap, "matrix", codec, path)
            for group in groups:
                await_lines(group, count * sent)
                (placed,) = read_back([one.take() for one in group.readers], 1)
                assert checksum_of(placed) == wanted, f"{maker} {codec} to {group.maker}"
    finally:
        for group in groups:
            group.stop()
    for group in groups:
        assert not any(one.take() for one in group.readers), f"{group.maker}: more than was sent"


def test_a_hundred_megabytes(text_node, kind, folder, request):
    """Produced by all, a part and a codec each; then read from the beginning by each."""
    path = text.lines(request.config.getoption("--megabytes") or 100)
    wanted = checksum(path.open("rb"))
    makers = console.makers(kind)
    parts = [folder / f"part-{maker}" for maker in makers]
    count = split(path, parts)
    make_topic(text_node, "large")
    for maker, codec, part in zip(makers, ("zstd", "lz4", "snappy"), parts):
        console.produce(maker, text_node.bootstrap, "large", codec, part)
    for maker in makers:
        group = console.ReaderGroup(maker, text_node.bootstrap, "large", MEMBERS, folder)
        try:
            await_lines(group, count)
        finally:
            group.stop()
        assert all(one.count for one in group.readers), group.tail()
        placed = read_back([one.take() for one in group.readers], len(parts))
        assert sum(len(each) for each in placed) == count
        whole = {number: line for each in placed for number, line in each.items()}
        assert checksum_of(whole) == wanted, maker


def split(path, parts):
    """Deals the lines out in turn, a thousand at a time; their count."""
    files = [open(part, "wb") for part in parts]
    count = 0
    with open(path, "rb") as lines:
        for count, line in enumerate(lines, 1):
            files[count // 1000 % len(files)].write(line)
    for one in files:
        one.close()
    return count
