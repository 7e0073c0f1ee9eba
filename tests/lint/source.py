"""C++ files as the rules see them: without comments and strings, and with their functions."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

CPP = {".h", ".cc"}
LITERAL = re.compile(
    r'R"(?P<mark>[^()\s\\]*)\(.*?\)(?P=mark)"'
    r'|//[^\n]*|/\*.*?\*/'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)


def blank(found: re.Match) -> str:
    """As many lines as the literal had; quotes stay, so that code keeps its shape."""
    text = found[0]
    kept = '""' if text[0] in "\"R" else "' '" if text[0] == "'" else ""
    return kept + "\n" * text.count("\n")


@dataclass
class Source:
    """A file of the work tree; `path` is relative to its root."""

    path: Path
    text: str
    siblings: frozenset[str] = frozenset()  # names of the files in its folder
    header: "Source | None" = None  # foo.h of foo.cc

    @functools.cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @functools.cached_property
    def code(self) -> str:
        """C++ without comments, and with empty strings."""
        return LITERAL.sub(blank, self.text)

    @property
    def is_cpp(self) -> bool:
        return self.path.suffix in CPP

    @property
    def is_test(self) -> bool:
        """Tests, and what only they include."""
        return bool(re.search(r"(_test|_fuzz|_benchmark)$|^test_|_for_tests$", self.path.stem))

    def below(self, folder: str) -> bool:
        return self.path.as_posix().startswith(folder + "/")


@dataclass
class Function:
    name: str
    line: int
    length: int  # lines, from the name to the closing brace


SIGNATURE = re.compile(r"(?P<name>operator\W{1,3}?|~?\w+)\s*\((?!\s*\*)", re.DOTALL)
NO_FUNCTION = re.compile(r"^\s*(if|for|while|switch|catch|return|co_return|else|do|try)\b")
TYPE = re.compile(r"^\s*(template\s*<.*?>\s*)?(class|struct|enum|union)\b", re.DOTALL)


def matching(text: str, start: int, pair: str) -> int:
    """The index behind the bracket that closes the one at `start`; the end when none does."""
    depth = 0
    for index in range(start, len(text)):
        if text[index] == pair[0]:
            depth += 1
        elif text[index] == pair[1]:
            depth -= 1
            if depth == 0:
                return index + 1
    return len(text)


def without_directives(code: str) -> str:
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", "", code, flags=re.MULTILINE)


def functions(code: str) -> list[Function]:
    """The functions that a file defines, outermost only: a lambda counts to what holds it."""
    code = without_directives(code)
    found, head, index = [], 0, 0  # head: where the text in front of the next brace begins
    while index < len(code):
        letter = code[index]
        if letter in ";}":
            head = index + 1
        elif letter == "(":
            index = matching(code, index, "()")
            continue
        elif letter == "{":
            text = code[head:index]
            end = matching(code, index, "{}")
            name = SIGNATURE.search(text)
            if re.search(r"[\w>]$", text):  # a braced value: clang-format spaces a body off
                index = end
                continue
            if name and not TYPE.match(text) and not NO_FUNCTION.match(text) and \
                    "=" not in re.sub(r"operator\W+", "", text.split("(")[0]):
                start = head + name.start()
                line = code.count("\n", 0, start) + 1
                found.append(Function(name["name"], line, code.count("\n", start, end) + 1))
                index = head = end
                continue
            if not opens_scope(text):  # a braced value
                index = end
                continue
            head = index + 1
        index += 1
    return found


def opens_scope(text: str) -> bool:
    return bool(TYPE.match(text) or re.search(r"\b(namespace|extern)\b", text))


def constructors(code: str) -> list[tuple[str, int, int]]:
    """(class, line, parameters) of each constructor that is declared in a class."""
    code, found = without_directives(code), []
    for opening in re.finditer(r"\b(?:class|struct)\s+(?:\w+::)*(\w+)[^;{()=<>]*(?:<[^{;]*>)?\s*\{",
                               code):
        name = opening[1]
        body_start = opening.end() - 1
        body = code[body_start:matching(code, body_start, "{}")]
        for call in re.finditer(rf"(?<![\w~:.>&*]){name}\s*\(", body):
            depth = body.count("{", 0, call.start()) - body.count("}", 0, call.start())
            before = body[:call.start()].rstrip()
            if depth != 1 or not re.search(r"[;{}:)>]$|\b(explicit|constexpr|inline)$", before):
                continue
            inside = body[call.end():matching(body, call.end() - 1, "()") - 1]
            line = code.count("\n", 0, body_start + call.start()) + 1
            found.append((name, line, parameters(inside)))
    return found


def parameters(text: str) -> int:
    """How many parameters a list has; commas inside brackets are not between parameters."""
    if not text.strip():
        return 0
    depth, count = 0, 1
    for letter in re.sub(r"->|<<|>=|<=", "", text):
        depth += (letter in "(<[{") - (letter in ")>]}")
        count += letter == "," and depth == 0
    return count
