#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "client/client_config.h"
#include "client/fetched_records.h"
#include "client/topic_partition.h"

namespace millrace::client {

// One partition of a consumer: where it is, and what was fetched ahead.
struct AssignedPartition {
    // What stands between it and fetching.
    enum class Need : std::uint8_t {
        nothing,
        committed,   // the group's offset, or a reset without one
        reset,       // the offset of reset_to
        validation,  // whether the log still has what was read (KIP-320)
    };
    Need need = Need::committed;
    Timestamp reset_to = -1;  // as in ListOffsets
    bool looking = false;     // somebody is finding out
    bool paused = false;
    // Changes when the position is set: what was asked for before is of no use.
    std::uint64_t incarnation = 0;

    std::int64_t position = -1;        // of the next record for the user
    std::int32_t position_epoch = -1;  // leader epoch of the record before it
    std::int32_t leader_epoch = -1;    // that the position is valid for
    std::int64_t fetch_offset = -1;    // behind what was fetched ahead
    std::deque<FetchedRecords> fetched;
    std::size_t fetched_bytes = 0;

    // As the last response told it.
    std::optional<std::int64_t> high_watermark;
    std::optional<std::int64_t> last_stable_offset;
    std::int32_t preferred_replica = -1;
    Time preferred_until;
    Time not_before;  // of the next request
    int failures = 0;
    std::optional<Error> error;  // for the user, once

    bool fetchable() const { return need == Need::nothing && !paused && !error; }
};

// Named offsets of ListOffsets.
inline constexpr Timestamp latest_timestamp = -1;
inline constexpr Timestamp earliest_timestamp = -2;

// What auto.offset.reset means at `now`; nothing: none.
std::optional<Timestamp> reset_time(const OffsetReset& reset, Timestamp now);

class AssignedPartitions {
  public:
    using Map = std::map<TopicPartition, AssignedPartition>;

    // Exactly these; those that stay keep all they have.
    void assign(const std::vector<TopicPartition>& partitions);
    AssignedPartition* find(const TopicPartition& partition);
    const AssignedPartition* find(const TopicPartition& partition) const;
    Map& all() { return partitions_; }
    const Map& all() const { return partitions_; }
    std::vector<TopicPartition> names() const;

    // What was fetched ahead is dropped.
    void seek(AssignedPartition& partition, std::int64_t offset, std::int32_t epoch);
    void reset(AssignedPartition& partition, Timestamp to);
    void look_anew(AssignedPartition& partition, AssignedPartition::Need need);

    void add(const TopicPartition& name, AssignedPartition& partition, FetchedRecords records);
    // Up to `limit` records of partitions in turn, positions moved on. The error of a partition
    // comes alone, when there is nothing before it.
    Result<ConsumerRecords> take(std::size_t limit);
    // Of all partitions.
    std::size_t fetched_bytes() const { return fetched_bytes_; }

  private:
    void drop_fetched(AssignedPartition& partition);
    Result<bool> take_some(const TopicPartition& name, AssignedPartition& partition,
                           std::size_t limit, ConsumerRecords& into);

    Map partitions_;
    std::deque<TopicPartition> turns_;  // of partitions that have something fetched
    std::size_t fetched_bytes_ = 0;
    std::uint64_t incarnations_ = 0;
};

}  // namespace millrace::client
