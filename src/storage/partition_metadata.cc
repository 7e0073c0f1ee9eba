#include "storage/partition_metadata.h"

#include <fmt/core.h>

#include "storage/text_lines.h"

namespace millrace::storage {

std::string partition_metadata_text(const Uuid& topic_id) {
    return fmt::format("version: 0\ntopic_id: {}", topic_id.to_string());
}

Result<Uuid> parse_partition_metadata(std::string_view text, std::string_view name) {
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
