"""Reads a scenario: a file of statements, each with the answer that is expected (README.md)."""

import dataclasses
import pathlib
import re

from values import Mistake, is_complete, parse

REQUEST = re.compile(
    r"(?P<connection>\w*)(?P<arrow>>>?) (?P<api>\w+) (?P<version>\d+) ?(?P<rest>.*)")
RECEIVE = re.compile(r"(?P<connection>\w+)<<$")
SAVE = re.compile(r"  save \$(?P<name>[\w.]+) = (?P<path>[\w.\[\]]+)$")
UNTIL = re.compile(r"  until (?P<path>[\w.\[\]]+) = (?P<value>\S+)$")
PLAIN = {"node", "topic", "coordinator", "restart", "kill"}


@dataclasses.dataclass
class Statement:
    line: int
    verb: str  # request, send, receive, or a word of PLAIN
    words: list = dataclasses.field(default_factory=list)  # what follows a word of PLAIN
    connection: str = ""
    api: str = ""
    version: int = 0
    fields: object = None
    saves: dict = dataclasses.field(default_factory=dict)  # variable -> path
    until: tuple | None = None  # (path, the text of its value)
    expected: list = dataclasses.field(default_factory=list)  # lines
    answer_at: int = 0  # the line that the answer begins at, from 0

    @property
    def has_answer(self):
        return self.verb in ("request", "receive")


class Script:
    """A file: its lines, and the statements among them."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.lines = self.path.read_text().splitlines()
        self.statements = []
        self.at = 0
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line or line.startswith("#"):
                self.at += 1
                continue
            try:
                self.statements.append(self._statement())
            except Mistake as mistake:
                raise Mistake(f"{self.path}:{self.at + 1}: {mistake}") from mistake
        if not self.lines or not self.lines[0].startswith("# "):
            raise Mistake(f"{self.path}:1: a comment that says what it shows comes first")

    def _statement(self):
        line, number = self.lines[self.at], self.at + 1
        words = line.split()
        if words[0] in PLAIN:
            self.at += 1
            return Statement(number, words[0], words[1:])
        if found := RECEIVE.match(line):
            made = Statement(number, "receive", connection=found["connection"])
            self.at += 1
        elif found := REQUEST.match(line):
            verb = "request" if found["arrow"] == ">" else "send"
            made = Statement(number, verb, connection=found["connection"], api=found["api"],
                             version=int(found["version"]))
            made.fields = parse(self._value(found["rest"]))
        else:
            raise Mistake(f"{line!r} is no statement")
        self._answer(made)
        return made

    def _value(self, text):
        self.at += 1
        while not is_complete(text):
            if self.at >= len(self.lines) or not self.lines[self.at]:
                raise Mistake("a bracket is not closed")
            text += "\n" + self.lines[self.at]
            self.at += 1
        return text or "{}"

    def _answer(self, made):
        while self.at < len(self.lines) and self.lines[self.at].startswith("  "):
            line = self.lines[self.at]
            if found := SAVE.match(line):
                made.saves[found["name"]] = found["path"]
            elif found := UNTIL.match(line):
                made.until = (found["path"], found["value"])
            else:
                raise Mistake(f"{line!r} is neither `save $name = Path` nor `until Path = value`")
            self.at += 1
        made.answer_at = self.at
        while self.at < len(self.lines) and self.lines[self.at]:
            made.expected.append(self.lines[self.at])
            self.at += 1
        if made.expected and not made.has_answer:
            raise Mistake("a request that is only sent has no answer here")

    def write(self, answers):
        """Writes the file anew with the answers of its statements, by index."""
        lines, done = [], 0
        for index, statement in enumerate(self.statements):
            if index in answers:
                lines += self.lines[done:statement.answer_at] + answers[index]
                done = statement.answer_at + len(statement.expected)
        self.path.write_text("\n".join(lines + self.lines[done:]) + "\n")
