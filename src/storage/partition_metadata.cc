#include "storage/partition_metadata.h"

#include <fmt/core.h>

#include "base/crc32c.h"
#include "storage/text_lines.h"

namespace millrace::storage {

namespace {

// Behind the two lines that Apache reads.
constexpr std::string_view checksum_mark = "\n#crc32c=";

std::string checksum_line(std::string_view lines) {
    return fmt::format("{}{:08x}\n", checksum_mark, crc32c(as_bytes(lines)));
}

}  // namespace

std::string partition_metadata_text(const Uuid& topic_id) {
    std::string lines = fmt::format("version: 0\ntopic_id: {}", topic_id.to_string());
    return lines + checksum_line(lines);
}

Result<Uuid> parse_partition_metadata(std::string_view text, std::string_view name) {
    std::size_t mark = std::min(text.find(checksum_mark), text.size());
    bool sound = mark == text.size() || text.substr(mark) == checksum_line(text.substr(0, mark));
    if (!sound) return bad_line(name, 3, "the checksum of the lines before it");
    std::size_t end = std::min(text.find('\n'), text.size());
    auto version = split_fields(text.substr(0, end));
    if (version.size() != 2 || version[0] != "version:" || version[1] != "0") {
        return bad_line(name, 1, "\"version: 0\"");
    }
    text.remove_prefix(std::min(end + 1, text.size()));
    auto id = split_fields(text.substr(0, text.find('\n')));
    if (id.size() != 2 || id[0] != "topic_id:") return bad_line(name, 2, "\"topic_id: ID\"");
    auto uuid = Uuid::parse(id[1]);
    if (!uuid || uuid->is_zero()) return bad_line(name, 2, "a topic id");
    return *uuid;
}

}  // namespace millrace::storage
