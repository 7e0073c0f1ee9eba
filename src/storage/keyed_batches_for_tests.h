#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "records/batch.h"
#include "records/builder.h"
#include "records/record.h"
#include "storage/log.h"

namespace millrace::storage {

struct KeyAndValue {
    std::optional<std::string> key;
    std::optional<std::string> value;
};

// A record as compaction must leave it, or drop it.
struct KeyedRecord {
    Offset offset = 0;
    std::optional<std::string> key;
    std::optional<std::string> value;
    auto operator<=>(const KeyedRecord&) const = default;
};

inline void PrintTo(const KeyedRecord& record, std::ostream* out) {
    *out << record.offset << ": " << record.key.value_or("null") << "="
         << record.value.value_or("null");
}

// Of the first record; each of the following ones is a millisecond younger.
inline constexpr Timestamp keyed_batch_timestamp = 1'000;

inline Slice keyed_batch(const std::vector<KeyAndValue>& records, const BatchOptions& options = {},
                         Timestamp timestamp = keyed_batch_timestamp) {
    auto bytes = [](const std::optional<std::string>& text) {
        return text ? std::optional(as_bytes(*text)) : std::nullopt;
    };
    BatchBuilder builder(options);
    for (const KeyAndValue& record : records) {
        builder.append(timestamp++, bytes(record.key), bytes(record.value));
    }
    return builder.build();
}

inline std::vector<KeyedRecord> records_in(const BatchView& batch) {
    auto text = [](const std::optional<Bytes>& bytes) {
        return bytes ? std::optional(std::string(as_string(*bytes))) : std::nullopt;
    };
    std::vector<KeyedRecord> found;
    RecordReader reader(batch);
    while (const Record* record = reader.next().value()) {
        found.push_back({record->offset, text(record->key), text(record->value)});
    }
    return found;
}

// Visits every batch of a log, in order.
template <typename Visit>
Result<> for_each_batch(Log& log, Visit visit) {
    Offset at = log.start_offset();
    while (at < log.end_offset()) {
        ASSIGN_OR_RETURN(
            Slice bytes,
            log.load({.offset = at, .max_bytes = 100'000, .upper_bound = log.end_offset()}));
        if (bytes.empty()) return {};
        BatchReader reader(bytes);
        while (true) {
            ASSIGN_OR_RETURN(auto batch, reader.next());
            if (!batch) break;
            RETURN_IF_ERROR(batch->verify_crc());
            at = batch->next_offset();
            visit(*batch);
        }
    }
    return {};
}

// Every record of a log that is no control record.
inline Result<std::vector<KeyedRecord>> records_of(Log& log) {
    std::vector<KeyedRecord> found;
    RETURN_IF_ERROR(for_each_batch(log, [&](const BatchView& batch) {
        if (batch.is_control()) return;
        for (KeyedRecord& record : records_in(batch)) found.push_back(std::move(record));
    }));
    return found;
}

}  // namespace millrace::storage
