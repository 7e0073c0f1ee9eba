#include "client/held_records.h"

#include <algorithm>
#include <fmt/format.h>

namespace millrace::client {

void HeldRecords::add(std::int32_t node, const Uuid& topic_id, const AcquiredBatch& batch,
                      bool keeps) {
    Partition& partition = partitions_[{batch.partition, node}];
    partition.node = node;
    partition.topic_id = topic_id;
    for (const Record& record : batch.records) {
        auto [at, added] = partition.records.try_emplace(record.offset);
        // It was given before, and its lock ran out meanwhile: this time counts.
        if (!added) {
            if (at->second.state == Held::State::given && !at->second.answer) --unanswered_;
            if (at->second.state == Held::State::renewing) --renewing_;
            if (at->second.state == Held::State::renewed) --renewed_;
            at->second = {};
        }
        ++unanswered_;
    }
    if (keeps) partition.batches.push_back(batch);
}

Result<> HeldRecords::acknowledge(const TopicPartition& name, std::int64_t offset,
                                  AcknowledgeType type) {
    for (auto at = partitions_.lower_bound({name, -1});
         at != partitions_.end() && at->first.first == name; ++at) {
        auto held = at->second.records.find(offset);
        if (held == at->second.records.end() || held->second.state != Held::State::given) continue;
        if (!held->second.answer) --unanswered_;
        held->second.answer = type;
        return {};
    }
    return fail(ErrorCode::invalid_record_state,
                fmt::format("Offset {} of {} is not held by this consumer: only what the last "
                            "poll() gave can be acknowledged, until it is committed",
                            offset, to_string(name)));
}

void HeldRecords::acknowledge_all(AcknowledgeType type) {
    for (auto& [name, partition] : partitions_) {
        for (auto& [offset, held] : partition.records) {
            if (held.state == Held::State::given && !held.answer) held.answer = type;
        }
    }
    unanswered_ = 0;
}

// Batches of which nothing is held any more.
void HeldRecords::forget_unheld(Partition& partition) {
    std::erase_if(partition.batches, [&](const AcquiredBatch& batch) {
        return std::ranges::none_of(batch.records, [&](const Record& record) {
            return partition.records.contains(record.offset);
        });
    });
}

std::vector<Answers> HeldRecords::take() {
    std::vector<Answers> taken;
    for (auto at = partitions_.begin(); at != partitions_.end();) {
        Partition& partition = at->second;
        Answers answers{
            partition.node, {partition.topic_id, at->first.first.partition}, at->first.first, {}};
        for (auto record = partition.records.begin(); record != partition.records.end();) {
            Held& held = record->second;
            if (held.state != Held::State::given || !held.answer) {
                ++record;
                continue;
            }
            append_to(answers.ranges, record->first, record->first, *held.answer);
            if (*held.answer == AcknowledgeType::renew) {
                held = {std::nullopt, Held::State::renewing};
                ++renewing_;
                ++record;
            } else {
                record = partition.records.erase(record);
            }
        }
        if (!answers.ranges.empty()) taken.push_back(std::move(answers));
        forget_unheld(partition);
        at = partition.records.empty() ? partitions_.erase(at) : std::next(at);
    }
    return taken;
}

void HeldRecords::settled(const Answers& answers, bool taken) {
    auto at = partitions_.find({answers.name, answers.node});
    if (at == partitions_.end()) return;
    Partition& partition = at->second;
    for (const AcknowledgedRange& range : answers.ranges) {
        if (range.type != AcknowledgeType::renew) continue;
        auto record = partition.records.lower_bound(range.first);
        while (record != partition.records.end() && record->first <= range.last) {
            if (record->second.state != Held::State::renewing) {
                ++record;
                continue;
            }
            --renewing_;
            if (taken) {
                record->second.state = Held::State::renewed;
                ++renewed_;
                ++record;
            } else {
                record = partition.records.erase(record);
            }
        }
    }
    forget_unheld(partition);
    if (partition.records.empty()) partitions_.erase(at);
}

ShareRecords HeldRecords::take_renewed() {
    ShareRecords given;
    for (auto& [name, partition] : partitions_) {
        for (const AcquiredBatch& batch : partition.batches) {
            AcquiredBatch again{batch, {}};
            again.records.clear();
            for (std::size_t i = 0; i < batch.records.size(); ++i) {
                auto held = partition.records.find(batch.records[i].offset);
                if (held == partition.records.end() || held->second.state != Held::State::renewed)
                    continue;
                held->second = {};
                --renewed_;
                ++unanswered_;
                again.records.push_back(batch.records[i]);
                again.delivery_counts.push_back(batch.delivery_counts[i]);
            }
            if (again.records.empty()) continue;
            given.count += again.records.size();
            given.batches.push_back(std::move(again));
        }
    }
    return given;
}

void HeldRecords::clear() {
    partitions_.clear();
    unanswered_ = renewing_ = renewed_ = 0;
}

}  // namespace millrace::client
