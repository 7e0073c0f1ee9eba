"""Reads .msg files (schema/NOTATION.md) into messages, structs and fields."""

import re
from dataclasses import dataclass, field
from pathlib import Path

NEVER = (1, 0)
MOST = 32767
PRIMITIVES = (
    "bool int8 int16 uint16 uint32 int32 int64 uuid float64 string bytes records".split()
)
CPP_WORDS = set("auto bool case char class const default delete do double else enum explicit export"
                " extern false float for friend goto if inline int long namespace new operator"
                " private protected public register return short signed sizeof static struct switch"
                " template this throw true try typedef union unsigned using virtual void".split())


def snake(name: str) -> str:
    name = name.replace("KRaft", "Kraft")
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    name = re.sub(r"([A-Z])([A-Z][a-z])", r"\1_\2", name).lower()
    return name + "_" if name in CPP_WORDS else name


def parse_versions(text: str) -> tuple[int, int]:
    if text == "none":
        return NEVER
    if text.endswith("+"):
        return int(text[:-1]), MOST
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def overlap(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return max(a[0], b[0]), min(a[1], b[1])


def is_empty(versions: tuple[int, int]) -> bool:
    return versions[0] > versions[1]


def covers(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return is_empty(b) or (a[0] <= b[0] and a[1] >= b[1])


@dataclass
class Field:
    name: str
    type: str  # without []
    is_array: bool
    versions: tuple[int, int]
    nullable: tuple[int, int] = NEVER
    default: str | None = None
    tag: int | None = None
    tagged: tuple[int, int] = NEVER
    ignorable: bool = False
    flexible: tuple[int, int] | None = None
    struct: "Struct | None" = None

    @property
    def cpp_name(self) -> str:
        return snake(self.name)

    @property
    def is_nullable(self) -> bool:
        """Whether the C++ field has a null."""
        return self.type == "records" or not is_empty(self.nullable)

    @property
    def is_error_code(self) -> bool:
        is_named_so = re.search("[eE]rrorCode$", self.name)
        return self.type == "int16" and not self.is_array and bool(is_named_so)


@dataclass
class Struct:
    name: str
    fields: list[Field] = field(default_factory=list)
    versions: tuple[int, int] = NEVER  # those it is ever read or written in


@dataclass
class Message:
    """A section of a file: one class."""

    name: str
    kind: str  # request, response, key, value, message
    versions: tuple[int, int]
    flexible: tuple[int, int]
    body: Struct
    file: "File"
    structs: list[Struct] = field(default_factory=list)  # each behind those it uses


@dataclass
class File:
    path: Path
    folder: str  # api, metadata, coordinator, control, data, storage
    summary: str
    name: str
    key: int | None
    views: bool
    messages: list[Message] = field(default_factory=list)


def parse_field(words: list[str], where: str) -> Field:
    name, kind, versions, rest = words[0], words[1], words[2], words[3:]
    made = Field(name, kind.removeprefix("[]"), kind.startswith("[]"), parse_versions(versions))
    while rest:
        word = rest.pop(0)
        if word == "ignorable":
            made.ignorable = True
        elif word == "nullable":
            made.nullable = parse_versions(rest.pop(0))
        elif word == "default":
            made.default = rest.pop(0)
        elif word == "tag":
            made.tag = int(rest.pop(0))
        elif word == "tagged":
            made.tagged = parse_versions(rest.pop(0))
        elif word == "flexible":
            made.flexible = parse_versions(rest.pop(0))
        elif word == "entity":
            rest.pop(0)
        elif word not in ("key", "zerocopy"):
            raise SystemExit(f"{where}: unknown word {word}")
    return made


def parse_section(lines: list[tuple[int, str]], message: Message) -> None:
    shared: dict[str, Struct] = {}
    stack: list[list[Field]] = [message.body.fields]  # where a line of a level goes
    for number, line in lines:
        where = f"{message.file.path}:{number}"
        level = (len(line) - len(line.lstrip(" "))) // 2
        words = line.split()
        if words[0] == "struct" and level == 1:
            shared[words[1]] = Struct(words[1])
            stack = [stack[0], shared[words[1]].fields]
            continue
        if level > len(stack):
            if not stack[-1] or stack[-1][-1].type in PRIMITIVES:
                raise SystemExit(f"{where}: only a struct has fields")
            parent = stack[-1][-1]
            parent.struct = Struct(parent.type)
            stack.append(parent.struct.fields)
        del stack[level:]
        stack[-1].append(parse_field(words, where))
    link(message, shared)


def link(message: Message, shared: dict[str, Struct]) -> None:
    """Gives each field its struct, drops fields that no valid version has, and orders structs."""
    order: dict[str, Struct] = {}

    def visit(struct: Struct, versions: tuple[int, int]) -> None:
        known = struct.versions
        struct.versions = versions
        if not is_empty(known):
            struct.versions = (min(known[0], versions[0]), max(known[1], versions[1]))
        struct.fields = [
            f for f in struct.fields if not is_empty(overlap(f.versions, message.versions))]
        for each in struct.fields:
            if each.type in PRIMITIVES:
                continue
            if each.struct is None:
                each.struct = shared[each.type]
            visit(each.struct, overlap(each.versions, versions))
            if order.setdefault(each.type, each.struct) is not each.struct:
                raise SystemExit(f"{message.file.path}: two structs are named {each.type}")

    visit(message.body, message.versions)
    message.structs = list(order.values())


def parse_file(path: Path, root: Path) -> File:
    lines = [(n + 1, line) for n, line in enumerate(path.read_text().splitlines())]
    summary = lines[0][1].removeprefix("# ")
    head = lines[1][1].split()
    folder = path.relative_to(root).parts[0]
    key = int(head[1]) if head[1].isdigit() else None
    views = head[-1] == "views"
    name = head[2 if key is not None else 1]
    file = File(path.relative_to(root), folder, summary, name, key, views)
    starts = [i for i in range(2, len(lines)) if not lines[i][1].startswith(" ")]
    for start, end in zip(starts, starts[1:] + [len(lines)]):
        words = lines[start][1].split()
        versions = parse_versions(words[words.index("versions") + 1])
        if is_empty(versions):
            continue
        flexible = NEVER
        if "flexible" in words:
            flexible = parse_versions(words[words.index("flexible") + 1])
        suffix = "" if words[0] == "message" else words[0].capitalize()
        name = file.name + suffix
        message = Message(name, words[0], versions, flexible, Struct(name), file)
        parse_section(lines[start + 1 : end], message)
        file.messages.append(message)
    return file


def parse_all(root: Path) -> list[File]:
    return [parse_file(path, root) for path in sorted(root.rglob("*.msg"))]
