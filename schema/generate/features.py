"""Generates the table of features and their levels from schema/features.tsv."""

import csv
import sys
from itertools import groupby
from pathlib import Path

from output import write_if_changed


def level(row: dict[str, str]) -> str:
    needs = row["needs"].split("=") if row["needs"] else ["", "0"]
    fields = [
        row["level"],
        f'"{row["name"] if row["name"] != "-" else ""}"',
        str("unstable" not in row["status"]).lower(),
        str(row["metadata_records_changed"] == "yes").lower(),
        row["default_from"] or "0",
        f'"{needs[0]}"',
        needs[1],
    ]
    return "    {" + ", ".join(fields) + "},\n"


def main(source: Path, out: Path) -> None:
    tables = []
    features = []
    with source.open() as file:
        lines = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    groups = groupby(lines, key=lambda row: row["feature"])
    ordered = sorted(
        ((name, list(rows)) for name, rows in groups),
        key=lambda g: (g[0] != "metadata.version", g[0])
    )
    for name, rows in ordered:
        variable = name.replace(".", "_") + "_levels"
        rows_text = "".join(map(level, rows))
        tables.append(f"constexpr FeatureLevel {variable}[] = {{\n{rows_text}}};\n")
        features.append(f'    {{"{name}", {variable}}},\n')
    write_if_changed(
        out / "core/metadata/feature_table.cc",
        "#include \"core/metadata/features.h\"\n\nnamespace millrace::metadata {\nnamespace {\n\n"
        + "".join(tables)
        + "\nconstexpr Feature features[] = {\n"
        + "".join(features)
        + "};\n\n}  // namespace\n\n"
        + "std::span<const Feature> all_features() { return features; }\n\n"
        + "}  // namespace millrace::metadata\n",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
