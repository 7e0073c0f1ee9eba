"""Generates protocol/*.{h,cc} of the messages in schema/: messages.py SCHEMA OUT."""

import sys
from pathlib import Path

from apis import generate_apis
from codec import DefaultTests, decode_body, encode_body, parameter
from msg import CPP_WORDS, File, Message, Struct, Field, parse_all, snake
from output import write_if_changed

NUMBERS = {
    "bool": "bool", "int8": "std::int8_t", "int16": "std::int16_t", "int32": "std::int32_t",
    "int64": "std::int64_t", "uint16": "std::uint16_t", "uint32": "std::uint32_t",
    "float64": "double",
}


def cpp_type(field: Field, views: bool) -> str:
    base = NUMBERS.get(field.type) or {
        "uuid": "Uuid", "string": "std::string_view" if views else "std::string",
        "bytes": "Slice", "records": "Chain",
    }.get(field.type, field.type)
    if field.is_error_code:
        base = "ErrorCode"
    if field.is_array:
        base = f"std::vector<{base}>"
    return f"std::optional<{base}>" if field.is_nullable else base


def initial(field: Field) -> str:
    if field.is_nullable:
        null = field.default == "null" or (field.type == "records" and field.default is None)
        return "" if null else "{std::in_place}"
    if field.is_array or field.type not in NUMBERS:
        return ""
    if field.is_error_code:
        return " = ErrorCode::none"
    value = field.default or ("false" if field.type == "bool" else "0")
    is_least = value == str(-(2**63))  # as a literal it is the negation of what does not fit
    return " = std::numeric_limits<std::int64_t>::min()" if is_least else f" = {value}"


def is_comparable(struct: Struct) -> bool:
    """Whether the fields have ==: slices and chains do not."""
    return all(
        f.type not in ("bytes", "records") and (f.struct is None or is_comparable(f.struct))
        for f in struct.fields
    )


def members(struct: Struct, views: bool, indent: str) -> str:
    lines = [f"{indent}{cpp_type(f, views)} {f.cpp_name}{initial(f)};" for f in struct.fields]
    return "".join(line + "\n" for line in lines)


def nested(struct: Struct, views: bool, indent: str) -> str:
    out = f"{indent}struct {struct.name} {{\n{members(struct, views, indent + '    ')}"
    if is_comparable(struct):
        out += f"\n{indent}    bool operator==(const {struct.name}&) const = default;\n"
    return out + f"{indent}}};\n\n"


def structs_of(message: Message) -> tuple[str, str]:
    """Declarations that go in front of the class, and those inside.

    optional<Inner> inside Outer finds Inner not default constructible: member initializers count
    only from the end of Outer on. So a message with such a field has its structs in front.
    """
    views = message.file.views
    is_optional = any(
        f.struct is not None and f.is_nullable and not f.is_array
        for s in message.structs + [message.body] for f in s.fields
    )
    if not is_optional:
        return "", "".join(nested(s, views, "    ") for s in message.structs)
    space = snake(message.name) + "_parts"
    before = "".join(nested(s, views, "") for s in message.structs)
    uses = "".join(f"    using {s.name} = {space}::{s.name};\n" for s in message.structs)
    return f"namespace {space} {{\n\n{before}}}  // namespace {space}\n\n", uses + "\n"


def declaration(message: Message) -> str:
    name, file = message.name, message.file
    before, inside = structs_of(message)
    out = f"{before}// {file.summary}\nstruct {name} {{\n{inside}"
    body = members(message.body, file.views, "    ")
    out += body + ("\n" if body else "")
    if message.kind in ("request", "response"):
        out += f"    static constexpr ApiKey api_key = ApiKey::{snake(file.name)};\n"
    elif file.key is not None:
        out += f"    static constexpr std::int16_t record_type = {file.key};\n"
    out += f"    static constexpr std::int16_t min_version = {message.versions[0]};\n"
    out += f"    static constexpr std::int16_t max_version = {message.versions[1]};\n"
    if message.kind == "request":
        out += f"    using Response = {file.name}Response;\n"
    out += f"""
    static Result<{name}> decode(Reader& in, std::int16_t version);
    Result<> encode(Writer& out, std::int16_t version) const;
"""
    if is_comparable(message.body):
        out += f"    bool operator==(const {name}&) const = default;\n"
    return out + "};\n"


def header(files: list[File]) -> str:
    text = "\n".join(declaration(m) for f in files for m in f.messages)
    forwards = "".join(
        f"struct {m.name};\n" for f in files for m in f.messages if m.kind == "response"
    )
    system = ["cstdint"]
    system += [h for h, use in (("limits", "std::numeric_limits"), ("optional", "std::optional"),
               ("string", "std::string "), ("string", "std::string>"),
               ("string_view", "std::string_view"), ("vector", "std::vector")) if use in text]
    own = ["base/result.h"]
    own += [h for h, use in (("base/bytes.h", "Slice"), ("base/chain.h", "Chain"),
            ("base/uuid.h", "Uuid"), ("protocol/api_key.h", "ApiKey")) if use in text]
    return f"""#pragma once

// Made from {', '.join('schema/' + str(f.path) for f in files)}.

{''.join(f'#include <{h}>{chr(10)}' for h in sorted(set(system)))}
{''.join(f'#include "{h}"{chr(10)}' for h in sorted(set(own)))}
namespace millrace {{

class Reader;
class Writer;
{forwards}
{text}
}}  // namespace millrace
"""


