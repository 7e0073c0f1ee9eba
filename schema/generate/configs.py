"""Generates config/*_settings.h, their definitions and the ignored keys of nodes and clients from
schema/config/*.tsv.
"""

import re
import sys
from pathlib import Path

from output import write_if_changed
from table import read_table

TYPES = {
    "BOOLEAN": "boolean", "STRING": "string", "INT": "int32", "SHORT": "int16", "LONG": "int64",
    "DOUBLE": "float64", "LIST": "list", "CLASS": "class_name", "PASSWORD": "password",
}
NUMBERS = {"INT": "std::int32_t", "SHORT": "std::int16_t", "LONG": "std::int64_t"}
KINDS = {
    "broker": ("Broker", ["broker_configs.tsv", "own_configs.tsv"]),
    "topic": ("Topic", ["topic_configs.tsv"]),
    "group": ("Group", ["group_configs.tsv"]),
    "client_metrics": ("ClientMetrics", ["client_metrics_configs.tsv"]),
    "producer": ("Producer", ["client_configs.tsv", "producer_configs.tsv"]),
    "consumer": ("Consumer", ["client_configs.tsv", "consumer_configs.tsv"]),
    "admin": ("Admin", ["client_configs.tsv", "admin_configs.tsv"]),
}
WORDS = {
    "voters": "voters", "servers": "servers", "throttled replicas": "throttled_replicas",
    "latest, earliest or by_duration:DURATION": "offset_reset", "client match": "client_match",
}


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def default_of(row: dict) -> tuple[str, bool]:
    """The C++ of the default's text, and whether the key is required."""
    text = row["default"]
    if text == "(required)":
        return "std::nullopt", True
    if text == "null":
        return "std::nullopt", False
    return quoted("" if text == '""' else text), False


def is_null(row: dict) -> bool:
    return row["default"] == "null"


class Words:
    """Arrays of string_views that definitions point to, each emitted once."""

    def __init__(self) -> None:
        self.arrays: dict[tuple[str, ...], str] = {}

    def span(self, words: list[str]) -> str:
        if not words:
            return "{}"
        return self.arrays.setdefault(tuple(words), f"words_{len(self.arrays)}")

    def code(self) -> str:
        return "".join(
            f"constexpr std::string_view {name}[] = {{{', '.join(map(quoted, words))}}};\n"
            for words, name in self.arrays.items()
        )


def valid_of(row: dict, words: Words) -> str:
    text = row["valid"]
    if not text:
        return "{}"
    fields = {"form": None, "text": quoted(text)}
    if text in WORDS:
        fields["form"] = WORDS[text]
    elif text == "latest, earliest, none or by_duration:DURATION":
        fields["form"] = "offset_reset"
        fields["choices"] = words.span(["none"])
    elif text == "not empty":
        fields["form"] = "not_empty"
    elif found := re.fullmatch(r"set(, not empty)?(?:: (.*))?", text):
        fields["form"] = "set"
        if found[1]:
            fields["not_empty"] = "true"
        if found[2]:
            fields["choices"] = words.span(found[2].split(", "))
    elif found := re.fullmatch(r"(one of|any case): (.*)", text):
        fields["form"] = "one_of"
        fields["choices"] = words.span(found[2].split(", "))
        if found[1] == "any case":
            fields["any_case"] = "true"
    elif found := re.fullmatch(r"(-?[\d.]+?)\.\.(-?[\d.]+)?( or -1)?", text):
        fields["form"] = "range"
        fields["low"] = found[1]
        fields["high"] = found[2] or "no_limit"
        if found[3]:
            fields["or_minus_one"] = "true"
    else:
        raise ValueError(f"{row['name']}: '{text}' is no rule for values (schema/config/README.md)")
    order = ["form", "low", "high", "or_minus_one", "any_case", "not_empty", "choices", "text"]
    fields["form"] = "Form::" + fields["form"]
    return "{" + ", ".join(f".{name} = {fields[name]}" for name in order if name in fields) + "}"


def suppliers_of(row: dict) -> list[tuple[str, str]]:
    names = [name for name in row.get("broker_default", "").split(",") if name]
    return [(name.split("*")[0], (name.split("*") + ["1"])[1]) for name in names]


