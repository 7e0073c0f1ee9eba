"""Real input: the text that a Debian system carries, as numbered lines."""

import gzip
import pathlib
import shutil
import subprocess

from harness import toolchains

SHORTEST_SOURCE = 1 << 20


def _sources():
    """Chunks of bytes: licences, copyright files, changelogs, package descriptions."""
    for path in sorted(pathlib.Path("/usr/share/common-licenses").glob("*")):
        if path.is_file():
            yield path.read_bytes()
    for path in sorted(pathlib.Path("/usr/share/doc").glob("*/*")):
        if path.name.startswith(("changelog", "NEWS", "copyright", "README")) and path.is_file():
            data = path.read_bytes()
            yield gzip.decompress(data) if path.suffix == ".gz" else data
    if shutil.which("apt-cache"):
        yield subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=False).stdout


def _usable(line):
    """Lines that every client can read from its standard input and print again unchanged."""
    if not line or any(byte < 32 and byte != 9 for byte in line):
        return False
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return False
    return not any(mark in text for mark in "\x85\u2028\u2029")


def lines(megabytes):
    """A file with that much of "NUMBER TAB LINE"; the lines begin anew where they are too few."""
    path = toolchains.CACHE / f"text-{megabytes}.tsv"
    if path.exists():
        return path
    unfinished = path.with_suffix(".new")
    number = 0
    with open(unfinished, "wb") as out:
        while out.tell() < megabytes << 20:
            before = out.tell()
            for source in _sources():
                for line in source.split(b"\n"):
                    if _usable(line):
                        number += 1
                        out.write(b"%d\t%s\n" % (number, line))
                if out.tell() >= megabytes << 20:
                    break
            if out.tell() - before < SHORTEST_SOURCE:
                raise toolchains.Missing("this machine has no documentation to read")
    unfinished.rename(path)
    return path
