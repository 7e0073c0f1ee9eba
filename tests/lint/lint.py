#!/usr/bin/env python3
"""Checks what the compiler does not: lint.py [--rule NAME]... [ROOT]

Prints `path:line: rule: sentence` for each breach, and ends with 1 when there is any. Breaches that
are meant stand in exceptions.tsv, each with its reason; one that is no longer needed is a breach.
"""

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path

import rooms
import rules
from source import Source

HERE = Path(__file__).resolve().parent
TEXT = rules.CODE | {".md", ".txt", ".json", ".toml", ".mod", ".xml", ".properties", ".service"}


def read_sources(root: Path) -> dict[Path, Source]:
    """What is, or could be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root,
        check=True, capture_output=True, text=True).stdout.split("\0")
    made = {}
    for name in sorted(filter(None, listed)):
        path = root / name
        if path.is_file():
            is_text = path.suffix in TEXT or rules.is_code(Source(path, ""))
            text = path.read_text(errors="replace") if is_text else ""
            made[Path(name)] = Source(Path(name), text)
    names: dict[Path, set[str]] = {}
    for path in made:
        names.setdefault(path.parent, set()).add(path.name)
    for path, source in made.items():
        source.siblings = frozenset(names[path.parent])
        source.header = made.get(path.with_suffix(".h")) if path.suffix == ".cc" else None
    return made


def breaches(sources: dict[Path, Source], only: list[str]):
    """(path, line, rule, sentence), by path."""
    for name, check in rules.RULES.items():
        if not only or name in only:
            for source in sources.values():
                yield from ((source.path, line, name, text) for line, text in check(source))
    for name, check in rooms.RULES.items():
        if not only or name in only:
            yield from ((path, line, name, text) for path, line, text in check(sources))


def read_exceptions(path: Path) -> dict[tuple[str, str], str]:
    """The reason of each (rule, path)."""
    if not path.exists():
        return {}
    lines = path.read_text().splitlines()[1:]
    return {(rule, name): reason for rule, name, reason in (line.split("\t") for line in lines)}


def without_exceptions(found, exceptions, listed: Path, only: list[str]):
    used = set()
    for path, line, rule, text in found:
        if (rule, path.as_posix()) in exceptions:
            used.add((rule, path.as_posix()))
        else:
            yield path, line, rule, text
    for rule, name in exceptions.keys() - used:
        if not only or rule in only:
            yield listed, 1, rule, f"{name} keeps the rule: take its exception out"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rule", action="append", default=[],
                        choices=[*rules.RULES, *rooms.RULES])
    parser.add_argument("--counts", action="store_true", help="breaches by rule and folder")
    parser.add_argument("root", nargs="?", type=Path, default=HERE.parents[1])
    options = parser.parse_args(arguments)
    root = options.root.resolve()

    listed = Path("tests/lint/exceptions.tsv")
    found = sorted(without_exceptions(
        breaches(read_sources(root), options.rule), read_exceptions(root / listed), listed,
        options.rule))
    if options.counts:
        counts = Counter((rule, path.parent.as_posix()) for path, _, rule, _ in found)
        print("".join(f"{n:5}  {rule}  {folder}\n" for (rule, folder), n in sorted(counts.items())))
    else:
        for path, line, rule, text in found:
            print(f"{path}:{line}: {rule}: {text}")
    print(f"{len(found)} breaches", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
