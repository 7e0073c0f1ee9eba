#!/usr/bin/env python3
"""Each key of a node is read by something in src/, or stands in the table of those that have
nothing to act on, and never both: every_config_has_an_effect.py ROOT
"""

import re
import sys
from pathlib import Path

ROOT = Path(sys.argv[1])
sys.path.insert(0, str(ROOT / "schema/generate"))

from table import read_table  # noqa: E402


def supplying_keys(folder: Path) -> set[str]:
    """Those that topics and groups have values or bounds from."""
    keys = set()
    for kind in ("topic", "group"):
        for row in read_table(folder / f"{kind}_configs.tsv"):
            keys |= {name.split("*")[0] for name in row["broker_default"].split(",")}
            keys |= {row.get("broker_min"), row.get("broker_max")}
    return keys


def product_code() -> str:
    files = (path for path in (ROOT / "src").rglob("*") if path.suffix in (".cc", ".h"))
    return "\n".join(path.read_text() for path in files
                     if not path.stem.endswith(("_test", "_for_tests")))


def faults(folder: Path, code: str):
    accessors = set(re.findall(r"\b(\w+)\(\)", code))
    named = set(re.findall(r'"([\w.]+)"', code)) | supplying_keys(folder)
    ignored = [row["name"] for row in read_table(folder / "ignored_broker_configs.tsv")]
    for row in read_table(folder / "broker_configs.tsv") + read_table(folder / "own_configs.tsv"):
        key = row["name"]
        is_read = key.replace(".", "_") in accessors or key in named
        if not is_read and not any(
                re.fullmatch(re.escape(name).replace(r"\*", ".*"), key) for name in ignored):
            yield f"{key}: nothing reads it; ignored_broker_configs.tsv may say why"
        if key.replace(".", "_") in accessors and key in ignored:
            yield f"{key}: it is read, and ignored_broker_configs.tsv has it"


def main() -> int:
    found = list(faults(ROOT / "schema/config", product_code()))
    for one in found:
        print(one)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
