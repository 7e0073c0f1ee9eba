"""Generates the broker's table of handlers from the files in src/broker/handlers.

A file list_groups.cc serves the API ListGroups: the table names handlers::list_groups, so that a
file that does not define it does not link, and an API without a file is not advertised.
"""

import csv
import re
import sys
from pathlib import Path

from output import write_if_changed


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def main(apis: Path, folder: Path, out: Path) -> None:
    with apis.open() as file:
        known = {snake(row["name"]): row["name"] for row in csv.DictReader(file, delimiter="\t")}
    names = sorted(path.stem for path in folder.glob("*.cc") if not path.stem.endswith("_test"))
    for name in names:
        if name not in known:
            sys.exit(f"src/broker/handlers/{name}.cc: schema/apis.tsv has no API of that name")
    write_if_changed(
        out / "broker/handlers.h",
        "#pragma once\n\n#include \"broker/handler.h\"\n\n"
        + "namespace millrace::broker::handlers {\n\n"
        + "".join(f"extern const Handler {name};\n" for name in names)
        + "\n}  // namespace millrace::broker::handlers\n",
    )
    cases = "".join(
        f"        case ApiKey::{name}:\n            return &handlers::{name};\n" for name in names
    )
    write_if_changed(
        out / "broker/handlers.cc",
        f"""#include "broker/handlers.h"

#include "protocol/api.h"

namespace millrace::broker {{

const Handler* find_handler(ApiKey key) {{
    switch (key) {{
{cases}        default:
            return nullptr;
    }}
}}

}}  // namespace millrace::broker
""",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
