#include "core/share/share_coordinator.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>

#include "core/share/state_batches.h"

namespace millrace::share {
namespace {

using Outcome = ShareCoordinator::Outcome;

Outcome refused(ErrorCode code) { return {code, std::string(meaning_of(code))}; }

Outcome uninitialized(const ShareKey& key) {
    return {ErrorCode::invalid_request,
            fmt::format("Nothing is known of share partition {}: it must be initialized first.",
                        key.to_string())};
}

bool are_in_order(const std::vector<StateBatch>& batches) {
    return std::ranges::all_of(batches, [](const StateBatch& batch) {
        return batch.first >= 0 && batch.last >= batch.first &&
               batch.last < std::numeric_limits<Offset>::max() && batch.delivery_count >= 0;
    });
}

}  // namespace

const ShareCoordinator::Entry* ShareCoordinator::find(const ShareKey& key) const {
    auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second;
}

// The log --------------------------------------------------------------------------------------

Result<> ShareCoordinator::apply(const coordinator::Record& record, std::int64_t offset) {
    ASSIGN_OR_RETURN(std::optional<ShareEntry> parsed, parse(record));
    if (!parsed) return {};
    if (std::holds_alternative<ShareGone>(parsed->what)) {
        entries_.erase(parsed->key);
        last_tombstone_ = offset;
        return {};
    }
    auto [found, made] = entries_.try_emplace(std::move(parsed->key));
    Entry& entry = found->second;
    if (auto* snapshot = std::get_if<ShareSnapshot>(&parsed->what)) {
        entry.state = std::move(snapshot->state);
        entry.highest_state_epoch = std::max(entry.highest_state_epoch, entry.state.state_epoch);
        if (entry.updates >= options_.updates_per_snapshot) entry.updates = 0;
        entry.snapshot_offset = offset;
    } else {
        ShareState& update = std::get<ShareUpdate>(parsed->what).state;
        ShareState& state = entry.state;
        if (made) {
            state = std::move(update);
            entry.snapshot_offset = offset;
        } else {
            if (update.start_offset != -1) state.start_offset = update.start_offset;
            if (update.leader_epoch != -1) state.leader_epoch = update.leader_epoch;
            state.delivery_complete_count = update.delivery_complete_count;
            state.batches = combined(state.batches, update.batches, state.start_offset);
        }
        ++entry.updates;
    }
    entry.highest_leader_epoch = std::max(entry.highest_leader_epoch, entry.state.leader_epoch);
    return {};
}

std::optional<std::int64_t> ShareCoordinator::redundant_below() const {
    if (entries_.empty()) return last_tombstone_;
    return std::ranges::min_element(entries_, {},
                                    [](const auto& entry) { return entry.second.snapshot_offset; })
        ->second.snapshot_offset;
}

// Decisions ------------------------------------------------------------------------------------

std::optional<Outcome> ShareCoordinator::check_topic(const ShareKey& key) const {
    if (key.partition < 0) {
        return Outcome{ErrorCode::invalid_request,
                       fmt::format("There is no partition {}.", key.partition)};
    }
    const metadata::Topic* topic = image_->topics.find(key.topic_id);
    if (topic == nullptr || topic->partition(key.partition) == nullptr)
        return refused(ErrorCode::unknown_topic_or_partition);
    return std::nullopt;
}

Decision<Outcome> ShareCoordinator::initialize(const ShareKey& key, std::int32_t state_epoch,
                                               Offset start, Timestamp now) const {
    const Entry* entry = find(key);
    if (entry != nullptr && state_epoch != -1 && entry->highest_state_epoch > state_epoch)
        return {refused(ErrorCode::fenced_state_epoch), {}};
    if (auto error = check_topic(key)) return {*std::move(error), {}};
    ShareState state{.snapshot_epoch = entry == nullptr ? 0 : entry->state.snapshot_epoch + 1,
                     .state_epoch = state_epoch,
                     .start_offset = start,
                     .delivery_complete_count = start == -1 ? -1 : 0,
                     .create_timestamp = now,
                     .write_timestamp = now};
    return {Outcome{}, {snapshot_record(key, state)}};
}

Decision<Outcome> ShareCoordinator::write(const ShareKey& key, const Write& write,
                                          Timestamp now) const {
    const Entry* entry = find(key);
    if (entry == nullptr) return {uninitialized(key), {}};
    if (write.leader_epoch != -1 && entry->highest_leader_epoch > write.leader_epoch)
        return {refused(ErrorCode::fenced_leader_epoch), {}};
    if (write.state_epoch != -1 && entry->highest_state_epoch > write.state_epoch)
        return {refused(ErrorCode::fenced_state_epoch), {}};
    if (auto error = check_topic(key)) return {*std::move(error), {}};
    if (write.start_offset < -1 || !are_in_order(write.batches)) {
        return {{ErrorCode::invalid_request,
                 fmt::format("The offsets of share partition {} are none.", key.to_string())},
                {}};
    }
    return {Outcome{}, {record_of(key, *entry, write, entry->state.leader_epoch, now)}};
}

Decision<ShareCoordinator::Read> ShareCoordinator::read(const ShareKey& key,
                                                        std::int32_t leader_epoch,
                                                        Timestamp now) const {
    const Entry* entry = find(key);
    if (entry == nullptr) return {{.outcome = uninitialized(key), .batches = {}}, {}};
    if (leader_epoch != -1 && entry->highest_leader_epoch > leader_epoch)
        return {{.outcome = refused(ErrorCode::fenced_leader_epoch), .batches = {}}, {}};
    if (auto error = check_topic(key)) return {{.outcome = *std::move(error), .batches = {}}, {}};
    const ShareState& state = entry->state;
    Decision<Read> decision{.response = {.outcome = {},
                                         .state_epoch = state.state_epoch,
                                         .start_offset = state.start_offset,
                                         .batches = state.batches},
                            .records = {}};
    if (leader_epoch != -1 && entry->highest_leader_epoch != leader_epoch) {
        Write write{.start_offset = state.start_offset,
                    .delivery_complete_count = state.delivery_complete_count,
                    .batches = {}};
        decision.records.push_back(record_of(key, *entry, write, leader_epoch, now));
    }
    return decision;
}

coordinator::Record ShareCoordinator::record_of(const ShareKey& key, const Entry& entry,
                                                const Write& write, std::int32_t leader_epoch,
                                                Timestamp now) const {
    const ShareState& known = entry.state;
    if (entry.updates < options_.updates_per_snapshot) {
        return update_record(key, {.snapshot_epoch = known.snapshot_epoch,
                                   .leader_epoch = leader_epoch,
                                   .start_offset = write.start_offset,
                                   .delivery_complete_count = write.delivery_complete_count,
                                   .batches = combined({}, write.batches, write.start_offset)});
    }
    Offset start = write.start_offset == -1 ? known.start_offset : write.start_offset;
    return snapshot_record(key, {.snapshot_epoch = known.snapshot_epoch + 1,
                                 .state_epoch = known.state_epoch,
                                 .leader_epoch = leader_epoch,
                                 .start_offset = start,
                                 .delivery_complete_count = write.delivery_complete_count,
                                 .create_timestamp = now,
                                 .write_timestamp = now,
                                 .batches = combined(known.batches, write.batches, start)});
}

ShareCoordinator::Summary ShareCoordinator::summarize(const ShareKey& key) const {
    if (auto error = check_topic(key)) return {.outcome = *std::move(error)};
    const Entry* entry = find(key);
    if (entry == nullptr) return {.outcome = {}};
    return {.outcome = {},
            .state_epoch = entry->state.state_epoch,
            .leader_epoch = entry->state.leader_epoch,
            .start_offset = entry->state.start_offset,
            .delivery_complete_count = entry->state.delivery_complete_count};
}

Decision<Outcome> ShareCoordinator::remove(const ShareKey& key) const {
    if (auto error = check_topic(key)) return {*std::move(error), {}};
    if (find(key) == nullptr) return {Outcome{}, {}};
    return {Outcome{}, {share_tombstone(key)}};
}

Decision<int> ShareCoordinator::forget_topics(const std::set<Uuid>& topics) const {
    Decision<int> decision{};
    for (const auto& [key, entry] : entries_) {
        if (topics.contains(key.topic_id)) decision.records.push_back(share_tombstone(key));
    }
    decision.response = static_cast<int>(decision.records.size());
    return decision;
}

Decision<int> ShareCoordinator::snapshot_cold(Timestamp now) const {
    Decision<int> decision{};
    auto is_cold = [](const auto& entry) {
        return entry.second.state.create_timestamp != entry.second.state.write_timestamp;
    };
    if (std::ranges::all_of(entries_, is_cold)) return decision;
    for (const auto& [key, entry] : entries_) {
        if (now - entry.state.write_timestamp < options_.cold_snapshot_interval_ms) continue;
        ShareState state = entry.state;
        ++state.snapshot_epoch;
        state.write_timestamp = now;
        decision.records.push_back(snapshot_record(key, state));
    }
    decision.response = static_cast<int>(decision.records.size());
    return decision;
}

}  // namespace millrace::share
