"""Bodies of the functions that read and write one struct of a message."""

import re

from msg import PRIMITIVES, Field, Message, Struct, covers, is_empty, overlap

FIXED = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8,
         "uuid": 16, "float64": 8}


def parameter(declared: str, body: str) -> str:
    """A parameter, without its name when the body does not use it."""
    name = re.split(r"[ &]", declared)[-1]
    is_used = re.search(rf"(?<![.\w\"]){name}\b", body)
    return declared if is_used else declared.removesuffix(name).rstrip()


def condition(versions: tuple[int, int], known: tuple[int, int]) -> str:
    """The test for a version, of those in `known`, to be one of `versions`."""
    tests = []
    if versions[0] > known[0]:
        tests.append(f"version >= {versions[0]}")
    if versions[1] < known[1]:
        tests.append(f"version <= {versions[1]}")
    return " && ".join(tests) or "true"


def truth(versions: tuple[int, int], known: tuple[int, int]) -> str:
    return "false" if is_empty(overlap(versions, known)) else condition(versions, known)


def compact(message: Message, struct: Struct, field: Field | None = None) -> str:
    """Whether the encoding is the flexible one: a literal or the name of a local."""
    versions = message.flexible
    if field is not None and field.flexible is not None:
        versions = field.flexible
    value = truth(versions, struct.versions)
    return value if value in ("true", "false") else "flexible"


def label(message: Message, struct: Struct, field: Field) -> str:
    return f'"{field.name}"' if struct is message.body else f'"{struct.name}.{field.name}"'


def least_size(message: Message, field: Field, version: int) -> int:
    """The fewest bytes of one element of the field."""
    flexible = message.flexible[0] <= version <= message.flexible[1]
    if field.type in FIXED:
        return FIXED[field.type]
    if field.type == "string":
        return 1 if flexible else 2
    if field.type in ("bytes", "records"):
        return 1 if flexible else 4
    total = 1 if flexible else 0
    for inner in field.struct.fields:
        if not inner.versions[0] <= version <= inner.versions[1]:
            continue
        if inner.tag is not None:
            continue
        if inner.is_array:
            total += 1 if flexible else 4
        elif inner.struct is not None and not is_empty(inner.nullable):
            total += 1
        else:
            total += least_size(message, inner, version)
    return total


def least_element(message: Message, struct: Struct, field: Field) -> int:
    first, last = overlap(field.versions, struct.versions)
    return max(1, min(least_size(message, field, version) for version in range(first, last + 1)))


def reader_name(field: Field) -> str:
    return "error_code" if field.is_error_code else field.type


def read_value(message: Message, struct: Struct, field: Field, tagged: bool = False) -> list[str]:
    to, name = f"to.{field.cpp_name}", label(message, struct, field)
    packed = compact(message, struct, field)
    known = overlap(field.versions, struct.versions)
    nullable = truth(field.nullable, known)
    if field.is_array and field.type in PRIMITIVES:
        more = f", {nullable}" if field.is_nullable else ""
        return [f"in.read_array({to}, {name}, {packed}{more});"]
    if field.is_array:
        least = least_element(message, struct, field)
        begin = f"if (auto count = in.read_count({name}, {packed}, {nullable}, {least})) {{"
        if field.is_nullable:
            lines = [begin, f"    auto& list = {to}.emplace();"]
            list_name = "list"
        else:
            lines = [begin] + ([f"    {to}.clear();"] if tagged else [])
            list_name = to
        lines += [
            f"    Reader::reserve({list_name}, *count);",
            f"    for (std::size_t i = 0; i < *count && in.ok(); ++i) {{",
            f"        read(in, {list_name}.emplace_back(), version);",
            "    }",
        ]
        return lines + (["} else {", f"    {to}.reset();", "}"] if field.is_nullable else ["}"])
    if field.struct is not None:
        again = [f"{to} = {{}};"] if tagged else []
        if not field.is_nullable:
            return again + [f"read(in, {to}, version);"]
        return [
            f"if (in.read_presence({name}, {str(tagged).lower()}, {nullable})) {{",
            f"    read(in, {to}.emplace(), version);",
            "} else {",
            f"    {to}.reset();",
            "}",
        ]
    if field.type in ("string", "bytes", "records"):
        more = f", {nullable}" if field.is_nullable else ""
        return [f"in.read_{field.type}({to}, {name}, {packed}{more});"]
    return [f"{to} = in.read_{reader_name(field)}({name});"]


