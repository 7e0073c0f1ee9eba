#!/usr/bin/env python3
"""Writes tests/fuzz/corpus anew, a few files a target, from what Apache Kafka wrote and answered.

Fuzzers start from these; the tests run them and changed copies of them.
"""

import gzip
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/fuzz/corpus"
APACHE_LOG = ROOT / "src/storage/testdata/apache-0"
TLS_STORES = ROOT / "src/tls/testdata"
REMOTE_METADATA = ROOT / "src/storage/remote/recorded/metadata_cache.tsv"
sys.path.insert(0, str(ROOT / "schema/generate"))

from msg import parse_all  # noqa: E402

PROTOCOL = """ProduceRequest FetchRequest FetchResponse MetadataResponse ApiVersionsResponse
JoinGroupRequest CreateTopicsRequest VoteRequest RegisterBrokerRecord PartitionRecord
ConsumerGroupHeartbeatRequest OffsetFetchResponse""".split()
# In the order of raft_wire_fuzz's table.
RAFT = """VoteRequest BeginQuorumEpochRequest EndQuorumEpochRequest FetchRequest AddRaftVoterRequest
RemoveRaftVoterRequest UpdateRaftVoterRequest VoteResponse BeginQuorumEpochResponse
EndQuorumEpochResponse FetchResponse AddRaftVoterResponse RemoveRaftVoterResponse
UpdateRaftVoterResponse ApiVersionsResponse""".split()
# The kinds of log_loader_fuzz.
KINDS = [".log", ".index", ".timeindex", ".txnindex", ".snapshot", "leader-epoch-checkpoint"]
META = {
    "version_1": "#\n#Thu Jan 01 00:00:00 UTC 1970\ncluster.id=aW50ZXJvcC1jbHVzdGVyMQ\n"
                 "directory.id=AAAAAAAAAAAAAAAAAAAAZA\nnode.id=1\nversion=1\n",
    "version_0": "version=0\nbroker.id=7\ncluster.id=aW50ZXJvcC1jbHVzdGVyMQ\n",
}
PROPERTIES = {
    "server": "# a node\nprocess.roles=broker,controller\nnode.id : 1\n"
              "listeners=PLAINTEXT://:9092,\\\n    CONTROLLER://:9093\nempty=\n",
    "escapes": "a\\ key\\=\\:=\\u00e4\\t\\\\ \\n\n! a comment\nno value\nbroken\\u12",
}
# (kind of resource, key by number, value), as value_fuzz reads them.
VALUES = [(kind, key, value) for kind in range(4) for key, value in
          ((0, "delete,compact"), (5, "9223372036854775807"), (9, "0.5"), (20, "PLAINTEXT://:1"))]


def message_names() -> list[str]:
    """In the order of protocol's table."""
    return sorted(one.name for file in parse_all(ROOT / "schema") for one in file.messages)


def vectors(wanted: list[str]) -> dict[tuple[str, int], bytes]:
    """What Apache's classes encoded, by message and version."""
    best: dict[tuple[str, int], bytes] = {}
    with gzip.open(ROOT / "tests/vectors.tsv.gz", "rt") as file:
        for line in file:
            words = line.rstrip("\n").split("\t")
            name = words[0].rsplit(".", 1)[-1].removesuffix("Data")
            data = bytes.fromhex(words[3])
            if name in wanted and 20 < len(data) < 600:
                best[name, int(words[1])] = data
    return best


def raft_seeds():
    best = vectors(RAFT)
    files = {one.name: one for file in parse_all(ROOT / "schema") for one in file.messages}
    for index, name in enumerate(RAFT):
        last = max((version for known, version in best if known == name), default=None)
        if last is not None:
            version = last - files[name].versions[0]
            yield f"{name}_{last}", bytes([index, 0x80 | version]) + best[name, last]


def protocol_seeds():
    names = message_names()
    best = vectors(PROTOCOL)
    files = {one.name: one for file in parse_all(ROOT / "schema") for one in file.messages}
    for name in PROTOCOL:
        versions = sorted(version for known, version in best if known == name)
        for version in {versions[0], versions[-1]} if versions else ():
            index = names.index(name)
            head = bytes([index >> 8, index & 255, version - files[name].versions[0]])
            yield f"{name}_{version}", head + best[name, version]


