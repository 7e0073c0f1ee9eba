"""The values that scenarios are written in: words, numbers, [lists], {Names: values}.

A word needs quotes when it holds anything but letters, digits and ._=+/@-, or when it would read as
a number, true, false or null. `batch{records: [k=v]}` is a struct with a kind, `$name` a variable.
"""

import dataclasses
import json
import re

WIDTH = 100
WORD = re.compile(r"[\w.=+/@-]+")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
CONSTANTS = {"true": True, "false": False, "null": None}


class Mistake(Exception):
    """A scenario that cannot be read or run as it is written."""


@dataclasses.dataclass
class Variable:
    name: str


@dataclasses.dataclass
class Struct:
    """Fields in their order; `kind` is the word in front of the brace."""

    fields: dict
    kind: str = ""


class Parser:
    def __init__(self, text):
        self.text, self.position = text, 0

    def whole(self):
        value = self.value()
        if self.peek():
            raise Mistake(f"{self.text[self.position:][:40]!r} behind the value")
        return value

    def peek(self):
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1
        return self.text[self.position:self.position + 1]

    def take(self, letter):
        if self.peek() != letter:
            at = self.text[self.position:][:40]
            raise Mistake(f"{letter!r} wanted at {at!r}" if at else f"{letter!r} is missing")
        self.position += 1

    def value(self):
        letter = self.peek()
        if letter == "[":
            return self.several("[", "]", self.value)
        if letter == "{":
            return Struct(self.fields())
        if letter == "$":
            self.position += 1
            return Variable(self.word())
        if letter == '"':
            return self.quoted()
        word = self.word()
        if self.text[self.position:self.position + 1] == "{":
            return Struct(self.fields(), word)
        if word in CONSTANTS:
            return CONSTANTS[word]
        if NUMBER.fullmatch(word):
            return float(word) if "." in word else int(word)
        return word

    def word(self):
        self.peek()
        found = WORD.match(self.text, self.position)
        if not found:
            raise Mistake(f"a value wanted at {self.text[self.position:][:40]!r}")
        self.position = found.end()
        return found[0]

    def quoted(self):
        try:
            value, self.position = json.JSONDecoder().raw_decode(self.text, self.position)
        except json.JSONDecodeError as error:
            raise Mistake(f"{self.text[self.position:][:40]!r}: {error.msg}") from error
        return value

    def several(self, opening, closing, element):
        self.take(opening)
        found = []
        while self.peek() != closing:
            if found:
                self.take(",")
            found.append(element())
        self.take(closing)
        return found

    def fields(self):
        def field():
            name = self.word()
            self.take(":")
            return name, self.value()

        pairs = self.several("{", "}", field)
        if len(dict(pairs)) != len(pairs):
            raise Mistake(f"a field is given twice: {', '.join(name for name, _ in pairs)}")
        return dict(pairs)


def parse(text):
    return Parser(text).whole()


def is_complete(text):
    """Whether every bracket that the text opens is closed."""
    plain = re.sub(r'"(\\.|[^"\\])*"', "", text)
    return all(plain.count(a) <= plain.count(b) for a, b in ("{}", "[]"))


def one_line(value):
    """The text of a value; the inverse of parse."""
    if isinstance(value, Struct):
        inside = ", ".join(f"{name}: {one_line(one)}" for name, one in value.fields.items())
        return f"{value.kind}{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(one_line, value))}]"
    if isinstance(value, Variable):
        return "$" + value.name
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        is_plain = WORD.fullmatch(value) and value not in CONSTANTS and not NUMBER.fullmatch(value)
        return value if is_plain else json.dumps(value, ensure_ascii=False)
    return str(value)


def pretty(value, indent=0, tail=0):
    """The text of a value in lines of at most WIDTH columns where that is possible.

    `indent` is the column it begins at; `tail` how many columns follow it on its last line.
    """
    line = one_line(value)
    if indent + len(line) + tail <= WIDTH or not isinstance(value, (Struct, list)) or not line:
        return line
    if isinstance(value, list):
        inner = indent + 1
        parts = [pretty(one, inner, 1) for one in value]
        return "[" + (",\n" + " " * inner).join(parts) + "]"
    inner = indent + len(value.kind) + 1
    lines, room = [], 0  # room: columns left of the last line
    for name, one in value.fields.items():
        part = field_text(name, one, inner)
        if "\n" not in part and len(part) + 2 <= room:
            lines[-1] += f" {part},"
            room -= len(part) + 2
        else:
            lines.append(f"{part},")
            room = 0 if "\n" in part else WIDTH - inner - len(part) - 1
    return value.kind + "{" + ("\n" + " " * inner).join(lines)[:-1] + "}"


def field_text(name, value, indent):
    """A field whose name begins at a column; a long list begins in a line of its own."""
    room = WIDTH - indent - len(name) - 3
    if not isinstance(value, list) or len(one_line(value)) <= room:
        return f"{name}: {pretty(value, indent + len(name) + 2, 1)}"
    inner = indent + 2
    elements = (",\n" + " " * inner).join(pretty(one, inner, 2) for one in value)
    return f"{name}: [\n{' ' * inner}{elements}]"
