"""Reads the message definitions under schema/ (their grammar: schema/NOTATION.md)."""

import dataclasses
import functools
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCHEMA = pathlib.Path(os.environ.get("MILLRACE_SCHEMA", ROOT / "schema"))
SECTIONS = ("request", "response", "key", "value", "message")
FOREVER = 32767


@dataclasses.dataclass(frozen=True)
class Versions:
    """A closed range of versions; empty when last < first."""

    first: int
    last: int

    @staticmethod
    def parse(text):
        if text == "none":
            return Versions(0, -1)
        if text.endswith("+"):
            return Versions(int(text[:-1]), FOREVER)
        first, _, last = text.partition("-")
        return Versions(int(first), int(last or first))

    def __contains__(self, version):
        return self.first <= version <= self.last

    def __iter__(self):
        return iter(range(self.first, self.last + 1))


NONE = Versions(0, -1)


@dataclasses.dataclass
class Field:
    name: str
    type: str
    versions: Versions
    is_array: bool = False
    nullable: Versions = NONE
    tagged: Versions = NONE
    flexible: Versions | None = None
    tag: int | None = None
    default: str | None = None
    fields: list = dataclasses.field(default_factory=list)

    @property
    def is_struct(self):
        return self.type[0].isupper()


@dataclasses.dataclass
class Section:
    """One message: a request, a response, a key, a value."""

    versions: Versions
    flexible: Versions
    fields: list = dataclasses.field(default_factory=list)
    structs: dict = dataclasses.field(default_factory=dict)

    def fields_of(self, field):
        return field.fields or self.structs[field.type]


@dataclasses.dataclass
class Message:
    name: str
    key: int | None
    sections: dict

    @property
    def request(self):
        return self.sections["request"]

    @property
    def response(self):
        return self.sections["response"]


def _parse_field(words):
    name, type_name, versions, *attributes = words
    field = Field(name, type_name.removeprefix("[]"), Versions.parse(versions))
    field.is_array = type_name.startswith("[]")
    rest = iter(attributes)
    for attribute in rest:
        if attribute == "nullable":
            field.nullable = Versions.parse(next(rest))
        elif attribute == "tagged":
            field.tagged = Versions.parse(next(rest))
        elif attribute == "flexible":
            field.flexible = Versions.parse(next(rest))
        elif attribute == "tag":
            field.tag = int(next(rest))
        elif attribute == "default":
            field.default = next(rest)
        elif attribute == "entity":
            next(rest)
    return field


def _parse_section(words):
    flexible = words[words.index("flexible") + 1] if "flexible" in words else "none"
    return Section(Versions.parse(words[2]), Versions.parse(flexible))


def parse(text):
    """The message that one .msg file defines."""
    head, *lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    words = head.split()
    message = Message(words[-1], None, {})
    if words[0] in ("api", "metadata", "coordinator"):
        message = Message(words[2], int(words[1]), {})
    section, levels = None, {}
    for line in lines:
        words = line.split()
        depth = (len(line) - len(line.lstrip())) // 2
        if depth == 0:
            section = message.sections[words[0]] = _parse_section(words)
            levels = {1: section.fields}
        elif words[0] == "struct":
            levels = {1: section.fields, 2: section.structs.setdefault(words[1], [])}
        else:
            field = _parse_field(words)
            levels[depth].append(field)
            levels[depth + 1] = field.fields
    return message


@functools.cache
def load(path):
    """The message of a file below schema/, by its path without the ending."""
    return parse((SCHEMA / (path + ".msg")).read_text())


@functools.cache
def apis():
    """Name -> message of every API."""
    names = sorted(path.stem for path in (SCHEMA / "api").glob("*.msg"))
    return {name: load("api/" + name) for name in names}
