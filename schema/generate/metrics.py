"""Generates metrics/declared.{h,cc} from schema/metrics/metrics.tsv."""

import re
import sys
from pathlib import Path

from output import write_if_changed
from table import read_table

KINDS = ["counter", "gauge", "average", "maximum", "meter", "histogram", "timer"]


def safe(text: str) -> str:
    """A name as the JMX exporter makes it: other characters, and runs of them, become one `_`."""
    return re.sub(r"_+", "_", re.sub(r"[^a-zA-Z0-9:_]", "_", text))


def properties_of(row: dict) -> tuple[str, dict[str, str]]:
    domain, _, rest = row["object"].partition(":")
    return domain, dict(pair.split("=", 1) for pair in rest.split(",") if pair)


def identifier(row: dict) -> str:
    domain, properties = properties_of(row)
    if not properties:
        return domain
    text = f"{properties['type']}_{properties.get('name') or row['attribute']}"
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", safe(text))
    return re.sub(r"_+", "_", text).lower()


def family_of(row: dict) -> str:
    """What the samples' names begin with; all of the name where the row names an attribute."""
    domain, properties = properties_of(row)
    parts = [domain, properties.get("type"), row["attribute"]]
    return safe("_".join(part for part in parts if part))


def labels_of(row: dict) -> list[tuple[str, bool]]:
    """Label names and whether an instance may be without them (`?`)."""
    names = [name for name in row["labels"].split(",") if name]
    return [(safe(name.rstrip("?")), name.endswith("?")) for name in names]


def is_whole_name(row: dict) -> bool:
    return bool(row["attribute"]) or ":" not in row["object"]


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def definition_of(row: dict) -> str:
    name, kind = identifier(row), row["kind"]
    labels = labels_of(row)
    words = ", ".join(quoted(label) for label, _ in labels)
    array = f"constexpr std::string_view {name}_labels[] = {{{words}}};\n" if labels else ""
    return f"""{array}constinit const {kind.capitalize()}Declaration {name}{{{{
    .family = {quoted(family_of(row))},
    .name = {quoted(properties_of(row)[1].get("name", ""))},
    .kind = Kind::{kind},
    .whole_name = {str(is_whole_name(row)).lower()},
    .labels = {f"{name}_labels" if labels else "{}"},
    .required_labels = {sum(not optional for _, optional in labels)},
    .documentation = {quoted(row["documentation"])},
}}}};
"""


def main(source: Path, out: Path) -> None:
    rows = read_table(source)
    names = [identifier(row) for row in rows]
    for row, name in zip(rows, names):
        if names.count(name) > 1:
            raise ValueError(f"{row['object']}: two rows are named {name}")
        if row["kind"] not in KINDS:
            raise ValueError(f"{row['object']}: '{row['kind']}' is none of {', '.join(KINDS)}")
    declarations = "".join(
        f"extern const {row['kind'].capitalize()}Declaration {name};\n"
        for row, name in zip(rows, names)
    )
    write_if_changed(
        out / "metrics/declared.h",
        f"""#pragma once

#include "metrics/declaration.h"

// The metrics of schema/metrics.
namespace millrace::metrics::declared {{

{declarations}
extern const std::span<const Declaration* const> all;

}}  // namespace millrace::metrics::declared
""",
    )
    pointers = "".join(f"    &{name},\n" for name in names)
    write_if_changed(
        out / "metrics/declared.cc",
        f"""#include "metrics/declared.h"

namespace millrace::metrics::declared {{

{"".join(map(definition_of, rows))}
namespace {{
constexpr const Declaration* pointers[] = {{
{pointers}}};
}}  // namespace
constinit const std::span<const Declaration* const> all{{pointers}};

}}  // namespace millrace::metrics::declared
""",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
