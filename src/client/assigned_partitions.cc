#include "client/assigned_partitions.h"

#include <algorithm>
#include <set>

namespace millrace::client {

std::optional<Timestamp> reset_time(const OffsetReset& reset, Timestamp now) {
    switch (reset.strategy) {
        case OffsetReset::Strategy::none:
            return std::nullopt;
        case OffsetReset::Strategy::earliest:
            return earliest_timestamp;
        case OffsetReset::Strategy::latest:
            return latest_timestamp;
        case OffsetReset::Strategy::by_duration:
            return std::max<Timestamp>(0, now - reset.back.ms());
    }
    return std::nullopt;
}

void AssignedPartitions::assign(const std::vector<TopicPartition>& partitions) {
    std::set<TopicPartition> wanted(partitions.begin(), partitions.end());
    for (auto at = partitions_.begin(); at != partitions_.end();) {
        if (wanted.contains(at->first)) {
            ++at;
            continue;
        }
        drop_fetched(at->second);
        at = partitions_.erase(at);
    }
    for (const TopicPartition& partition : wanted) {
        auto [at, added] = partitions_.try_emplace(partition);
        if (added) at->second.incarnation = ++incarnations_;
    }
    std::erase_if(turns_, [&](const TopicPartition& name) { return !wanted.contains(name); });
}

AssignedPartition* AssignedPartitions::find(const TopicPartition& partition) {
    auto found = partitions_.find(partition);
    return found == partitions_.end() ? nullptr : &found->second;
}

const AssignedPartition* AssignedPartitions::find(const TopicPartition& partition) const {
    auto found = partitions_.find(partition);
    return found == partitions_.end() ? nullptr : &found->second;
}

std::vector<TopicPartition> AssignedPartitions::names() const {
    std::vector<TopicPartition> names;
    for (const auto& [name, partition] : partitions_) names.push_back(name);
    return names;
}

void AssignedPartitions::drop_fetched(AssignedPartition& partition) {
    fetched_bytes_ -= partition.fetched_bytes;
    partition.fetched_bytes = 0;
    partition.fetched.clear();
    partition.fetch_offset = partition.position;
}

void AssignedPartitions::look_anew(AssignedPartition& partition, AssignedPartition::Need need) {
    drop_fetched(partition);
    partition.need = need;
    partition.looking = false;
    partition.error.reset();
    partition.incarnation = ++incarnations_;
}

void AssignedPartitions::seek(AssignedPartition& partition, std::int64_t offset,
                              std::int32_t epoch) {
    look_anew(partition, AssignedPartition::Need::nothing);
    partition.position = offset;
    partition.fetch_offset = offset;
    partition.position_epoch = epoch;
    partition.failures = 0;
    partition.not_before = Time();
}

void AssignedPartitions::reset(AssignedPartition& partition, Timestamp to) {
    look_anew(partition, AssignedPartition::Need::reset);
    partition.reset_to = to;
}

void AssignedPartitions::add(const TopicPartition& name, AssignedPartition& partition,
                             FetchedRecords records) {
    if (auto end = records.end())
        partition.fetch_offset = std::max(partition.fetch_offset, end->offset);
    if (partition.fetched.empty() && std::ranges::find(turns_, name) == turns_.end())
        turns_.push_back(name);
    partition.fetched_bytes += records.size();
    fetched_bytes_ += records.size();
    partition.fetched.push_back(std::move(records));
}

// False when there was nothing to take.
Result<bool> AssignedPartitions::take_some(const TopicPartition&, AssignedPartition& partition,
                                           std::size_t limit, ConsumerRecords& into) {
    std::size_t before = into.count;
    while (!partition.fetched.empty() && into.count - before < limit) {
        FetchedRecords& records = partition.fetched.front();
        ASSIGN_OR_RETURN(std::optional<ConsumedBatch> batch,
                         records.next(partition.position, limit - (into.count - before)));
        if (!batch) {
            partition.fetched_bytes -= records.size();
            fetched_bytes_ -= records.size();
            partition.fetched.pop_front();
            continue;
        }
        partition.position_epoch = batch->leader_epoch;
        into.count += batch->records.size();
        into.batches.push_back(*std::move(batch));
    }
    return into.count > before;
}

Result<ConsumerRecords> AssignedPartitions::take(std::size_t limit) {
    ConsumerRecords records;
    for (auto& [name, partition] : partitions_) {
        if (!partition.error) continue;
        // The user may seek; otherwise the next request brings the error again.
        Error error = *std::exchange(partition.error, std::nullopt);
        return fail(std::move(error));
    }
    for (std::size_t left = turns_.size(); left > 0 && records.count < limit; --left) {
        TopicPartition name = std::move(turns_.front());
        turns_.pop_front();
        AssignedPartition* partition = find(name);
        if (partition == nullptr) continue;
        if (partition->paused || partition->need != AssignedPartition::Need::nothing) {
            if (!partition->fetched.empty()) turns_.push_back(std::move(name));
            continue;
        }
        Result<bool> taken = take_some(name, *partition, limit - records.count, records);
        // A partition that has more keeps its turn when the limit came in between; a broken one
        // lets the others go first.
        if (!partition->fetched.empty()) {
            if (taken)
                turns_.push_front(name);
            else
                turns_.push_back(name);
        }
        if (!taken && records.empty()) return fail(std::move(taken).error());
        if (!taken) break;
    }
    return records;
}

}  // namespace millrace::client
