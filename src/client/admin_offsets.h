#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "client/admin.h"
#include "client/topic_partition.h"

namespace millrace::client {

// What is asked of the leaders of partitions.

// Which offset is wanted: that of the first record at a time or later, or one of these.
namespace offset_at {
inline constexpr std::int64_t latest = -1;
inline constexpr std::int64_t earliest = -2;
inline constexpr std::int64_t max_timestamp = -3;
inline constexpr std::int64_t earliest_local = -4;
inline constexpr std::int64_t latest_tiered = -5;
inline constexpr std::int64_t earliest_pending_upload = -6;
}  // namespace offset_at

struct ListedOffset {
    std::int64_t offset = -1;  // -1: there is no such record
    Timestamp timestamp = -1;  // of the record, where one was looked for
    std::int32_t leader_epoch = -1;
};
// ListOffsets of each partition at a timestamp or a constant of offset_at.
Task<Outcomes<TopicPartition, ListedOffset>> list_offsets(
    Admin& admin, std::map<TopicPartition, std::int64_t> partitions, bool read_committed = false);

// Deletes records below these offsets (-1: all below the high watermark) and gives the new log
// start offsets.
Task<Outcomes<TopicPartition, std::int64_t>> delete_records(
    Admin& admin, std::map<TopicPartition, std::int64_t> before);

struct ActiveProducer {
    std::int64_t producer_id = 0;
    std::int32_t producer_epoch = 0;
    std::int32_t last_sequence = -1;
    Timestamp last_timestamp = -1;
    std::int32_t coordinator_epoch = -1;
    std::int64_t transaction_start_offset = -1;  // -1: none is open
};
// Of the leaders, or of one broker's replicas.
Task<Outcomes<TopicPartition, std::vector<ActiveProducer>>> describe_producers(
    Admin& admin, std::vector<TopicPartition> partitions,
    std::optional<std::int32_t> broker = std::nullopt);

}  // namespace millrace::client
