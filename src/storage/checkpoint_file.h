#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "storage/offset.h"

namespace millrace::env {
class Disk;
}

namespace millrace::storage {

// A partition as checkpoints and directory names spell it: orders-3.
struct PartitionName {
    std::string topic;
    std::int32_t partition = 0;

    auto operator<=>(const PartitionName&) const = default;
    std::string to_string() const;
};

// Text checkpoints: a version line, a count line, then one entry a line (formats 1.2).
using OffsetCheckpoint = std::map<PartitionName, Offset>;

std::string to_text(const OffsetCheckpoint& checkpoint);
// kafka_storage_error, naming the file and the line; an empty text has no entries.
Result<OffsetCheckpoint> parse_offset_checkpoint(std::string_view text, std::string_view name);
// A missing file has no entries.
Result<OffsetCheckpoint> read_offset_checkpoint(env::Disk& disk, std::string_view path);

}  // namespace millrace::storage
