#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"
#include "env/shard.h"
#include "storage/file_names.h"
#include "storage/log.h"
#include "storage/segment.h"
#include "storage/storage_log.h"

namespace millrace::storage {

Result<> Log::begin_behind(RemoteBeginning remote) {
    ProducerState producers;
    if (!remote.producers.empty()) {
        RETURN_IF_ERROR(producers.load_snapshot(
            remote.producers.bytes(), segment_path(path_, remote.local_start, snapshot_suffix),
            shard_.wall_ms(), options_.producer_id_expiration_ms));
    }
    RETURN_IF_ERROR(truncate_fully(remote.local_start));
    start_offset_ = remote.start;
    remote.epochs.truncate_from_end(remote.local_start);
    adopt_epochs(std::move(remote.epochs));
    if (remote.producers.empty()) return {};
    producers_ = std::move(producers);
    producers_.set_map_end_offset(remote.local_start);
    return guarded(take_snapshot(true));
}

Result<Slice> Log::producers_at(Offset offset) const {
    if (!snapshots_.contains(offset)) return Slice();
    ASSIGN_OR_RETURN(std::string content,
                     env::read_file(disk_, segment_path(path_, offset, snapshot_suffix)));
    return Slice::copy(std::string_view(content));
}

Task<Result<>> Log::advance_local_start(Offset offset) {
    while (segments_.size() > 1 && segments_[1]->base() <= offset) {
        CO_RETURN_IF_ERROR(check_open());
        local_start_offset_ = std::max(local_start_offset_, segments_[1]->base());
        changed_ = true;
        CO_RETURN_IF_ERROR(guarded(drop_segments(0, 1)));
        Result<> synced;
        co_await env::lasting(
            shard_, [&synced, &disk = disk_, path = path_] { synced = disk.sync_directory(path); });
        CO_RETURN_IF_ERROR(check_open());  // its directory may have been renamed meanwhile
        CO_RETURN_IF_ERROR(guarded(std::move(synced)));
    }
    co_return Result<>{};
}

Task<Result<std::optional<Offset>>> Log::expire_locally(RetentionLimits limits, Offset bound,
                                                        Offset high_watermark) {
    auto count_below = [&](Offset end) {
        return look_up_cold([this, limits, end](PageAccess& access) {
            return choose_expired(limits, end, access);
        });
    };
    // What lies below the log's start is wanted nowhere.
    bound = std::min(std::max(bound, start_offset_), high_watermark);
    ASSIGN_OR_CO_RETURN(ExpiredSegments expired, co_await count_below(bound));
    std::size_t count = std::min(expired.count(), segments_.size() - 1);
    if (count + 1 == segments_.size() && active().size() > 0) {
        ASSIGN_OR_CO_RETURN(ExpiredSegments all, co_await count_below(high_watermark));
        if (all.count() == segments_.size()) CO_RETURN_IF_ERROR(roll());
    }
    if (count == 0) co_return std::nullopt;
    LOG_INFO(
        "{}: {} segments, up to {}, are kept in remote storage only: {} beyond {} bytes, {} "
        "beyond {} ms",
        path_, count, segments_[count]->base(), expired.beyond_size, limits.bytes,
        expired.beyond_age, limits.ms);
    co_return segments_[count]->base();
}

Result<std::optional<CompleteSegment>> Log::complete_segment(Offset from, Offset bound) {
    RETURN_IF_ERROR(check_readable());
    for (std::size_t index = segment_index(from); index + 1 < segments_.size(); ++index) {
        Segment& segment = *segments_[index];
        Offset end = segments_[index + 1]->base();
        if (end > bound) break;
        if (end <= from || segment.size() == 0) continue;
        ASSIGN_OR_RETURN(TimeIndex::Entry largest, segment.max_timestamp());
        return CompleteSegment{.base = segment.base(),
                               .end = end,
                               .size = segment.size(),
                               .max_timestamp = largest.timestamp,
                               .has_aborted_transactions = segment.transactions().on_disk()};
    }
    return std::nullopt;
}

Result<SegmentFiles> Log::open_segment(Offset base) {
    std::size_t index = segment_index(base);
    if (segments_[index]->base() != base || index + 1 == segments_.size()) {
        return fail(ErrorCode::resource_not_found,
                    fmt::format("{} has no complete segment {}", path_, base));
    }
    Segment& segment = *segments_[index];
    SegmentFiles files;
    ASSIGN_OR_RETURN(files.log, segment.file());
    ASSIGN_OR_RETURN(files.offset_index, disk_.open(segment.path(index_suffix), {}));
    ASSIGN_OR_RETURN(files.time_index, disk_.open(segment.path(time_index_suffix), {}));
    if (segment.transactions().on_disk()) {
        ASSIGN_OR_RETURN(files.transaction_index,
                         disk_.open(segment.path(transaction_index_suffix), {}));
    }
    Offset end = segments_[index + 1]->base();
    if (snapshots_.contains(end)) {
        ASSIGN_OR_RETURN(files.producer_snapshot,
                         disk_.open(segment_path(path_, end, snapshot_suffix), {}));
    }
    return files;
}

std::pair<std::uint64_t, std::size_t> Log::size_from(Offset offset) const {
    std::uint64_t bytes = 0;
    std::size_t count = 0;
    for (const auto& segment : segments_) {
        if (segment->base() < offset) continue;
        bytes += segment->size();
        ++count;
    }
    return {bytes, count};
}

}  // namespace millrace::storage
