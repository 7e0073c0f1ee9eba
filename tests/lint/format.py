#!/usr/bin/env python3
"""Checks that every C++ file is as clang-format leaves it; 77 where clang-format is missing."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FORMAT = "clang-format-19"

if not shutil.which(FORMAT):
    print(f"{FORMAT} is not on this machine")
    sys.exit(77)
files = subprocess.run(
    ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.h", "*.cc"],
    cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
here = [name for name in files if name and (ROOT / name).is_file()]
found = subprocess.run([FORMAT, "--dry-run", "-Werror", "--ferror-limit=1", *here], cwd=ROOT,
                       check=False, capture_output=True, text=True)
unlike = sorted({line.split(":")[0] for line in found.stderr.splitlines() if ": error:" in line})
print("".join(f"{name}: not as {FORMAT} leaves it: ./dev format\n" for name in unlike), end="")
print(f"{len(here)} files, {len(unlike)} to format")
sys.exit(1 if found.returncode else 0)
