#pragma once

#include <cstdint>
#include <expected>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "records/batch.h"

namespace millrace {

// What the topic and the request ask of a produced batch.
struct ProduceRules {
    // "orders-3": named in the messages. Outlives the call.
    std::string_view partition;
    // max.message.bytes: bound of the whole batch.
    std::int32_t max_message_bytes = 1048588;
    // cleanup.policy has compact: every record needs a key.
    bool compacted = false;
    // message.timestamp.type, .before.max.ms, .after.max.ms
    TimestampType timestamp_type = TimestampType::create_time;
    std::int64_t timestamp_before_max_ms = std::numeric_limits<std::int64_t>::max();
    std::int64_t timestamp_after_max_ms = 3600000;
    // compression.type; nullopt is `producer`. The level of that codec, or its default.
    std::optional<Codec> codec;
    std::optional<int> level;
    // Produce before version 7 may not carry zstd.
    bool allow_zstd = true;
    // The request has a transactional id.
    bool allow_transactional = true;
    // Most bytes that a batch may inflate to.
    std::size_t inflated_limit = default_inflated_limit;
};

// What the leader appends: only base offset and leader epoch are still to be set.
struct ValidatedBatch {
    Slice batch;
    // Of the batch as it is stored.
    Timestamp max_timestamp = no_timestamp;
    std::int32_t count = 0;
    // The batch was made anew (another codec): its size is not what was sent.
    bool rebuilt = false;

    BatchView view() const { return BatchView::trusted(batch); }
};

struct RecordError {
    std::int32_t index = 0;
    std::string message;

    bool operator==(const RecordError&) const = default;
};

// Why a batch was refused. Apache sends the message to the client only when it comes with record
// errors (Produce version 8 and later), and null otherwise.
struct Rejection {
    Error error;
    std::vector<RecordError> record_errors;
    // The request was at fault before the log was asked; the client then hears nothing of the log.
    bool in_request = false;
    bool tells_message = false;  // Apache sends the message with this one
};

// Most record errors that a rejection lists: a small compressed batch can hold millions.
inline constexpr std::size_t most_record_errors = 1000;

// What a leader checks of the records of one partition in a Produce request (formats: one batch,
// magic, size, CRC, header, each record), and what it stamps. Keeps its buffers between calls.
class BatchValidator {
  public:
    BatchValidator();
    ~BatchValidator();

    // `records` is what the request holds for one partition. Timestamps are stamped in place, so
    // the caller alone is concerned with these bytes. `now` is the wall clock.
    std::expected<ValidatedBatch, Rejection> validate(Slice records, const ProduceRules& rules,
                                                      Timestamp now);

  private:
    struct Workspace;
    std::unique_ptr<Workspace> workspace_;
};

}  // namespace millrace
