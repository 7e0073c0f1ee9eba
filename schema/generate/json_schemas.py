"""Generates protocol/json/schemas.cc, schema/*.msg as tables: json_schemas.py SCHEMA OUT."""

import sys
from pathlib import Path

from msg import MOST, Field, File, Message, Struct, is_empty, parse_all, snake
from output import write_if_changed

TYPES = {"bool": "boolean"}
FAMILIES = {"metadata": "metadata", "group": "group", "share": "share",
            "transaction": "transaction", "storage": "remote_log"}


def versions(of: tuple[int, int]) -> str:
    first, last = of
    return "{}" if is_empty(of) else f"{{{first}, {last if last < MOST else 'latest'}}}"


def initial(field: Field) -> str:
    """The default in JSON, or nullptr for a struct of defaults."""
    if field.default == "null" or (field.type == "records" and field.default is None):
        return '"null"'
    if field.is_array:
        return '"[]"'
    if field.struct is not None:
        return "nullptr"
    if field.type in ("string", "bytes", "records"):
        return '"\\"\\""'
    if field.type == "uuid":
        return '"\\"AAAAAAAAAAAAAAAAAAAAAA\\""'
    if field.type == "bool":
        return f'"{field.default or "false"}"'
    return f'"{field.default or ("0.0" if field.type == "float64" else "0")}"'


def table_name(message: Message, struct: Struct) -> str:
    name = snake(message.name)
    return name if struct is message.body else f"{name}_{snake(struct.name)}"


def row(message: Message, field: Field) -> str:
    parts = [
        f'"{field.name[0].lower()}{field.name[1:]}"',
        f"FieldType::{'structure' if field.struct else TYPES.get(field.type, field.type)}",
        str(field.is_array).lower(),
        str(-1 if field.tag is None else field.tag),
        versions(field.versions), versions(field.nullable), versions(field.tagged),
        versions(message.flexible if field.flexible is None else field.flexible),
        initial(field),
        f"&{table_name(message, field.struct)}" if field.struct else "nullptr",
    ]
    line = f"    {{{', '.join(parts)}}},"
    if len(line) > 100:
        cut = line.rindex(", ", 0, 100) + 1
        line = f"{line[:cut]}\n    {line[cut:]}"
    return line + "\n"


def tables(message: Message) -> str:
    out = ""
    for struct in message.structs + [message.body]:
        name = table_name(message, struct)
        if not struct.fields:
            out += f"constexpr StructSchema {name}{{}};\n"
            continue
        rows = "".join(row(message, field) for field in struct.fields)
        out += f"constexpr FieldSchema {name}_fields[] = {{\n{rows}}};\n"
        out += f"constexpr StructSchema {name}{{{name}_fields}};\n"
    return out


def message_row(message: Message) -> str:
    return (f'    {{"{message.name}", {versions(message.versions)}, {versions(message.flexible)},\n'
            f"     &{table_name(message, message.body)}}},\n")


def record_row(file: File, at: dict[str, int]) -> str:
    parts = file.path.parts
    family = FAMILIES[parts[1] if file.folder == "coordinator" else file.folder]
    by_kind = {message.kind: f"&messages[{at[message.name]}]" for message in file.messages}
    value = by_kind.get("value") or by_kind.get("message") or "nullptr"
    return (f'    {{RecordFamily::{family}, {file.key}, "{snake(file.name).upper()}",\n'
            f"     {by_kind.get('key', 'nullptr')}, {value}}},\n")


def source(files: list[File]) -> str:
    messages = sorted((m for f in files for m in f.messages), key=lambda m: m.name)
    at = {message.name: i for i, message in enumerate(messages)}
    records = [f for f in files if f.key is not None and f.folder != "api" and f.messages]
    return f"""// Made from schema/*.msg.
#include "protocol/json/schema.h"

#include <algorithm>
#include <iterator>

namespace millrace {{
namespace {{

constexpr std::int16_t latest = {MOST};

{"".join(map(tables, messages))}
// In the order of names.
constexpr MessageSchema messages[] = {{
{"".join(map(message_row, messages))}}};

constexpr RecordSchema records[] = {{
{"".join(record_row(file, at) for file in records)}}};

}}  // namespace

const MessageSchema* find_schema(std::string_view name) {{
    const MessageSchema* found =
        std::ranges::lower_bound(messages, name, {{}}, &MessageSchema::name);
    return found == std::end(messages) || found->name != name ? nullptr : found;
}}

const RecordSchema* find_record_schema(RecordFamily family, std::int64_t type) {{
    for (const RecordSchema& row : records) {{
        if (row.family == family && row.type == type) return &row;
    }}
    return nullptr;
}}

}}  // namespace millrace
"""


def main(schema: Path, out: Path) -> None:
    write_if_changed(out / "protocol/json/schemas.cc", source(parse_all(schema)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
