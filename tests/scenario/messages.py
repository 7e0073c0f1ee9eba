"""Between the values of scenarios and the messages of the wire, along schema/."""

import csv
import re
import time

from harness import codec, schema
from harness import records as batches
from values import Mistake, Struct, Variable, one_line

TIME = 1_700_000_000_000  # of records, unless they say otherwise
NOW = range(1_750_000_000_000, 4_000_000_000_000)
CODECS = {number: name for name, number in batches.CODECS.items()}
ALWAYS_TOLD = {"PartitionIndex", "Partition", "Index"}
ORDERED = {"Synonyms"}  # lists of structs whose order says something
FLAGS = {"transactional": batches.TRANSACTIONAL, "control": batches.CONTROL}


def error_names():
    with (schema.SCHEMA / "errors.tsv").open() as file:
        return {int(row["code"]): row["name"] for row in csv.DictReader(file, delimiter="\t")}


ERRORS = error_names()


class Variables:
    """What `$name` stands for; a value that has a name is printed by it."""

    def __init__(self):
        self.values = {}

    def __getitem__(self, name):
        if name == "now":
            return int(time.time() * 1000)
        if name not in self.values:
            raise Mistake(f"${name} is not known here; known are {sorted(self.values)}")
        return self.values[name]

    def __setitem__(self, name, value):
        self.values[name] = value

    def name_of(self, value):
        for name, known in self.values.items():
            if known == value and type(known) is type(value):
                return Variable(name)
        return None


def api(name, version):
    """The message of an API that has a version."""
    if name not in schema.apis():
        raise Mistake(f"schema/api has no {name}")
    message = schema.apis()[name]
    if version not in message.request.versions:
        raise Mistake(f"{name} has no version {version}: {message.request.versions}")
    return message


def to_wire(section, version, value, variables):
    """The fields of a request, as harness.codec takes them."""
    def struct(fields, given):
        if not isinstance(given, Struct):
            raise Mistake(f"{one_line(given)}: a struct is wanted")
        known = {field.name: field for field in fields if version in field.versions}
        for name in given.fields:
            if name not in known:
                raise Mistake(f"version {version} has no {name}: {', '.join(known)}")
        return {name: field_value(known[name], one) for name, one in given.fields.items()}

    def field_value(field, given):
        if isinstance(given, Variable):
            return variables[given.name]
        if given is None:
            return None
        if field.is_array:
            return [one(field, element) for element in given]
        return one(field, given)

    def one(field, given):
        if isinstance(given, Variable):
            return variables[given.name]
        if field.is_struct:
            return struct(section.fields_of(field), given)
        if field.type == "records":
            several = given if isinstance(given, list) else [given]
            return b"".join(batch(each, variables) for each in several)
        if field.type == "bytes":
            return given.encode()
        if (field.type == "string") != isinstance(given, str) and field.type != "uuid":
            raise Mistake(f"{field.name}: {one_line(given)} is no {field.type}")
        return given

    return struct(section.fields, value)


def batch(value, variables=None):
    """The bytes of `batch{records: [key=value...], codec: gzip, ...}` (harness.records.Batch)."""
    if isinstance(value, str):
        return value.encode()
    fields = {name: variables[one.name] if isinstance(one, Variable) else one
              for name, one in value.fields.items()}
    records = [pair(one) for one in fields.pop("records", [])]
    attributes = sum(bit for flag, bit in FLAGS.items() if fields.pop(flag, False))
    attributes |= fields.pop("attributes", 0)
    timestamp = fields.pop("time", TIME)
    try:
        return batches.batch(records, attributes=attributes, timestamp=timestamp, **fields)
    except TypeError as error:
        raise Mistake(f"batch: {error}") from error


def pair(text):
    """key=value; a key alone is a tombstone, =value has no key."""
    key, equals, value = str(text).partition("=")
    return (key or None, value if equals else None)


def from_wire(section, version, value, variables):
    """A response as a value, without the fields that have their default."""
    def struct(fields, given, whole=False):
        shown = {}
        for field in fields:
            is_told = field.name in given and (
                whole or field.name in ALWAYS_TOLD
                or given[field.name] != codec.default_of(field))
            if is_told:
                shown[field.name] = field_value(field, given[field.name])
        if "unknown tags" in given:
            raise Mistake(f"tags that the schema does not know: {given['unknown tags']}")
        return Struct(shown)

    def field_value(field, given):
        if field.is_array and given is not None:
            # The order of what hash tables hold is nobody's promise.
            in_order = given
            if field.is_struct and field.name not in ORDERED:
                in_order = sorted(given, key=lambda element: order(field, element))
            return [one(field, element) for element in in_order]
        return one(field, given)

    def order(field, given):
        text = one_line(struct(section.fields_of(field), given, whole=True))
        return re.sub(r"\d+", lambda digits: digits[0].zfill(12), text)

    def one(field, given):
        if given is None:
            return None
        if field.is_struct:
            return struct(section.fields_of(field), given)
        if field.type == "records":
            return [shown_batch(each, variables) for each in batches.parse(given)]
        if field.type == "bytes":
            return given.decode() if given.isascii() else given.hex()
        if field.name.endswith("ErrorCode"):
            return ERRORS[given]
        if field.name.endswith("ErrorMessage"):
            return Variable("text")
        if is_name_worthy(field, given) and (named := variables.name_of(given)):
            return named
        if field.type == "int64" and given in NOW:
            return Variable("now")
        return given

    return struct(section.fields, value)


def is_name_worthy(field, value):
    """Small numbers are equal by chance."""
    return isinstance(value, str) or field.name in ("Port", "SessionId", "ProducerId")


def text_of(data):
    return data.decode(errors="backslashreplace")


def shown_batch(parsed, variables):
    """What differs from the batch of a plain producer."""
    pairs = []
    for _, key, value, headers in parsed["records"]:
        shown = text_of(key) if key is not None else ""
        if value is not None:
            shown += "=" + text_of(value)
        pairs.append(shown + "".join(f" {text_of(name)}:{text_of(one)}" for name, one in headers))
    producer_id, epoch, sequence = parsed["producer"]
    attributes = parsed["attributes"]
    shown = {"base": parsed["base"]}
    if parsed["last delta"] != len(pairs) - 1:
        shown["last_offset_delta"] = parsed["last delta"]
    if attributes & 7:
        shown["codec"] = CODECS[attributes & 7]
    shown |= {flag: True for flag, bit in FLAGS.items() if attributes & bit}
    if attributes & 8:
        shown["log_append_time"] = True
    if producer_id != -1:
        producer_id = variables.name_of(producer_id) or producer_id
        shown |= {"producer_id": producer_id, "producer_epoch": epoch, "sequence": sequence}
    if parsed["max time"] != TIME:
        shown["time"] = Variable("now") if parsed["max time"] in NOW else parsed["max time"]
    if not attributes & batches.CONTROL:
        shown["records"] = pairs
    return Struct(shown, "batch")


def at(value, path):
    """What a path as `Topics[0].ErrorCode` leads to in a decoded answer."""
    for step in path.replace("[", ".").replace("]", "").split("."):
        try:
            value = value[int(step)] if step.isdigit() else value[step]
        except (KeyError, IndexError, TypeError) as error:
            raise Mistake(f"the answer has no {path}") from error
    return value


def shown_at(value, path):
    """The text of what a path leads to, an error by its name."""
    found = at(value, path)
    return ERRORS[found] if path.endswith("ErrorCode") else one_line(found)