def codec_of(message: Message) -> tuple[str, str]:
    """The file's own functions, and the two that the header declares."""
    inner = ""
    tests = DefaultTests(message)
    for struct in message.structs + [message.body]:
        name = message.name if struct is message.body else f"{message.name}::{struct.name}"
        read, write = decode_body(message, struct), encode_body(message, struct, tests)
        for verb, body, first, second in (
            ("read", read, "Reader& in", f"{name}& to"),
            ("write", write, "Writer& out", f"const {name}& from"),
        ):
            inner += (
                f"void {verb}({parameter(first, body)}, {parameter(second, body)}, "
                f"{parameter('std::int16_t version', body)}) {{\n{body}}}\n\n"
            )
    name = message.name
    outer = f"""Result<{name}> {name}::decode(Reader& in, std::int16_t at_version) {{
    in.expect_version(at_version, min_version, max_version);
    Result<{name}> made;
    read(in, *made, at_version);
    if (!in.ok()) [[unlikely]] return fail(in.error("{name}"));
    return made;
}}

Result<> {name}::encode(Writer& out, std::int16_t at_version) const {{
    out.expect_version(at_version, min_version, max_version);
    write(out, *this, at_version);
    if (!out.ok()) [[unlikely]] return fail(out.error("{name}", at_version));
    return {{}};
}}
"""
    return tests.text + inner, outer


def source(files: list[File], own_header: str) -> str:
    parts = [codec_of(m) for f in files for m in f.messages]
    return f"""// Made from {', '.join('schema/' + str(f.path) for f in files)}.
#include "{own_header}"

#include "protocol/reader.h"
#include "protocol/writer.h"

namespace millrace {{
namespace {{

{''.join(inner for inner, _ in parts)}}}  // namespace

{chr(10).join(outer for _, outer in parts)}
}}  // namespace millrace
"""


def table(files: list[File], headers: list[str]) -> str:
    rows = sorted(m.name for f in files for m in f.messages)
    return f"""#include "protocol/all_messages.h"

#include <algorithm>

{''.join(f'#include "{h}"{chr(10)}' for h in headers)}#include "protocol/reader.h"
#include "protocol/writer.h"

namespace millrace {{
namespace {{

template <typename Message>
Result<Slice> again(Bytes& bytes, std::int16_t version) {{
    Reader in(bytes);
    ASSIGN_OR_RETURN(Message message, Message::decode(in, version));
    bytes = bytes.last(in.remaining());
    Writer out;
    CHECK(message.encode(out, version));  // what a version can say, it can say again
    return std::move(out).finish_in_memory();
}}

template <typename Message>
Result<Slice> initial(std::int16_t version) {{
    Writer out;
    RETURN_IF_ERROR(Message().encode(out, version));
    return std::move(out).finish_in_memory();
}}

template <typename Message>
constexpr MessageInfo row(std::string_view name) {{
    return {{name, Message::min_version, Message::max_version, again<Message>, initial<Message>}};
}}

// In the order of names.
constexpr MessageInfo rows[] = {{
{''.join(f'    row<{name}>("{name}"),{chr(10)}' for name in rows)}}};

}}  // namespace

std::span<const MessageInfo> all_messages() {{ return rows; }}

const MessageInfo* find_message(std::string_view name) {{
    const MessageInfo* found = std::ranges::lower_bound(rows, name, {{}}, &MessageInfo::name);
    return found == std::end(rows) || found->name != name ? nullptr : found;
}}

}}  // namespace millrace
"""


def main(schema: Path, out: Path) -> None:
    files = parse_all(schema)
    by_header: dict[str, list[File]] = {}
    for file in files:
        if file.messages:
            by_header.setdefault(snake(file.path.stem), []).append(file)
    made = {out / f"protocol/{name}" for name in
            ("api_key.h", "api_table.cc", "all_messages.cc")}
    for name, group in by_header.items():
        if name in CPP_WORDS:
            raise SystemExit(f"{name}.h: choose another name")
        made |= {out / f"protocol/{name}.h", out / f"protocol/{name}.cc"}
        write_if_changed(out / f"protocol/{name}.h", header(group))
        write_if_changed(out / f"protocol/{name}.cc", source(group, f"protocol/{name}.h"))
    headers = sorted(f"protocol/{name}.h" for name in by_header)
    write_if_changed(out / "protocol/all_messages.cc", table(files, headers))
    generate_apis(schema / "apis.tsv", out)
    for old in set((out / "protocol").iterdir()) - made:
        old.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
