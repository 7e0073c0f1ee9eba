#include <fmt/format.h>

#include "client/consumer_core.h"
#include "client/log.h"
#include "client/offset_lookup.h"

namespace millrace::client {

AssignedPartition* ConsumerCore::still(const TopicPartition& name, std::uint64_t incarnation) {
    AssignedPartition* partition = partitions_.find(name);
    return partition != nullptr && partition->incarnation == incarnation ? partition : nullptr;
}

void ConsumerCore::set_position(const TopicPartition& name, AssignedPartition& partition,
                                std::int64_t offset, std::int32_t epoch) {
    LOG_DEBUG("{} is read from offset {}", to_string(name), offset);
    partitions_.seek(partition, offset, epoch);
    changed_.raise();
    fetcher_->wake();
}

// Tries again after a pause what may be tried again; the rest is the user's to know.
void ConsumerCore::put_off(const std::map<TopicPartition, std::uint64_t>& wanted,
                           const Error& error) {
    for (const auto& [name, incarnation] : wanted) {
        AssignedPartition* partition = still(name, incarnation);
        if (partition == nullptr) continue;
        partition->looking = false;
        ++partition->failures;
        partition->not_before =
            shard_.now() + config_.cluster().retry.after(partition->failures, shard_.random());
    }
    LOG_DEBUG("Positions are not known yet: {}", error.message);
    // A membership that has ended is the next turn's to see.
    bool lost = coordinated_ != nullptr && (error.code == ErrorCode::unknown_member_id ||
                                            error.code == ErrorCode::stale_member_epoch);
    if (!is_retriable(error.code) && !lost && !error_) error_ = error;
    changed_.raise();
}

// A leader of another epoch may have cut the log below what was read.
void ConsumerCore::check_epochs() {
    for (auto& [name, partition] : partitions_.all()) {
        if (partition.need != AssignedPartition::Need::nothing) continue;
        const PartitionInfo* info = cluster_.metadata()->partition(name.topic, name.partition);
        if (info == nullptr || info->leader_epoch < 0 ||
            info->leader_epoch == partition.leader_epoch)
            continue;
        bool newer = partition.position_epoch >= 0 && info->leader_epoch > partition.position_epoch;
        partition.leader_epoch = info->leader_epoch;
        if (newer) partitions_.look_anew(partition, AssignedPartition::Need::validation);
    }
}

void ConsumerCore::look_for_positions() {
    check_epochs();
    std::map<TopicPartition, std::uint64_t> committed, resets, validations;
    Time now = shard_.now();
    Time next = Time::never();
    for (auto& [name, partition] : partitions_.all()) {
        if (partition.need == AssignedPartition::Need::nothing || partition.looking) continue;
        if (partition.not_before > now) {
            next = std::min(next, partition.not_before);
            continue;
        }
        partition.looking = true;
        if (partition.need == AssignedPartition::Need::committed)
            committed.emplace(name, partition.incarnation);
        else if (partition.need == AssignedPartition::Need::reset)
            resets.emplace(name, partition.incarnation);
        else
            validations.emplace(name, partition.incarnation);
    }
    if (!committed.empty()) scope_.spawn(find_committed(std::move(committed)));
    if (!resets.empty()) scope_.spawn(find_resets(std::move(resets)));
    if (!validations.empty()) scope_.spawn(validate(std::move(validations)));
    alarm_.stop();
    if (next != Time::never()) alarm_.start(shard_, next);
}

Task<void> ConsumerCore::find_committed(std::map<TopicPartition, std::uint64_t> wanted) {
    PartitionOffsets offsets;
    if (member_) {
        Partitions names;
        for (const auto& [name, incarnation] : wanted) names.push_back(name);
        Result<PartitionOffsets> found = co_await committed_once(std::move(names));
        if (!found) co_return put_off(wanted, found.error());
        offsets = *std::move(found);
    }
    std::optional<Timestamp> reset = reset_time(config_.offset_reset(), shard_.wall_ms());
    for (const auto& [name, incarnation] : wanted) {
        AssignedPartition* partition = still(name, incarnation);
        if (partition == nullptr) continue;
        partition->looking = false;
        if (auto at = offsets.find(name); at != offsets.end()) {
            set_position(name, *partition, at->second.offset, at->second.leader_epoch);
        } else if (reset) {
            partitions_.reset(*partition, *reset);
            changed_.raise();
        } else {
            put_off({{name, incarnation}},
                    {ErrorCode::offset_out_of_range,
                     fmt::format("There is no committed offset for {} and auto.offset.reset is "
                                 "none: seek to where reading is to begin",
                                 to_string(name))});
        }
    }
}

Task<void> ConsumerCore::find_resets(std::map<TopicPartition, std::uint64_t> wanted) {
    OffsetsByTime times;
    for (const auto& [name, incarnation] : wanted)
        if (AssignedPartition* partition = still(name, incarnation))
            times.emplace(name, partition->reset_to);
    FoundOffsets found = co_await ask_offsets(cluster_, times, config_.isolation());
    for (const auto& [name, answer] : found) {
        std::uint64_t incarnation = wanted.at(name);
        AssignedPartition* partition = still(name, incarnation);
        if (partition == nullptr) continue;
        partition->looking = false;
        if (!answer) {
            put_off({{name, incarnation}}, answer.error());
        } else if (answer->offset >= 0) {
            set_position(name, *partition, answer->offset, answer->leader_epoch);
        } else {
            // Nothing is as young as auto.offset.reset asks: what comes from now on is.
            partitions_.reset(*partition, latest_timestamp);
            changed_.raise();
        }
    }
}

void ConsumerCore::truncated(const TopicPartition& name, AssignedPartition& partition,
                             std::int64_t end_offset) {
    std::string what = fmt::format(
        "The log of {} was cut below offset {}, up to which it was read, by an unclean election",
        to_string(name), partition.position);
    if (config_.offset_reset().strategy == OffsetReset::Strategy::none) {
        partition.looking = false;
        put_off({{name, partition.incarnation}},
                {ErrorCode::offset_out_of_range,
                 what + fmt::format("; auto.offset.reset is none: seek to {} or elsewhere",
                                    end_offset)});
        return;
    }
    LOG_WARN("{}; reading goes on at {}", what, end_offset);
    if (end_offset >= 0) {
        set_position(name, partition, end_offset, -1);
    } else {
        partitions_.reset(partition, *reset_time(config_.offset_reset(), shard_.wall_ms()));
        changed_.raise();
    }
}

Task<void> ConsumerCore::validate(std::map<TopicPartition, std::uint64_t> wanted) {
    std::map<TopicPartition, EpochQuestion> questions;
    for (const auto& [name, incarnation] : wanted)
        if (AssignedPartition* partition = still(name, incarnation))
            questions[name] = {partition->position_epoch, partition->leader_epoch};
    FoundEpochEnds found = co_await ask_epoch_ends(cluster_, questions);
    for (const auto& [name, answer] : found) {
        std::uint64_t incarnation = wanted.at(name);
        AssignedPartition* partition = still(name, incarnation);
        if (partition == nullptr) continue;
        partition->looking = false;
        // A broker that cannot tell, or must not tell this user, is believed.
        bool cannot_tell =
            !answer && (answer.error().code == ErrorCode::unsupported_version ||
                        answer.error().code == ErrorCode::topic_authorization_failed);
        if (answer && (answer->epoch < 0 || answer->end_offset < partition->position)) {
            truncated(name, *partition, answer->epoch < 0 ? -1 : answer->end_offset);
        } else if (answer || cannot_tell) {
            set_position(name, *partition, partition->position, partition->position_epoch);
        } else {
            // The leader may be another one by now: asked again with its epoch.
            partition->leader_epoch = -1;
            put_off({{name, incarnation}}, answer.error());
            if (const PartitionInfo* info =
                    cluster_.metadata()->partition(name.topic, name.partition))
                partition->leader_epoch = info->leader_epoch;
        }
    }
}

}  // namespace millrace::client
