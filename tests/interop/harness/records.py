"""Record batches (magic 2): made by hand, and read back."""

import dataclasses
import gzip
import struct

import crc32c
import lz4.frame
import snappy
import zstandard

from harness.codec import Malformed, Reader, zigzag

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
HEADER = struct.Struct(">qiibIhiqqqhii")
XERIAL = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x08, 0x10, 0x20


def _snappy(data):
    block = snappy.compress(data)
    return XERIAL + struct.pack(">i", len(block)) + block


COMPRESS = {
    "none": bytes,
    "gzip": gzip.compress,
    "snappy": _snappy,
    "lz4": lambda data: lz4.frame.compress(data, block_linked=False),
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}


def _unsnappy(data):
    if not data.startswith(b"\x82SNAPPY\0"):
        return snappy.decompress(data)
    reader, out = Reader(data, 16), b""
    while reader.position < len(data):
        out += snappy.decompress(reader.take(reader.fixed("int32")))
    return out


DECOMPRESS = {
    0: bytes,
    1: gzip.decompress,
    2: _unsnappy,
    3: lz4.frame.decompress,
    4: lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


@dataclasses.dataclass
class Batch:
    """A batch to be made; the fields default to what a plain producer sends."""

    records: list  # of (key, value) or (key, value, headers)
    codec: str = "none"
    timestamp: int = 1_700_000_000_000
    base_offset: int = 0
    producer_id: int = -1
    producer_epoch: int = -1
    sequence: int = -1
    attributes: int = 0
    magic: int = 2
    count: int | None = None
    last_offset_delta: int | None = None
    crc: int | None = None
    payload: bytes | None = None

    def encode(self):
        count = len(self.records)
        payload = self.payload
        if payload is None:
            plain = b"".join(_record(i, *record) for i, record in enumerate(self.records))
            payload = COMPRESS[self.codec](plain)
        last = count - 1 if self.last_offset_delta is None else self.last_offset_delta
        body = struct.pack(
            ">hiqqqhii", CODECS[self.codec] | self.attributes, last, self.timestamp,
            self.timestamp, self.producer_id, self.producer_epoch, self.sequence,
            count if self.count is None else self.count) + payload
        crc = crc32c.crc32c(body) if self.crc is None else self.crc
        head = struct.pack(">qiibI", self.base_offset, len(body) + 9, -1, self.magic, crc)
        return head + body


def _bytes(data):
    if data is None:
        return zigzag(-1)
    data = data.encode() if isinstance(data, str) else data
    return zigzag(len(data)) + data


def _record(delta, key, value, headers=()):
    body = b"\0" + zigzag(0) + zigzag(delta) + _bytes(key) + _bytes(value) + zigzag(len(headers))
    body += b"".join(_bytes(name) + _bytes(text) for name, text in headers)
    return zigzag(len(body)) + body


def batch(records, **fields):
    """The bytes of one batch."""
    return Batch(records, **fields).encode()


def parse(data, timed=False):
    """The whole batches in data, as dicts that can be compared; a cut last one is left out.

    A record is (offset, key, value, headers), or with `timed` its timestamp behind them.
    """
    batches, position = [], 0
    while position + HEADER.size <= len(data):
        (base, length, epoch, magic, crc, attributes, last, first_time, max_time, producer_id,
         producer_epoch, sequence, count) = HEADER.unpack_from(data, position)
        end = position + 12 + length
        if end > len(data):
            break
        if crc != crc32c.crc32c(data[position + 21:end]):
            raise Malformed(f"wrong CRC of the batch at offset {base}")
        payload = DECOMPRESS[attributes & 7](data[position + HEADER.size:end])
        batches.append({
            "base": base, "epoch": epoch, "magic": magic, "attributes": attributes,
            "last delta": last, "base time": first_time, "max time": max_time,
            "producer": (producer_id, producer_epoch, sequence),
            "records": _parse_records(payload, count, base),
        })
        if timed:
            times = _parse_times(payload, count)
            batches[-1]["records"] = [
                (*record, max_time if attributes & LOG_APPEND_TIME else first_time + delta)
                for record, delta in zip(batches[-1]["records"], times)]
        position = end
    return batches


def _parse_records(payload, count, base):
    reader, records = Reader(payload), []
    for _ in range(count):
        one = Reader(reader.take(reader.varint()))
        one.take(1)
        one.varint()
        offset = base + one.varint()
        key, value = [_read_bytes(one) for _ in range(2)]
        headers = [(_read_bytes(one), _read_bytes(one)) for _ in range(one.varint())]
        records.append((offset, key, value, headers))
    return records


def _parse_times(payload, count):
    """The timestamp deltas of the records."""
    reader = Reader(payload)
    for _ in range(count):
        one = Reader(reader.take(reader.varint()))
        one.take(1)
        yield one.varint()


def _read_bytes(reader):
    length = reader.varint()
    return None if length < 0 else reader.take(length)