def records_seeds():
    lines = (ROOT / "src/records/testdata/apache_batches.tsv").read_text().splitlines()
    columns = lines[0].removeprefix("# ").split("\t")
    for line in lines[1:]:
        row = dict(zip(columns, line.split("\t")))
        data = bytes.fromhex(row["in"])
        if row["target"] == "none" and len(data) < 300 and row["compacted"] == "0":
            yield re.sub(r"\W+", "_", row["case"]), bytes(4) + data


REMOTE_SEGMENT = """millrace-remote-segment 1
topic orders
topic-id ASNFZ4mrze8RIjNEVWZ3iA
partition 7
segment-id _ty6mHZUMhCId2ZVRDMiEQ
start-offset 4711
end-offset 5000
max-timestamp 1700000000000
broker-id 2
log-bytes 123456
offset-index 80 0123abcd
time-index 120 89abcdef
transaction-index 0 00000000
leader-epochs 20 00000001
producer-snapshot 48 ffffffff
"""

S3_ANSWERS = {
    "listing": '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/">'
               "<IsTruncated>true</IsTruncated>"
               "<NextContinuationToken>a&#x3D;</NextContinuationToken>"
               "<Contents><Key>t/&amp;1</Key><Size>3</Size></Contents></ListBucketResult>",
    "upload": "<InitiateMultipartUploadResult><Bucket>b</Bucket><UploadId>id</UploadId>"
              "</InitiateMultipartUploadResult>",
    "error": "<Error><Code>SlowDown</Code><Message><![CDATA[less, please]]></Message>"
             "<!-- x --><Region>eu-west-1</Region></Error>",
}


def storage_seeds():
    yield "leader_epochs_fuzz", "apache", (APACHE_LOG / "leader-epoch-checkpoint").read_bytes()
    yield "leader_epochs_fuzz", "three", b"0\n3\n0 0\n2 17\n5 90\n"
    yield "checkpoint_file_fuzz", "offsets", b"0\n2\norders 0 17\nline.items 3 90\n"
    yield "checkpoint_file_fuzz", "topic_id", (APACHE_LOG / "partition.metadata").read_bytes()
    for name, text in META.items():
        yield "meta_properties_fuzz", name, text.encode()
    yield "indexes_header_fuzz", "whole", REMOTE_SEGMENT.encode()
    for index, line in enumerate(REMOTE_METADATA.read_text().splitlines()[:80]):
        kind, *fields = line.split("\t")
        if kind in ("add", "update"):
            yield "segment_metadata_fuzz", f"{kind}_{index}", bytes.fromhex(fields[0])
    for suffix in ("log", "indexes"):
        yield "layout_fuzz", suffix, (
            "orders/ASNFZ4mrze8RIjNEVWZ3iA/7/00000000000000004711-_ty6mHZUMhCId2ZVRDMiEQ." + suffix
        ).encode()
    yield "layout_fuzz", "cached", b"4711__ty6mHZUMhCId2ZVRDMiEQ.timeindex"
    for name, text in S3_ANSWERS.items():
        yield "xml_fuzz", name, text.encode()
    for path in sorted(APACHE_LOG.glob("*.snapshot"))[:4]:
        yield "producer_state_fuzz", path.stem.lstrip("0"), path.read_bytes()
    for kind, suffix in enumerate(KINDS):
        for path in sorted(APACHE_LOG.glob("*" + suffix))[-2:]:
            data = path.read_bytes()
            for clean in (0, 1):
                yield ("log_loader_fuzz", f"{suffix.strip('.')}_{path.stem.lstrip('0')}_{clean}",
                       bytes([kind, clean]) + data)


def seeds():
    """(target, name, bytes)"""
    yield from (("protocol_fuzz", name, data) for name, data in protocol_seeds())
    yield from (("records_fuzz", name, data) for name, data in list(records_seeds())[:24])
    yield from (("raft_wire_fuzz", name, data) for name, data in raft_seeds())
    for name, text in PROPERTIES.items():
        yield "properties_fuzz", name, text.encode()
    for index, (kind, key, value) in enumerate(VALUES):
        yield "value_fuzz", f"{index:02}", bytes([kind, key]) + value.encode()
    for path in sorted(TLS_STORES.glob("*.*")):
        yield "store_fuzz", path.name, path.read_bytes()
    yield from storage_seeds()


def main() -> None:
    shutil.rmtree(CORPUS, ignore_errors=True)
    for target, name, data in seeds():
        path = CORPUS / target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__":
    main()
