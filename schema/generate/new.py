#!/usr/bin/env python3
"""Makes the files of a new API: new.py api NAME [AREA] [--root DIR]

src/broker/handlers/NAME.cc, which does not compile before its answer is written, as an API is
advertised as soon as its file is there; and tests/scenario/AREA/NAME.txt with a request to begin
with, which fails until its answer is recorded from Apache Kafka.
"""

import argparse
import difflib
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from handlers import snake
from msg import Field, File, Message, is_empty, parse_file, parse_versions
from table import read_table

FORMAT = Path(__file__).resolve().parents[2] / ".clang-format"
HANDLER = """\
{head}

#include "protocol/{file}.h"

#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {{
namespace {{

// The services that it needs are further parameters, found by type (broker/services.h).
Task<{name}Response> answer(const {name}Request& request, const Caller& caller) {{
#error "{name} is advertised as soon as it compiles: write its answer here"
    {name}Response response;
    co_return response;
}}

}}  // namespace

constinit const Handler handlers::{file} = serve<answer>;

}}  // namespace millrace::broker
"""

SCENARIO = """\
# {name}: {summary}

{request}
"""


def find_api(root: Path, wanted: str) -> dict[str, str]:
    apis = read_table(root / "schema/apis.tsv")
    for api in apis:
        if wanted in (api["name"], snake(api["name"])):
            break
    else:
        near = difflib.get_close_matches(wanted, [api["name"] for api in apis], 3, 0.4)
        sys.exit(f"new: schema/apis.tsv has no {wanted}; near it: {', '.join(near) or 'nothing'}")
    if is_empty(parse_versions(api["request_versions"])):
        sys.exit(f"new: {api['name']} has no version that is still in use")
    if "broker" not in api["listeners"].split(","):
        sys.exit(f"new: brokers do not serve {api['name']}, only {api['listeners']}")
    return api


def sample(field: Field, version: int) -> str:
    """A value to begin with: the default, one struct in a list."""
    if field.default == "null" or field.type == "records":
        return "null"
    if field.struct:
        inner = sample_fields(field.struct.fields, version)
        return f"[{{{inner}}}]" if field.is_array else f"{{{inner}}}"
    if field.is_array:
        return "[]"
    if field.type == "uuid":
        return "AAAAAAAAAAAAAAAAAAAAAA"
    if field.type in ("string", "bytes"):
        return field.default or '""'
    return field.default or ("false" if field.type == "bool" else "0")


def sample_fields(fields: list[Field], version: int) -> str:
    return ", ".join(f"{one.name}: {sample(one, version)}" for one in fields
                     if one.versions[0] <= version <= one.versions[1])


def request_text(message: Message, version: int) -> str:
    fields = sample_fields(message.body.fields, version)
    text = f"> {message.file.name} {version} {{{fields}}}"
    return textwrap.fill(text, 100, subsequent_indent="    ", break_long_words=False,
                         break_on_hyphens=False)


def summary_of(file: File) -> str:
    """The sentence of the schema without the name in front."""
    return file.summary.split(": ", 1)[-1]


def write_new(path: Path, root: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x") as file:
        file.write(text)
    formatter = shutil.which("clang-format-19")
    if path.suffix == ".cc" and formatter:
        subprocess.run([formatter, "-i", f"--style=file:{FORMAT}", path], check=True)
    print(f"made {path.relative_to(root)}")


def new_api(root: Path, wanted: str, area: str) -> None:
    api = find_api(root, wanted)
    name, file_name = api["name"], snake(api["name"])
    handler = root / "src/broker/handlers" / f"{file_name}.cc"
    scenario = root / "tests/scenario" / area / f"{file_name}.txt"
    for path in (handler, scenario):
        if path.exists():
            sys.exit(f"new: {path.relative_to(root)} is there already")
    file = parse_file(root / "schema/api" / f"{name}.msg", root / "schema")
    request = next(one for one in file.messages if one.kind == "request")
    last = request.versions[1] - (api["latest_unstable"] == "yes")
    head = textwrap.fill(f"// {name} (key {api['key']}): {summary_of(file)}", 100,
                         subsequent_indent="// ")
    write_new(handler, root, HANDLER.format(head=head, name=name, file=file_name))
    write_new(scenario, root, SCENARIO.format(
        name=name, summary=summary_of(file), request=request_text(request, last)))
    print(f"next: write its answer; write requests, and record what Apache answers with\n"
          f"      tests/scenario/run --broker apache --record {area}/{file_name}.txt")


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev new", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["api"])
    parser.add_argument("name", help="as schema/apis.tsv has it: ListGroups, or list_groups")
    parser.add_argument("area", nargs="?", default="apis",
                        help="folder below tests/scenario (apis)")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    options = parser.parse_args()
    new_api(options.root, options.name, options.area)


if __name__ == "__main__":
    main()
