"""Generates base/error_code.{h,cc} from schema/errors.tsv."""

import csv
import sys
from pathlib import Path

from output import write_if_changed


def main(source: Path, out: Path) -> None:
    with source.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    values = "\n".join(
        f"    {row['name'].lower()} = {row['code']},  // {row['meaning']}" for row in rows
    )
    write_if_changed(
        out / "base/error_code.h",
        f"""#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {{

// Kafka's error codes (schema/errors.tsv).
enum class ErrorCode : std::int16_t {{
{values}
}};

std::string_view name_of(ErrorCode code);     // "UNKNOWN_TOPIC_OR_PARTITION"; "" for no known code
std::string_view meaning_of(ErrorCode code);  // a short sentence
bool is_retriable(ErrorCode code);
bool asks_for_metadata(ErrorCode code);  // a client refreshes its metadata on it

}}  // namespace millrace
""",
    )

    def cases(value) -> str:
        return "\n".join(
            f"        case ErrorCode::{row['name'].lower()}: return {value(row)};" for row in rows
        )

    def function(signature: str, value, otherwise: str) -> str:
        return f"""{signature} {{
    switch (code) {{
{cases(value)}
    }}
    return {otherwise};
}}
"""

    write_if_changed(
        out / "base/error_code.cc",
        "#include \"base/error_code.h\"\n\nnamespace millrace {\n\n"
        + function("std::string_view name_of(ErrorCode code)", lambda r: f'"{r["name"]}"', '""')
        + "\n"
        + function("std::string_view meaning_of(ErrorCode code)",
                   lambda r: f'"{r["meaning"]}"', '""')
        + "\n"
        + function("bool is_retriable(ErrorCode code)",
                   lambda r: str(r["retriable"] == "yes").lower(), "false")
        + "\n"
        + function(
            "bool asks_for_metadata(ErrorCode code)",
            lambda r: str(r["refresh_metadata"] == "yes").lower(),
            "false",
        )
        + "\n}  // namespace millrace\n",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