def write_value(message: Message, struct: Struct, field: Field, tagged: bool = False) -> list[str]:
    of, name = f"from.{field.cpp_name}", label(message, struct, field)
    packed = compact(message, struct, field)
    known = overlap(field.versions, struct.versions)
    nullable = truth(field.nullable, known)
    if field.is_array and field.struct is not None:
        value = f"*{of}" if field.is_nullable else of
        size = f"{of}->size()" if field.is_nullable else f"{of}.size()"
        lines = [
            f"out.write_count({size}, {name}, {packed});",
            f"for (const auto& each : {value}) write(out, each, version);",
        ]
        if not field.is_nullable:
            return lines
        return ([f"if ({of}) {{"] + ["    " + line for line in lines]
                + ["} else {", f"    out.write_null({name}, {packed}, {nullable});", "}"])
    if field.struct is not None:
        if not field.is_nullable:
            return [f"write(out, {of}, version);"]
        return [
            f"out.write_presence({of}.has_value(), {name}, {str(tagged).lower()}, {nullable});",
            f"if ({of}) write(out, *{of}, version);",
        ]
    if field.is_array or field.type in ("string", "bytes", "records"):
        verb = "array" if field.is_array else field.type
        more = f", {nullable}" if field.is_nullable else ""
        return [f"out.write_{verb}({of}, {name}, {packed}{more});"]
    return [f"out.write_{reader_name(field)}({of});"]


