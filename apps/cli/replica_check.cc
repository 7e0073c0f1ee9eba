#include "cli/replica_check.h"

#include <fmt/format.h>

#include "records/batch.h"

namespace millrace::cli {
namespace {

struct Reading {
    const ReplicaAnswer& answer;
    Bytes rest;
};

// The next batch that counts; nothing where there is none below the high watermark.
Result<std::optional<BatchView>> next(Reading& reading) {
    ASSIGN_OR_RETURN(std::optional<BatchView> batch, BatchView::first(reading.rest));
    if (!batch) return std::nullopt;
    reading.rest = reading.rest.subspan(batch->size());
    if (batch->last_offset() >= reading.answer.high_watermark) return std::nullopt;
    return batch;
}

}  // namespace

Result<ReplicaCheck> check_replicas(const client::TopicPartition& partition, std::int64_t from,
                                    std::span<const ReplicaAnswer> answers) {
    std::string name = to_string(partition);
    std::vector<Reading> readings;
    for (const ReplicaAnswer& answer : answers)
        readings.push_back({answer, answer.records.bytes()});
    ReplicaCheck check{.next_offset = from};
    for (bool all = !readings.empty(); all;) {
        std::optional<BatchView> first;
        std::int32_t one = 0;  // whose it is
        for (Reading& reading : readings) {
            ASSIGN_OR_RETURN(std::optional<BatchView> batch, next(reading));
            if (!batch) {
                all = false;
                continue;
            }
            if (!first) {
                first = batch;
                one = reading.answer.broker;
                continue;
            }
            std::int32_t other = reading.answer.broker;
            if (first->last_offset() != batch->last_offset()) {
                check.parted = fmt::format(
                    "partition {}: replica {}'s offset {} doesn't match replica {}'s offset {}",
                    name, one, first->last_offset(), other, batch->last_offset());
                return check;
            }
            if (first->crc() == batch->crc()) continue;
            check.mismatches.push_back(fmt::format(
                "partition {} has unmatched checksum at offset {}; replica {}'s checksum {}; "
                "replica {}'s checksum {}",
                name, batch->last_offset(), one, first->crc(), other, batch->crc()));
        }
        if (all) check.next_offset = first->next_offset();
    }
    return check;
}

}  // namespace millrace::cli
