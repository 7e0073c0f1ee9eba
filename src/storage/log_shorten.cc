#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"
#include "env/shard.h"
#include "storage/file_names.h"
#include "storage/log.h"
#include "storage/producer_replay.h"
#include "storage/recent_batches.h"
#include "storage/segment.h"
#include "storage/snapshot_files.h"
#include "storage/storage_log.h"

namespace millrace::storage {

Result<> Log::truncate_to(Offset offset) {
    write_queued();
    RETURN_IF_ERROR(check_open());
    if (offset >= end_offset_) {
        if (epochs_.truncate_from_end(end_offset_)) epochs_changed_ = changed_ = true;
        return {};
    }
    if (offset < segments_.front()->base()) return truncate_fully(offset);
    LOG_INFO("{}: truncating from {} to {}", path_, end_offset_, offset);
    changed_ = directory_changed_ = true;
    cuts_.push_back(offset);
    made_dirty_from(offset);
    RETURN_IF_ERROR(guarded(truncate_segments(offset)));
    next_offset_ = end_offset_ = offset;
    flushed_offset_ = std::min(flushed_offset_, offset);
    start_offset_ = std::min(start_offset_, offset);
    local_start_offset_ = std::min(local_start_offset_, offset);
    if (epochs_.truncate_from_end(offset)) epochs_changed_ = true;
    written_.notify_all();
    flushed_.notify_all();
    return guarded(reload_producers());
}

Result<> Log::truncate_segments(Offset offset) {
    std::size_t keep = segment_index(offset) + 1;
    RETURN_IF_ERROR(drop_segments(keep, segments_.size() - keep));
    RETURN_IF_ERROR(active().truncate_to(offset));
    make_active(active());
    active().unsynced = false;
    return {};
}

Result<> Log::truncate_fully(Offset offset) {
    write_queued();
    RETURN_IF_ERROR(check_open());
    LOG_INFO("{}: dropping offsets {} to {}, beginning anew at {}", path_, start_offset_,
             end_offset_, offset);
    changed_ = directory_changed_ = true;
    cuts_.push_back(offset);
    made_dirty_from(offset);
    RETURN_IF_ERROR(guarded(drop_segments(0, segments_.size())));
    auto segment =
        Segment::create(disk_, path_, offset, shard_.wall_ms(), Segment::preallocation(options_));
    if (!segment) return guarded(fail(std::move(segment).error()));
    make_active(**segment);
    segments_.push_back(*std::move(segment));
    start_offset_ = local_start_offset_ = next_offset_ = end_offset_ = offset;
    flushed_offset_ = std::min(flushed_offset_, offset);
    epochs_.clear();
    epochs_changed_ = true;
    producers_.clear();
    producers_.set_map_end_offset(offset);
    for (Offset snapshot : snapshots_) {
        RETURN_IF_ERROR(guarded(disk_.remove(segment_path(path_, snapshot, snapshot_suffix))));
    }
    snapshots_.clear();
    written_.notify_all();
    flushed_.notify_all();
    return {};
}

Result<> Log::advance_start(Offset offset) {
    RETURN_IF_ERROR(check_open());
    if (offset > end_offset_) {
        return fail(
            ErrorCode::offset_out_of_range,
            fmt::format("{} ends at {}; its start cannot move to {}", path_, end_offset_, offset));
    }
    if (offset <= start_offset_) return {};
    start_offset_ = offset;
    local_start_offset_ = std::max(local_start_offset_, offset);
    changed_ = true;
    if (epochs_.truncate_from_start(offset)) epochs_changed_ = true;
    producers_.high_watermark_moved(offset);
    return {};
}

Result<> Log::drop_segments(std::size_t first, std::size_t count) {
    auto begin = segments_.begin() + static_cast<std::ptrdiff_t>(first);
    auto end = begin + static_cast<std::ptrdiff_t>(count);
    for (auto at = begin; at != end; ++at) {
        Segment& segment = **at;
        segment.release();
        directory_changed_ = true;
        for (const std::string& path : segment.paths()) RETURN_IF_ERROR(doom(path));
        RETURN_IF_ERROR(doom(segment.path(snapshot_suffix)));
        snapshots_.erase(segment.base());
    }
    segments_.erase(begin, end);
    return {};
}

Result<> Log::doom(const std::string& path) {
    if (!disk_.exists(path)) return {};
    std::string name = path + std::string(deleted_suffix);
    RETURN_IF_ERROR(disk_.rename(path, name));
    name = name.substr(name.rfind('/') + 1);
    std::erase_if(doomed_, [&](const Doomed& doomed) { return doomed.name == name; });
    Timestamp due = shard_.wall_ms() + options_.file_delete_delay_ms;
    doomed_.push_back({due, std::move(name)});
    if (listener_ != nullptr) listener_->files_doomed(due);
    return {};
}

// Producers as of the new end: from the latest snapshot below it, and what lies behind that.
Result<> Log::reload_producers() {
    for (auto at = snapshots_.begin(); at != snapshots_.end();) {
        if (*at > start_offset_ && *at <= end_offset_) {
            ++at;
            continue;
        }
        RETURN_IF_ERROR(disk_.remove(segment_path(path_, *at, snapshot_suffix)));
        at = snapshots_.erase(at);
    }
    if (producers_.producers().empty() && !producers_.first_unstable_offset()) {
        producers_.set_map_end_offset(end_offset_);
        return {};
    }
    RETURN_IF_ERROR(load_latest_snapshot(disk_, path_, snapshots_, start_offset_, shard_.wall_ms(),
                                         options_.producer_id_expiration_ms, producers_));
    for (std::size_t i = segment_index(producers_.map_end_offset()); i < segments_.size(); ++i) {
        RETURN_IF_ERROR(replay_producers(*segments_[i], end_offset_, producers_));
    }
    producers_.set_map_end_offset(end_offset_);
    return recall_recent_batches(segments_, producers_);
}

}  // namespace millrace::storage
