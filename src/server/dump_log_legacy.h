#pragma once

#include <cstdint>

#include "base/result.h"
#include "server/dump_log_file.h"
#include "server/dump_log_output.h"

namespace millrace::server {

struct BatchRecords;

// Batches of magic 0 and 1 (formats before Kafka 0.11), which old segments may still hold: one
// record, or one whose value is a compressed list of records.

// Offset, length, CRC, magic, attributes and the timestamp of magic 1.
inline constexpr std::size_t legacy_header_size = 26;

// corrupt_message: another magic, or a header that is cut short.
Result<BatchLine> legacy_line(Bytes header);
Result<> check_legacy(FileWindow& file, BatchLine& line);
// What is compressed may inflate to `limit` bytes.
Result<> visit_legacy(Bytes batch, const BatchLine& line, std::size_t limit, BatchRecords& visitor);

}  // namespace millrace::server