def definition_of(row: dict, words: Words, suppliers: dict) -> str:
    default, required = default_of(row)
    flags = row["flags"].split()
    pairs = tuple(suppliers_of(row))
    supplied = suppliers.setdefault(pairs, f"suppliers_{len(suppliers)}") if pairs else "{}"
    mode = row.get("mode", "cluster-wide").replace("-", "_")
    synonyms = [name for name in row.get("synonyms", "").split(",") if name]
    fields = [
        ("name", quoted(row["name"])),
        ("type", f"Type::{TYPES[row['type']]}"),
        ("default_text", default),
        ("required", str(required).lower()),
        ("valid", valid_of(row, words)),
        ("importance", f"Importance::{row['importance']}"),
        ("mode", f"UpdateMode::{mode}"),
        ("internal", str("internal" in flags).lower()),
        ("dynamic_only", str("dynamic-only" in flags).lower()),
        ("own", str("own" in flags).lower()),
        ("synonyms", words.span(synonyms)),
        ("suppliers", supplied),
        ("broker_min", quoted(row.get("broker_min", ""))),
        ("broker_max", quoted(row.get("broker_max", ""))),
        ("documentation", quoted(row["documentation"])),
    ]
    return "    {" + ", ".join(f".{name} = {value}" for name, value in fields) + "},\n"


def accessor_of(row: dict, index: int) -> str:
    name, kind = row["name"].replace(".", "_"), row["type"]
    null = is_null(row)
    if kind == "BOOLEAN":
        result, call = "bool", "boolean"
    elif kind in NUMBERS:
        result = f"std::optional<{NUMBERS[kind]}>" if null else NUMBERS[kind]
        call = f"{'optional_' if null else ''}number<{NUMBERS[kind]}>"
    elif kind == "DOUBLE":
        result, call = "double", "real"
    elif kind == "LIST":
        result, call = "const std::vector<std::string>&", "list"
    elif null:
        result, call = "std::optional<std::string_view>", "optional_string"
    else:
        result, call = "const std::string&", "string"
    return f"    {result} {name}() const {{ return {call}({index}); }}\n"


def header_of(kind: str, title: str, rows: list[dict]) -> str:
    accessors = "".join(accessor_of(row, index) for index, row in enumerate(rows))
    return f"""#pragma once

#include "config/settings.h"

namespace millrace::config {{

// The keys of schema/config, dots as underscores.
class {title}Settings : public Settings {{
  public:
    {title}Settings() : Settings({kind}_catalogue()) {{}}
    explicit {title}Settings(std::vector<Value> values)
        : Settings({kind}_catalogue(), std::move(values)) {{}}

{accessors}}};

}}  // namespace millrace::config
"""


def source_of(kind: str, rows: list[dict]) -> str:
    words, suppliers = Words(), {}
    definitions = "".join(definition_of(row, words, suppliers) for row in rows)
    supplied = "".join(
        f"constexpr Supplier {name}[] = {{"
        + ", ".join(f"{{{quoted(key)}, {factor}}}" for key, factor in pairs) + "};\n"
        for pairs, name in suppliers.items()
    )
    return f"""#include "config/definition.h"

#include <limits>

namespace millrace::config {{
namespace {{

[[maybe_unused]] constexpr double no_limit = std::numeric_limits<double>::infinity();
{words.code()}{supplied}
constexpr Definition definitions[] = {{
{definitions}}};

}}  // namespace

const Catalogue& {kind}_catalogue() {{
    static constexpr Catalogue catalogue{{definitions}};
    return catalogue;
}}

}}  // namespace millrace::config
"""


def ignored_keys_source(kind: str, row_type: str, definitions: list[str]) -> str:
    keys = "".join(f"    {{{definition}}},\n" for definition in definitions)
    return f"""#include "config/ignored_{kind}_keys.h"

namespace millrace::config {{
namespace {{

constexpr {row_type} keys[] = {{
{keys}}};

}}  // namespace

std::span<const {row_type}> ignored_{kind}_keys() {{ return keys; }}

}}  // namespace millrace::config
"""


def ignored_client_keys_source(rows: list[dict]) -> str:
    return ignored_keys_source("client", "IgnoredKey", [
        f".name = {quoted(row['name'])}, .client = {quoted(row['clients'])}, "
        f".told = {'true' if row['told'] == 'yes' else 'false'}, .why = {quoted(row['why'])}"
        for row in rows
    ])


def ignored_broker_keys_source(rows: list[dict]) -> str:
    return ignored_keys_source("broker", "IgnoredBrokerKey", [
        f".name = {quoted(row['name'])}, .how = IgnoredBrokerKey::How::{row['how']}, "
        f".why = {quoted(row['why'])}"
        for row in rows
    ])


def main(schema: Path, out: Path) -> None:
    for kind, (title, files) in KINDS.items():
        rows = sorted((row for file in files for row in read_table(schema / file)),
                      key=lambda row: row["name"])
        write_if_changed(out / f"config/{kind}_settings.h", header_of(kind, title, rows))
        write_if_changed(out / f"config/{kind}_definitions.cc", source_of(kind, rows))
    write_if_changed(out / "config/ignored_client_keys.cc",
                     ignored_client_keys_source(read_table(schema / "ignored_client_configs.tsv")))
    write_if_changed(out / "config/ignored_broker_keys.cc",
                     ignored_broker_keys_source(read_table(schema / "ignored_broker_configs.tsv")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
