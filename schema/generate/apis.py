"""Generates protocol/api_key.h and protocol/api_table.cc from schema/apis.tsv."""

import csv
from pathlib import Path

from msg import is_empty, parse_versions, snake
from output import write_if_changed


def row_of(api: dict[str, str]) -> str:
    first, last = parse_versions(api["request_versions"])
    unstable = api["latest_unstable"] == "yes"
    advertised = [api["broker_advertises"], api["controller_advertises"]]
    least = min((parse_versions(v)[0] for v in advertised if v != "-"), default=first)
    flexible = api["request_flexible"]
    flexible_since = (
        parse_versions(flexible)[0] if flexible[0].isdigit() else "never_flexible")
    listeners = api["listeners"].split(",")
    values = {
        "key": f"ApiKey::{snake(api['name'])}",
        "name": f'"{api["name"]}"',
        "min_version": first,
        "max_version": last - unstable,
        "advertised_min": least,
        "flexible_since": flexible_since,
        "on_broker": str("broker" in listeners).lower(),
        "on_controller": str("controller" in listeners).lower(),
        "latest_unstable": str(unstable).lower(),
        "cluster_action": str(api["cluster_action"] == "yes").lower(),
        "forwarded": str(api["forwarded_to_controller"] == "yes").lower(),
    }
    lines = "".join(
        f"     .{name} = {value},\n" for name, value in values.items() if value != "false"
    )
    return "    {" + lines.removeprefix("     ").removesuffix(",\n") + "},\n"


def generate_apis(table: Path, out: Path) -> None:
    with table.open() as file:
        apis = list(csv.DictReader(file, delimiter="\t"))
    keys = "".join(f"    {snake(api['name'])} = {api['key']},\n" for api in apis)
    write_if_changed(
        out / "protocol/api_key.h",
        f"""#pragma once

// Made from schema/apis.tsv.

#include <cstdint>

namespace millrace {{

// What a request asks for. Keys 4 to 7 are of times before KRaft: they have no version.
enum class ApiKey : std::int16_t {{
{keys}}};

}}  // namespace millrace
""",
    )
    alive = [api for api in apis if not is_empty(parse_versions(api["request_versions"]))]
    size = max(int(api["key"]) for api in apis) + 1
    by_key = ["-1"] * size
    for at, api in enumerate(alive):
        by_key[int(api["key"])] = str(at)
    write_if_changed(
        out / "protocol/api_table.cc",
        f"""// Made from schema/apis.tsv.
#include "protocol/api.h"

namespace millrace {{
namespace {{

constexpr ApiInfo apis[] = {{
{''.join(map(row_of, alive))}}};
constexpr std::int8_t row_of_key[] = {{{', '.join(by_key)}}};

}}  // namespace

std::span<const ApiInfo> all_apis() {{ return apis; }}

const ApiInfo* find_api(std::int16_t key) {{
    if (key < 0 || key >= {size} || row_of_key[key] < 0) return nullptr;
    return &apis[row_of_key[key]];
}}

}}  // namespace millrace
""",
    )
