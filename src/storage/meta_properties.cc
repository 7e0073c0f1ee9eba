#include "storage/meta_properties.h"

#include <array>
#include <chrono>
#include <fmt/chrono.h>
#include <fmt/core.h>

#include "base/crc32c.h"
#include "storage/text_lines.h"

namespace millrace::storage {
namespace {

// A comment to Java's Properties, and so to Apache, which drops it when it writes the file anew.
constexpr std::string_view checksum_comment = "#crc32c=";

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\f";
    std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// Java's Properties escape these in values.
std::string escaped(std::string_view value) {
    std::string out;
    for (char c : value) {
        if (c == '\\' || c == ':' || c == '=' || c == '#' || c == '!') out += '\\';
        out += c;
    }
    return out;
}

std::string unescaped(std::string_view value) {
    std::string out;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (value[i] == '\\' && i + 1 < value.size()) ++i;
        out += value[i];
    }
    return out;
}

std::unexpected<Error> refuse(std::string_view name, std::string_view why) {
    return fail(ErrorCode::kafka_storage_error, fmt::format("{}: {}", name, why));
}

}  // namespace

std::string MetaProperties::to_text(Timestamp now) const {
    std::chrono::sys_seconds date{std::chrono::seconds(now / 1000)};
    std::string lines = properties();
    return fmt::format("{}{:08x}\n#{:%a %b %d %H:%M:%S} UTC {:%Y}\n{}", checksum_comment,
                       crc32c(as_bytes(lines)), date, date, lines);
}

std::string MetaProperties::properties() const {
    std::string text;
    if (cluster_id) text += fmt::format("cluster.id={}\n", escaped(*cluster_id));
    if (directory_id) text += fmt::format("directory.id={}\n", directory_id->to_string());
    if (node_id) text += fmt::format("{}={}\n", version == 0 ? "broker.id" : "node.id", *node_id);
    text += fmt::format("version={}\n", version);
    return text;
}

Result<MetaProperties> MetaProperties::parse(std::string_view text, std::string_view name) {
    MetaProperties meta;
    std::optional<std::int32_t> version;
    std::optional<std::int32_t> broker_id;
    std::string_view checksum;
    while (!text.empty()) {
        std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.starts_with(checksum_comment)) checksum = line.substr(checksum_comment.size());
        if (line.empty() || line[0] == '#' || line[0] == '!') continue;
        std::size_t split = line.find_first_of("=:");
        if (split == std::string_view::npos) continue;
        std::string_view key = trimmed(line.substr(0, split));
        std::string value = unescaped(trimmed(line.substr(split + 1)));
        auto number = parse_number<std::int32_t>(value);
        bool numeric = key == "version" || key == "node.id" || key == "broker.id";
        if (numeric && !number) return refuse(name, fmt::format("{}={} is no number", key, value));
        if (key == "version") version = number;
        if (key == "node.id") meta.node_id = number;
        if (key == "broker.id") broker_id = number;
        if (key == "cluster.id") meta.cluster_id = value;
        if (key == "directory.id") {
            auto id = Uuid::parse(value);
            if (!id) return refuse(name, fmt::format("directory.id={} is no id", value));
            meta.directory_id = *id;
        }
    }
    if (!version) return refuse(name, "there is no key version");
    if (*version != 0 && *version != 1) {
        return refuse(name, fmt::format("version={} where 0 and 1 are known", *version));
    }
    meta.version = *version;
    if (*version == 0) meta.node_id = broker_id;
    if (*version == 1 && !meta.node_id) return refuse(name, "there is no key node.id");
    if (*version == 1 && !meta.cluster_id) return refuse(name, "there is no key cluster.id");
    if (!checksum.empty() &&
        checksum != fmt::format("{:08x}", crc32c(as_bytes(meta.properties())))) {
        return refuse(name,
                      "its checksum is another one: restore what it was, or remove the line "
                      "\"#crc32c=\" where it was edited on purpose");
    }
    return meta;
}

}  // namespace millrace::storage
