"""Encodes and decodes messages as plain dicts, driven by the schema alone.

It shares no code with the node under test or with any client, so that all three can be
compared through it. Uuids are base64url text, bytes and records are bytes.
"""

import base64
import struct

ZERO_UUID = "AAAAAAAAAAAAAAAAAAAAAA"
FIXED = {
    "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I",
    "int64": ">q", "float64": ">d",
}


class Malformed(Exception):
    """Bytes that are no message of the wanted kind and version."""


def uvarint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value):
    return uvarint(value << 1 if value >= 0 else (-value << 1) - 1)


class Reader:
    def __init__(self, data, position=0):
        self.data, self.position = data, position

    def take(self, count):
        end = self.position + count
        if count < 0 or end > len(self.data):
            raise Malformed(f"{count} bytes wanted, {len(self.data) - self.position} left")
        taken = self.data[self.position:end]
        self.position = end
        return taken

    def fixed(self, name):
        return struct.unpack(FIXED[name], self.take(struct.calcsize(FIXED[name])))[0]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise Malformed("varint of more than 10 bytes")

    def varint(self):
        value = self.uvarint()
        return (value >> 1) ^ -(value & 1)

    def length(self, name, compact):
        return self.uvarint() - 1 if compact else self.fixed(name)


def default_of(field):
    """The value of a field that nobody set."""
    if field.default == "null":
        return None
    if field.is_array:
        return []
    if field.is_struct:
        return {}
    text = field.default
    if field.type == "string":
        return "" if text in (None, '""') else text
    if field.type == "bytes":
        return b""
    if field.type == "records":
        return None
    if field.type == "uuid":
        return ZERO_UUID
    if field.type == "bool":
        return text == "true"
    return float(text or 0) if field.type == "float64" else int(text or "0", 0)


class Codec:
    """One section at one version."""

    def __init__(self, section, version):
        self.section, self.version = section, version
        self.flexible = version in section.flexible

    def encode(self, value):
        return self._struct(self.section.fields, value)

    def decode(self, reader):
        return self._read_struct(self.section.fields, reader)

    def _compact(self, field):
        return self.flexible if field.flexible is None else self.version in field.flexible

    def _struct(self, fields, value):
        unknown = set(value) - {field.name for field in fields}
        if unknown:
            raise KeyError(f"no such field: {', '.join(sorted(unknown))}")
        plain, tags = [], {}
        for field in fields:
            if self.version not in field.versions:
                continue
            given = value.get(field.name, default_of(field))
            if self.version in field.tagged:
                if given != default_of(field):
                    tags[field.tag] = self._tagged_value(field, given)
            else:
                plain.append(self._value(field, given))
        if self.flexible:
            plain.append(uvarint(len(tags)))
            for tag, data in sorted(tags.items()):
                plain.append(uvarint(tag) + uvarint(len(data)) + data)
        return b"".join(plain)

    def _tagged_value(self, field, value):
        if field.is_struct and not field.is_array and self.version in field.nullable:
            return b"\0" if value is None else b"\1" + self._one(field, value)
        return self._value(field, value)

    def _value(self, field, value):
        if field.is_array:
            if value is None:
                return b"\0" if self.flexible else b"\xff\xff\xff\xff"
            count = len(value)
            head = uvarint(count + 1) if self.flexible else struct.pack(">i", count)
            return head + b"".join(self._one(field, element) for element in value)
        if field.is_struct and self.version in field.nullable:
            return b"\xff" if value is None else b"\1" + self._one(field, value)
        return self._one(field, value)

    def _one(self, field, value):
        if field.is_struct:
            return self._struct(self.section.fields_of(field), value)
        if field.type in FIXED:
            return struct.pack(FIXED[field.type], value)
        if field.type == "bool":
            return b"\1" if value else b"\0"
        if field.type == "uuid":
            return base64.urlsafe_b64decode(value + "==")
        data = value.encode() if isinstance(value, str) else value
        if self._compact(field):
            return b"\0" if data is None else uvarint(len(data) + 1) + data
        head = ">h" if field.type == "string" else ">i"
        return struct.pack(head, -1) if data is None else struct.pack(head, len(data)) + data

    def _read_struct(self, fields, reader):
        value, tagged = {}, {}
        for field in fields:
            if self.version not in field.versions:
                continue
            if self.version in field.tagged:
                tagged[field.tag] = field
                value[field.name] = default_of(field)
            else:
                value[field.name] = self._read_value(field, reader)
        if self.flexible:
            self._read_tail(reader, tagged, value)
        return value

    def _read_tail(self, reader, tagged, value):
        for _ in range(reader.uvarint()):
            tag = reader.uvarint()
            data = Reader(reader.take(reader.uvarint()))
            field = tagged.get(tag)
            if field is None:
                value.setdefault("unknown tags", {})[tag] = data.data
                continue
            if field.is_struct and not field.is_array and self.version in field.nullable:
                present = data.take(1)[0]
                value[field.name] = self._read_one(field, data) if present else None
            else:
                value[field.name] = self._read_value(field, data)
            if data.position != len(data.data):
                raise Malformed(f"{field.name}: the tag's size is not its value's")

    def _read_value(self, field, reader):
        if field.is_array:
            count = reader.length("int32", self.flexible)
            if count < 0:
                if self.version not in field.nullable:
                    raise Malformed(f"{field.name}: null where null is not allowed")
                return None
            return [self._read_one(field, reader) for _ in range(count)]
        if field.is_struct and self.version in field.nullable:
            return None if reader.fixed("int8") < 0 else self._read_one(field, reader)
        return self._read_one(field, reader)

    def _read_one(self, field, reader):
        if field.is_struct:
            return self._read_struct(self.section.fields_of(field), reader)
        if field.type in FIXED:
            return reader.fixed(field.type)
        if field.type == "bool":
            return reader.take(1) != b"\0"
        if field.type == "uuid":
            return base64.urlsafe_b64encode(reader.take(16)).decode().rstrip("=")
        head = "int16" if field.type == "string" else "int32"
        length = reader.length(head, self._compact(field))
        if length < 0:
            if field.type != "records" and self.version not in field.nullable:
                raise Malformed(f"{field.name}: null where null is not allowed")
            return None
        data = reader.take(length)
        return data.decode() if field.type == "string" else data


def encode(section, version, value):
    return Codec(section, version).encode(value)


def decode(section, version, data):
    """The message that data holds, whole."""
    reader = Reader(data)
    value = Codec(section, version).decode(reader)
    if reader.position != len(data):
        raise Malformed(f"{len(data) - reader.position} bytes behind the message")
    return value
