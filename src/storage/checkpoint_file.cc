#include "storage/checkpoint_file.h"

#include <fmt/core.h>

#include "env/disk.h"
#include "storage/text_lines.h"

namespace millrace::storage {

std::string PartitionName::to_string() const { return fmt::format("{}-{}", topic, partition); }

std::string to_text(const OffsetCheckpoint& checkpoint) {
    std::string text = fmt::format("0\n{}\n", checkpoint.size());
    for (const auto& [name, offset] : checkpoint) {
        text += fmt::format("{} {} {}\n", name.topic, name.partition, offset);
    }
    return text;
}

Result<OffsetCheckpoint> parse_offset_checkpoint(std::string_view text, std::string_view name) {
    ASSIGN_OR_RETURN(auto entries, parse_checkpoint_lines(text, 3, name));
    OffsetCheckpoint checkpoint;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        auto partition = parse_number<std::int32_t>(entries[i][1]);
        auto offset = parse_number<Offset>(entries[i][2]);
        if (!partition || !offset || *partition < 0 || *offset < 0) {
            return bad_line(name, i + 3, "a topic, a partition and an offset");
        }
        checkpoint.insert_or_assign(PartitionName{std::string(entries[i][0]), *partition}, *offset);
    }
    return checkpoint;
}

Result<OffsetCheckpoint> read_offset_checkpoint(env::Disk& disk, std::string_view path) {
    if (!disk.exists(path)) return OffsetCheckpoint{};
    ASSIGN_OR_RETURN(std::string text, env::read_file(disk, path));
    return parse_offset_checkpoint(text, path);
}

}  // namespace millrace::storage
