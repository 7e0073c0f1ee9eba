#include "storage/remote/remote_log_segments.h"

#include <algorithm>
#include <fmt/core.h>
#include <iterator>

namespace millrace::storage::remote {
namespace {

std::unexpected<Error> cannot_become(const Uuid& id, std::optional<RemoteLogSegmentState> from,
                                     RemoteLogSegmentState to) {
    return fail(ErrorCode::invalid_record,
                fmt::format("remote segment {} cannot go from {} to {}", id.to_string(),
                            from ? name_of(*from) : "being unknown", name_of(to)));
}

}  // namespace

Result<> RemoteLogSegments::apply(const RemoteLogSegmentMetadata& metadata) {
    const Uuid& id = metadata.segment.id;
    const RemoteLogSegmentMetadata* known = find(id);
    auto state = known == nullptr ? std::nullopt : std::optional(known->state);
    bool starts = metadata.state == RemoteLogSegmentState::copy_segment_started;
    if (!starts || !is_valid_transition(state, metadata.state)) {
        return cannot_become(id, state, metadata.state);
    }
    for (const EpochStart& each : metadata.leader_epochs) {
        epochs_[each.epoch].unreferenced.insert(id);
    }
    segments_.insert_or_assign(id, metadata);
    return {};
}

Result<> RemoteLogSegments::apply(const RemoteLogSegmentMetadataUpdate& update) {
    auto found = segments_.find(update.id);
    if (found == segments_.end()) {
        return fail(ErrorCode::resource_not_found,
                    fmt::format("remote segment {} of {}-{} is not known", update.id.to_string(),
                                update.partition.topic, update.partition.partition));
    }
    RemoteLogSegmentMetadata& metadata = found->second;
    if (!is_valid_transition(metadata.state, update.state)) {
        return cannot_become(update.id, metadata.state, update.state);
    }
    metadata.state = update.state;
    metadata.segment.broker_id = update.broker_id;
    metadata.event_timestamp = update.event_timestamp;
    metadata.custom_metadata = update.custom_metadata;
    switch (update.state) {
        case RemoteLogSegmentState::copy_segment_started:
            break;  // the same again
        case RemoteLogSegmentState::copy_segment_finished:
            finish_copy(metadata);
            break;
        case RemoteLogSegmentState::delete_segment_started:
            start_deletion(metadata);
            break;
        case RemoteLogSegmentState::delete_segment_finished:
            finish_deletion(metadata);
            segments_.erase(found);
            break;
    }
    return {};
}

// A new leader may copy anew, in one segment, what an earlier one had copied in several: those that
// it covers are not read any more.
void RemoteLogSegments::finish_copy(const RemoteLogSegmentMetadata& metadata) {
    const Uuid& id = metadata.segment.id;
    for (const EpochStart& each : metadata.leader_epochs) {
        Epoch& epoch = epochs_[each.epoch];
        Offset end = metadata.end_of_epoch(each.epoch);
        while (!epoch.copied.empty() && epoch.copied.rbegin()->first >= each.start_offset &&
               epoch.highest_offset.value_or(end) <= end) {
            auto last = std::prev(epoch.copied.end());
            epoch.unreferenced.insert(last->second);
            epoch.copied.erase(last);
        }
        epoch.copied.insert_or_assign(each.start_offset, id);
        epoch.unreferenced.erase(id);
        epoch.highest_offset = std::max(epoch.highest_offset.value_or(end), end);
    }
}

void RemoteLogSegments::start_deletion(const RemoteLogSegmentMetadata& metadata) {
    const Uuid& id = metadata.segment.id;
    for (const EpochStart& each : metadata.leader_epochs) {
        Epoch& epoch = epochs_[each.epoch];
        auto copied = epoch.copied.find(each.start_offset);
        if (copied != epoch.copied.end() && copied->second == id) epoch.copied.erase(copied);
        epoch.unreferenced.insert(id);
    }
}

// An epoch stays known, with its highest offset, when its last segment has gone: the same offsets
// are not to be copied again.
void RemoteLogSegments::finish_deletion(const RemoteLogSegmentMetadata& metadata) {
    for (const EpochStart& each : metadata.leader_epochs) {
        epochs_[each.epoch].unreferenced.erase(metadata.segment.id);
    }
}

const RemoteLogSegmentMetadata* RemoteLogSegments::find(const Uuid& id) const {
    auto found = segments_.find(id);
    return found == segments_.end() ? nullptr : &found->second;
}

const RemoteLogSegmentMetadata* RemoteLogSegments::find(std::int32_t epoch, Offset offset) const {
    auto of_epoch = epochs_.find(epoch);
    if (of_epoch == epochs_.end()) return nullptr;
    const auto& copied = of_epoch->second.copied;
    auto above = copied.upper_bound(offset);
    if (above == copied.begin()) return nullptr;
    const RemoteLogSegmentMetadata* metadata = find(std::prev(above)->second);
    if (metadata == nullptr || offset > metadata->end_of_epoch(epoch)) return nullptr;
    return metadata;
}

const RemoteLogSegmentMetadata* RemoteLogSegments::find_with_transactions(std::int32_t epoch,
                                                                          Offset offset) const {
    const RemoteLogSegmentMetadata* metadata = find(epoch, offset);
    while (metadata != nullptr && metadata->txn_index_empty) {
        metadata = find(epoch, metadata->segment.end_offset + 1);
    }
    return metadata;
}

std::optional<Offset> RemoteLogSegments::highest_offset(std::int32_t epoch) const {
    auto of_epoch = epochs_.find(epoch);
    return of_epoch == epochs_.end() ? std::nullopt : of_epoch->second.highest_offset;
}

std::vector<const RemoteLogSegmentMetadata*> RemoteLogSegments::list(std::int32_t epoch) const {
    std::vector<const RemoteLogSegmentMetadata*> listed;
    auto of_epoch = epochs_.find(epoch);
    if (of_epoch == epochs_.end()) return listed;
    auto add = [&](const Uuid& id) {
        if (const RemoteLogSegmentMetadata* metadata = find(id)) listed.push_back(metadata);
    };
    for (const auto& [start, id] : of_epoch->second.copied) add(id);
    for (const Uuid& id : of_epoch->second.unreferenced) add(id);
    std::ranges::sort(listed, {}, [](const auto* each) {
        return std::pair(each->segment.start_offset, each->segment.id);
    });
    return listed;
}

}  // namespace millrace::storage::remote
