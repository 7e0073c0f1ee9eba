"""Reads the tables of schema/: tab-separated, the first line names the columns."""

import csv
from pathlib import Path


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ValueError(f"{path}:{number}: not as many fields as the first line names")
    return rows
