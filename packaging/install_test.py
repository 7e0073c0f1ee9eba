#!/usr/bin/env python3
"""Installs a build into a folder and uses what is there: install_test.py CMAKE BUILD_DIR"""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path


class Install(unittest.TestCase):
    cmake, build = "", Path()

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = Path(cls.temporary.name)
        subprocess.run([cls.cmake, "--install", cls.build, "--prefix", "/usr"], check=True,
                       env={**os.environ, "DESTDIR": str(cls.folder)}, capture_output=True)
        cls.bin = cls.folder / "usr/bin"

    def run_tool(self, *words):
        return subprocess.run([str(word) for word in words], capture_output=True, text=True,
                              check=False, timeout=30)

    def test_tools_are_links_that_stay_right_when_the_folder_moves(self):
        links = [path for path in self.bin.iterdir() if path.is_symlink()]
        self.assertEqual({os.readlink(path) for path in links}, {"millrace"})
        names = {path.name for path in links}
        self.assertLessEqual({"kafka-topics", "kafka-topics.sh", "kafka-server-start",
                              "kafka-console-producer"}, names)
        done = self.run_tool(self.bin / "kafka-topics.sh", "--help")
        self.assertIn("--bootstrap-server", done.stdout + done.stderr)

    def test_the_example_configuration_can_be_formatted(self):
        example = (self.folder / "usr/share/millrace/server.properties").read_text()
        config = self.folder / "server.properties"
        config.write_text(example.replace("/var/lib/millrace", str(self.folder / "data")))
        format_command = [self.bin / "millrace", "storage", "format", "--ignore-formatted",
                          "--config", config, "--cluster-id", "aW50ZXJvcC1jbHVzdGVyMQ",
                          "--standalone"]
        for _ in range(2):  # as the unit does before every start
            done = self.run_tool(*format_command)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue((self.folder / "data/meta.properties").exists())

    def test_the_unit_names_what_is_installed(self):
        unit = (self.folder / "usr/lib/systemd/system/millrace.service").read_text()
        self.assertNotIn("@", unit)
        for line in unit.splitlines():
            if line.startswith("ExecStart"):
                program = line.split("=", 1)[1].split()[0]
                self.assertTrue((self.folder / "usr/bin" / Path(program).name).exists(), line)


if __name__ == "__main__":
    Install.cmake, Install.build = sys.argv[1], Path(sys.argv[2])
    unittest.main(argv=sys.argv[:1])
