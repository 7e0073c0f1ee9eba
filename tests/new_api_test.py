#!/usr/bin/env python3
"""`./dev new api`: what it makes cannot be advertised by accident, and needs only its answer.

new_api_test.py BUILD_DIR: compiles, without writing, as BUILD_DIR compiles the broker.
"""

import json
import shlex
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODEL = "src/broker/handlers/list_groups.cc"  # compiled as this one is
sys.path[:0] = [str(ROOT / "schema/generate"), str(ROOT / "tests/scenario"),
                str(ROOT / "tests/interop")]

from handlers import snake  # noqa: E402
from msg import is_empty, parse_versions  # noqa: E402
from table import read_table  # noqa: E402


def unserved() -> str:
    """An API of brokers that has no handler yet, or any when all have one."""
    apis = [
        api["name"] for api in read_table(ROOT / "schema/apis.tsv")
        if "broker" in api["listeners"] and not is_empty(parse_versions(api["request_versions"]))]
    handlers = ROOT / "src/broker/handlers"
    return next((one for one in apis if not (handlers / f"{snake(one)}.cc").exists()), apis[0])


class NewApi(unittest.TestCase):
    build = Path()

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        (self.root / "schema").symlink_to(ROOT / "schema")

    def new(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-B", ROOT / "schema/generate/new.py", "api", *words, "--root",
             self.root], capture_output=True, text=True, check=False)

    def compile(self, source: Path) -> subprocess.CompletedProcess:
        """Compiles a handler, with a table of handlers that names it."""
        subprocess.run(
            [sys.executable, "-B", ROOT / "schema/generate/handlers.py", ROOT / "schema/apis.tsv",
             source.parent, self.root / "gen"], check=True)
        commands = json.loads((self.build / "compile_commands.json").read_text())
        one = next(each for each in commands if each["file"] == str(ROOT / MODEL))
        words = shlex.split(one["command"])
        words = words[next(i for i, word in enumerate(words) if "clang++" in word):]
        del words[words.index("-o"):words.index("-o") + 2]
        words = [str(source) if word == str(ROOT / MODEL) else word for word in words]
        return subprocess.run(
            [words[0], f"-I{self.root / 'gen'}", *words[1:], "-fsyntax-only",
             "-Wno-unused-parameter", "-fno-color-diagnostics"],
            cwd=one["directory"], capture_output=True, text=True, check=False)

    def test_it_compiles_once_its_answer_is_written_and_not_before(self):
        name = unserved()
        done = self.new(name)
        self.assertEqual(done.returncode, 0, done.stderr)
        handler = self.root / "src/broker/handlers" / f"{snake(name)}.cc"

        before = self.compile(handler)
        self.assertNotEqual(before.returncode, 0)
        self.assertIn(f"{name} is advertised as soon as it compiles", before.stderr)
        self.assertEqual(before.stderr.count("error:"), 1, before.stderr)

        text = handler.read_text()
        handler.write_text("\n".join(
            line for line in text.splitlines() if not line.startswith("#error")) + "\n")
        after = self.compile(handler)
        self.assertEqual(after.returncode, 0, after.stderr)

    def test_its_scenario_can_be_read_and_has_no_answer_yet(self):
        from script import Script
        for name, file in (("ShareFetch", "share_fetch"), ("join_group", "join_group")):
            self.assertEqual(self.new(name, "groups").returncode, 0)
            made = Script(self.root / f"tests/scenario/groups/{file}.txt")
            self.assertEqual([one.verb for one in made.statements], ["request"])
            self.assertEqual(made.statements[0].expected, [])

    def test_refusals(self):
        for name, told in (("ListGrops", "near it: ListGroups"), ("Vote", "brokers do not serve"),
                           ("LeaderAndIsr", "no version")):
            done = self.new(name)
            self.assertEqual(done.returncode, 1)
            self.assertIn(told, done.stderr)
        self.assertEqual(self.new("EndTxn").returncode, 0)
        self.assertIn("is there already", self.new("EndTxn").stderr)


if __name__ == "__main__":
    NewApi.build = Path(sys.argv.pop(1))
    unittest.main()
