#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "base/result.h"
#include "server/dump_log_decoder.h"
#include "server/dump_log_file.h"
#include "server/dump_log_output.h"

namespace millrace::env {
class Disk;
}

namespace millrace::server {

// How logs and snapshots are read, and what of them is shown.
struct RecordDump {
    static constexpr std::int32_t all_bytes = std::numeric_limits<std::int32_t>::max();

    bool records = false;   // not only batches
    bool contents = false;  // keys and values too
    bool metadata = true;   // of the records
    std::int32_t max_bytes = all_bytes;
    RecordDecoder decoder;
    // Batches above this size are told, but their records are not read.
    std::size_t batch_limit = default_inflated_limit;
};

// Tells a .log or .checkpoint, batch by batch. Memory follows the largest batch whose records are
// read, and is bounded by batch_limit. corrupt_message, invalid_record: from here on the file holds
// no batches; what was before it is told.
Result<> dump_records(env::Disk& disk, const std::string& path, const RecordDump& dump,
                      DumpOutput& output, Findings& findings);

// A batch of a file, as far as its header was read.
struct FoundBatch {
    BatchLine line;
    // The header's bytes of the batch, which `line.header` is a view of.
    Slice header;
};
// The batch that begins at `position` and ends before `end`; nullopt when none does.
Result<std::optional<FoundBatch>> find_batch(FileWindow& file, std::uint64_t position,
                                             std::uint64_t end);
// Fills in whether its CRC is right.
Result<> check_batch(FileWindow& file, FoundBatch& batch);

// The records of a batch, of any magic.
struct BatchRecords {
    virtual ~BatchRecords() = default;
    virtual Result<> record(const Record& record, std::optional<RecordLine::Checksum> crc) = 0;
};
Result<> visit_records(FileWindow& file, const FoundBatch& batch, std::size_t limit,
                       BatchRecords& visitor);

}  // namespace millrace::server