class DefaultTests:
    """Expressions that hold when a field has its default, and the functions they need."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.text = ""
        self.made: set[str] = set()

    def of(self, field: Field, owner: str = "from") -> str:
        value = f"{owner}.{field.cpp_name}"
        if field.is_nullable:
            if field.default == "null" or field.type == "records":
                return f"!{value}.has_value()"
            if field.struct is not None and not field.is_array:
                return f"{value} && {self.of_struct(field.struct)}(*{value})"
            return f"{value} && {value}->empty()"
        if field.is_array or field.type in ("string", "bytes"):
            return f"{value}.empty()"
        if field.struct is not None:
            return f"{self.of_struct(field.struct)}({value})"
        if field.type == "uuid":
            return f"{value}.is_zero()"
        if field.is_error_code:
            return f"{value} == ErrorCode::none"
        if field.type == "bool":
            return value if field.default == "true" else f"!{value}"
        return f"{value} == {field.default or 0}"

    def unequal(self, field: Field) -> str:
        test = self.of(field)
        if re.fullmatch(r"!\S+", test):
            return test[1:]
        if test.count("==") == 1 and "&&" not in test:
            return test.replace("==", "!=")
        return f"!({test})" if " " in test else f"!{test}"

    def of_struct(self, struct: Struct) -> str:
        if struct.name not in self.made:
            self.made.add(struct.name)
            name = f"{self.message.name}::{struct.name}"
            tests = [f"({t})" if "&&" in t else t for t in map(self.of, struct.fields)]
            joined = " &&\n           ".join(tests) or "true"
            self.text += f"bool is_default(const {name}& from) {{\n    return {joined};\n}}\n\n"
        return "is_default"


def indented(lines: list[str], levels: int = 1) -> str:
    return "".join("    " * levels + line + "\n" for line in lines)


def by_condition(steps: list[tuple[str, list[str], list[str]]]) -> list[str]:
    """Joins neighbours of (condition, lines then, lines otherwise) that share a condition."""
    joined: list[tuple[str, list[str], list[str]]] = []
    for test, then, otherwise in steps:
        if joined and joined[-1][0] == test:
            joined[-1][1].extend(then)
            joined[-1][2].extend(otherwise)
        else:
            joined.append((test, list(then), list(otherwise)))
    lines: list[str] = []
    for test, then, otherwise in joined:
        if test == "true":
            lines += then
            continue
        lines += [f"if ({test}) {{"] + ["    " + line for line in then]
        if otherwise:
            lines += ["} else {"] + ["    " + line for line in otherwise]
        lines.append("}")
    return lines


def with_flexible(message: Message, struct: Struct, body: str) -> str:
    if not re.search(r"\bflexible\b", body):
        return body
    test = condition(message.flexible, struct.versions)
    return f"    const bool flexible = {test};\n{body}"


def owner_name(message: Message, struct: Struct) -> str:
    return '"tags"' if struct is message.body else f'"{struct.name} tags"'


def decode_body(message: Message, struct: Struct) -> str:
    plain = [f for f in struct.fields if f.tag is None]
    tagged = sorted((f for f in struct.fields if f.tag is not None), key=lambda f: f.tag)
    lines = by_condition([
        (condition(f.versions, struct.versions), read_value(message, struct, f), []) for f in plain
    ])
    owner, flexible = owner_name(message, struct), compact(message, struct)
    if flexible != "false" and not tagged:
        lines.append(f"{'' if flexible == 'true' else 'if (flexible) '}in.skip_tags({owner});")
    elif flexible != "false":
        cases: list[str] = []
        for field in tagged:
            test = condition(overlap(field.versions, field.tagged), struct.versions)
            value = ["    " + line for line in read_value(message, struct, field, tagged=True)]
            if test == "true":
                cases += [f"case {field.tag}:", *value, "    break;"]
            else:
                cases += [f"case {field.tag}:", f"    if ({test}) {{",
                          *["    " + line for line in value],
                          "    } else {", f"        in.refuse_tag({owner});", "    }",
                          "    break;"]
        loop = [
            f"for (auto left = in.read_tag_count({owner}); left > 0 && in.ok(); --left) {{",
            f"    const Reader::Tag tag = in.read_tag({owner});",
            "    switch (tag.number) {",
            *["        " + line for line in cases],
            f"        default: in.read_raw(tag.size, {owner});",
            "    }",
            "}",
        ]
        if flexible != "true":
            loop = ["if (flexible) {"] + ["    " + line for line in loop] + ["}"]
        lines += loop
    return with_flexible(message, struct, indented(lines))


def encode_body(message: Message, struct: Struct, tests: DefaultTests) -> str:
    steps = []
    for field in struct.fields:
        test = condition(field.versions, struct.versions)
        otherwise = []
        if not field.ignorable and test != "true":
            name = label(message, struct, field)
            otherwise = [f"if ({tests.unequal(field)}) out.unsupported({name});"]
        if field.tag is None:
            steps.append((test, write_value(message, struct, field), otherwise))
        elif otherwise:
            steps.append((f"!({test})" if " && " in test else negated(test), otherwise, []))
    lines = by_condition(steps)
    tagged = sorted((f for f in struct.fields if f.tag is not None), key=lambda f: f.tag)
    flexible = compact(message, struct)
    if flexible == "false":
        return with_flexible(message, struct, indented(lines))
    tail: list[str] = []
    for field in tagged:
        test = condition(overlap(field.versions, field.tagged), struct.versions)
        unequal = tests.unequal(field)
        both = unequal if test == "true" else f"{test} && {unequal}"
        tail.append(f"const bool has_{field.cpp_name} = {both};")
    if not tagged:
        tail = ["out.write_uvarint(0);  // tags"]
    else:
        count = " + ".join(f"has_{f.cpp_name}" for f in tagged)
        tail.append(f"out.write_uvarint(static_cast<std::uint32_t>({count}));")
    for field in tagged:
        tail += [f"if (has_{field.cpp_name}) {{",
                 f"    const std::size_t tag = out.begin_tag({field.tag});",
                 *["    " + line for line in write_value(message, struct, field, tagged=True)],
                 "    out.end_tag(tag);", "}"]
    if flexible != "true":
        tail = ["if (flexible) {"] + ["    " + line for line in tail] + ["}"]
    return with_flexible(message, struct, indented(lines + tail))


def negated(test: str) -> str:
    return test.replace(">=", "<") if ">=" in test else test.replace("<=", ">")
