#include "protocol/json/message_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "config/value.h"
#include "protocol/json/json_text.h"
#include "protocol/reader.h"

namespace millrace {
namespace {

std::int16_t nearest(VersionRange versions, std::int16_t version) {
    return std::clamp(version, versions.first, versions.last);
}

void append_number(std::string& to, std::int64_t number) {
    char text[24];
    auto [end, error] = std::to_chars(std::begin(text), std::end(text), number);
    to.append(text, end);
}

void append_float(std::string& to, double number) {
    std::string text = config::to_text(number);
    to += std::isfinite(number) ? text : '"' + text + '"';
}

void append_name(std::string& to, const char* name) {
    if (to.back() != '{') to += ',';
    append_quoted(to, name);
    to += ':';
}

void append_default(std::string& to, const FieldSchema& field, std::int16_t version);

void append_defaults(std::string& to, const StructSchema& structure, std::int16_t version) {
    to += '{';
    for (const FieldSchema& field : structure.fields) {
        if (!field.versions.contains(version) || field.tagged.contains(version)) continue;
        append_name(to, field.name);
        append_default(to, field, version);
    }
    to += '}';
}

void append_default(std::string& to, const FieldSchema& field, std::int16_t version) {
    if (field.initial != nullptr) {
        to += field.initial;
    } else {
        append_defaults(to, *field.structure, version);
    }
}

class MessageWalk {
  public:
    MessageWalk(const MessageSchema& schema, Reader& in, std::int16_t version,
                const JsonOptions& options)
        : in_(in),
          version_(nearest(schema.versions, version)),
          shown_as_(nearest(schema.versions, options.shown_as.value_or(version))),
          flexible_(schema.flexible.contains(version_)),
          options_(options) {}

    void append_struct(std::string& to, const StructSchema& structure);

  private:
    // The members' values in the order of the schema; empty where the bytes have none.
    std::vector<std::string> read_values(const StructSchema& structure);
    void read_tags(const StructSchema& structure, std::vector<std::string>& values);
    void append_value(std::string& to, const FieldSchema& field, bool tagged);
    void append_array(std::string& to, const FieldSchema& field);
    void append_single(std::string& to, const FieldSchema& field);
    void append_bytes(std::string& to, const FieldSchema& field);

    Reader& in_;
    std::int16_t version_;
    std::int16_t shown_as_;
    bool flexible_;
    const JsonOptions& options_;
};

void MessageWalk::append_struct(std::string& to, const StructSchema& structure) {
    std::vector<std::string> values = read_values(structure);
    to += '{';
    for (std::size_t i = 0; i < values.size(); ++i) {
        const FieldSchema& field = structure.fields[i];
        if (!field.versions.contains(shown_as_)) continue;
        std::string initial;
        if (values[i].empty() || field.tagged.contains(shown_as_)) {
            append_default(initial, field, shown_as_);
        }
        if (field.tagged.contains(shown_as_) && (values[i].empty() || values[i] == initial)) {
            continue;
        }
        append_name(to, field.name);
        to += values[i].empty() ? initial : values[i];
    }
    to += '}';
}

std::vector<std::string> MessageWalk::read_values(const StructSchema& structure) {
    std::vector<std::string> values(structure.fields.size());
    for (std::size_t i = 0; i < values.size() && in_.ok(); ++i) {
        const FieldSchema& field = structure.fields[i];
        if (!field.versions.contains(version_) || field.tagged.contains(version_)) continue;
        append_value(values[i], field, false);
    }
    if (flexible_) read_tags(structure, values);
    return values;
}

void MessageWalk::read_tags(const StructSchema& structure, std::vector<std::string>& values) {
    for (auto left = in_.read_tag_count("tags"); left > 0 && in_.ok(); --left) {
        const Reader::Tag tag = in_.read_tag("tags");
        auto known = std::ranges::find_if(structure.fields, [&](const FieldSchema& field) {
            return field.tag == static_cast<std::int64_t>(tag.number) &&
                   field.versions.contains(version_) && field.tagged.contains(version_);
        });
        if (known == structure.fields.end()) {
            in_.read_raw(tag.size, "tags");
            continue;
        }
        std::string& value = values[static_cast<std::size_t>(known - structure.fields.begin())];
        value.clear();
        append_value(value, *known, true);
    }
}

void MessageWalk::append_value(std::string& to, const FieldSchema& field, bool tagged) {
    if (field.is_array) {
        append_array(to, field);
        return;
    }
    bool nullable = field.nullable.contains(version_);
    bool may_lack = field.type == FieldType::structure && nullable;
    if (may_lack && !in_.read_presence(field.name, tagged, nullable)) {
        to += "null";
        return;
    }
    append_single(to, field);
}

void MessageWalk::append_array(std::string& to, const FieldSchema& field) {
    bool compact = field.compact.contains(version_);
    auto count = in_.read_count(field.name, compact, field.nullable.contains(version_), 1);
    if (!count) {
        to += "null";
        return;
    }
    to += '[';
    for (std::size_t i = 0; i < *count && in_.ok(); ++i) {
        if (i > 0) to += ',';
        append_single(to, field);
    }
    to += ']';
}

void MessageWalk::append_single(std::string& to, const FieldSchema& field) {
    switch (field.type) {
        case FieldType::boolean:
            to += in_.read_bool(field.name) ? "true" : "false";
            break;
        case FieldType::int8:
            append_number(to, in_.read_int8(field.name));
            break;
        case FieldType::int16:
            append_number(to, in_.read_int16(field.name));
            break;
        case FieldType::uint16:
            append_number(to, in_.read_uint16(field.name));
            break;
        case FieldType::int32:
            append_number(to, in_.read_int32(field.name));
            break;
        case FieldType::uint32:
            append_number(to, in_.read_uint32(field.name));
            break;
        case FieldType::int64:
            append_number(to, in_.read_int64(field.name));
            break;
        case FieldType::float64:
            append_float(to, in_.read_float64(field.name));
            break;
        case FieldType::uuid:
            append_quoted(to, in_.read_uuid(field.name).to_string());
            break;
        case FieldType::structure:
            append_struct(to, *field.structure);
            break;
        case FieldType::string:
        case FieldType::bytes:
        case FieldType::records:
            append_bytes(to, field);
            break;
    }
}

void MessageWalk::append_bytes(std::string& to, const FieldSchema& field) {
    bool compact = field.compact.contains(version_);
    bool nullable = field.nullable.contains(version_) && !field.is_array;
    if (field.type == FieldType::string) {
        std::optional<std::string_view> text;
        in_.read_string(text, field.name, compact, nullable);
        if (text) {
            append_quoted(to, *text);
        } else {
            to += "null";
        }
        return;
    }
    std::optional<Slice> value;
    in_.read_bytes(value, field.name, compact, nullable);
    if (!value) {
        to += "null";
    } else if (field.type == FieldType::records) {
        to += "\"\"";  // Kafka's converters do not show them
    } else if (options_.embedded == nullptr || !options_.embedded(to, field, *value)) {
        append_quoted_base64(to, *value);
    }
}

}  // namespace

Result<> append_json(std::string& to, const MessageSchema& schema, Reader& in, std::int16_t version,
                     const JsonOptions& options) {
    MessageWalk(schema, in, version, options).append_struct(to, *schema.body);
    if (!in.ok()) return fail(in.error(schema.name));
    return {};
}

}  // namespace millrace
