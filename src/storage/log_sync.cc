#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"
#include "env/shard.h"
#include "storage/checked_text.h"
#include "storage/file_names.h"
#include "storage/log.h"
#include "storage/segment.h"
#include "storage/snapshot_files.h"

namespace millrace::storage {
namespace {

// An operation that is awaited under a cancellation that was requested already does not begin.
Task<void> stop_if_cancelled() {
    Cancellation& current = co_await current_cancellation();
    if (current.requested()) throw Cancelled{};
}

Result<> sync_all(const std::vector<std::shared_ptr<env::File>>& files) {
    for (const auto& file : files) RETURN_IF_ERROR(file->sync_now());
    return {};
}

std::unexpected<Error> truncated(const std::string& path, Offset end) {
    return fail(ErrorCode::not_leader_or_follower,
                fmt::format("{} was truncated below {}", path, end));
}

}  // namespace

// One sync at a time; whoever finds none under way carries it out for all that wait.
class Log::SyncTurn {
  public:
    explicit SyncTurn(Log& log) : log_(log) { log_.syncing_ = true; }
    SyncTurn(const SyncTurn&) = delete;
    ~SyncTurn() {
        log_.syncing_ = false;
        log_.flushed_.notify_all();
    }

  private:
    Log& log_;
};

bool Log::cut_below(Offset end, std::size_t cuts) const {
    auto since = cuts_.begin() + static_cast<std::ptrdiff_t>(cuts);
    return std::any_of(since, cuts_.end(), [&](Offset cut) { return cut < end; });
}

Task<Result<>> Log::written(Offset end) {
    std::size_t cuts = cuts_.size();
    while (end_offset_ < end) {
        CO_RETURN_IF_ERROR(check_open());
        co_await written_.wait();
        if (cut_below(end, cuts)) co_return truncated(path_, end);
    }
    co_return Result<>{};
}

Task<Result<>> Log::durable(Offset end) {
    std::size_t cuts = cuts_.size();
    CO_RETURN_IF_ERROR(co_await written(end));
    while (flushed_offset_ < end) {
        CO_RETURN_IF_ERROR(check_open());
        if (syncing_) {
            co_await flushed_.wait();
        } else {
            CO_RETURN_IF_ERROR(co_await sync_once());
        }
        if (cut_below(end, cuts)) co_return truncated(path_, end);
    }
    co_return Result<>{};
}

Task<Result<>> Log::sync_once() {
    SyncTurn turn(*this);
    Offset end = end_offset_;
    std::size_t cuts = cuts_.size();
    Time began = shard_.now();
    Result<> result = co_await sync_rolled();
    if (result && epochs_changed_) result = co_await sync_epochs();
    if (result) result = co_await sync_active(end, cuts);
    if (!result) fail_with(result.error());
    if (listener_ != nullptr) listener_->sync_took(shard_.now() - began);
    co_return result;
}

// Segments that are complete are synced with their indexes, the snapshot behind them and the
// directory: recovery will not look at them again.
Task<Result<>> Log::sync_rolled() {
    std::vector<std::shared_ptr<env::File>> files;
    std::vector<Offset> bases;
    for (const auto& segment : segments_) {
        if (!segment->unsynced) continue;
        ASSIGN_OR_CO_RETURN(auto opened, segment->files_to_sync());
        if (segment != segments_.back()) segment->release();
        files.insert(files.end(), opened.begin(), opened.end());
        bases.push_back(segment->base());
        if (!snapshots_.contains(segment->base())) continue;
        ASSIGN_OR_CO_RETURN(
            auto snapshot,
            disk_.open(segment_path(path_, segment->base(), snapshot_suffix), {.write = true}));
        files.push_back(std::move(snapshot));
    }
    if (files.empty() && !directory_changed_) co_return Result<>{};
    std::string metadata = fmt::format("{}/{}", path_, metadata_file);
    if (directory_changed_ && disk_.exists(metadata)) {
        ASSIGN_OR_CO_RETURN(auto opened, disk_.open(metadata, {.write = true}));
        files.push_back(std::move(opened));
    }
    co_await stop_if_cancelled();
    bool directory = std::exchange(directory_changed_, false);
    // A recovered segment that is still active is marked anew if it becomes complete meanwhile: it
    // may then hold more than this syncs.
    for (const auto& segment : segments_) {
        if (std::ranges::binary_search(bases, segment->base())) segment->unsynced = false;
    }
    Result<> result;
    co_await env::blocking(shard_, [&, path = path_] {
        result = sync_all(files);
        if (result && directory) result = disk_.sync_directory(path);
        if (result && directory) result = disk_.sync_directory(env::parent_of(path));
    });
    co_return result;
}

Task<Result<>> Log::sync_epochs() {
    co_await stop_if_cancelled();
    epochs_changed_ = false;
    Result<> replaced;
    co_await env::blocking(shard_, [&, path = path_, text = epochs_.to_text()] {
        replaced = replace_checked(disk_, fmt::format("{}/{}", path, epochs_file), text);
    });
    if (replaced && !epochs_changed_) epochs_unsaved_ = false;
    co_return replaced;
}

Task<Result<>> Log::save_epochs() {
    while (epochs_unsaved_) {
        CO_RETURN_IF_ERROR(check_open());
        if (syncing_) {
            co_await flushed_.wait();
            continue;
        }
        SyncTurn turn(*this);
        Result<> saved = co_await sync_epochs();
        if (!saved) {
            fail_with(saved.error());
            co_return saved;
        }
    }
    co_return Result<>{};
}

Task<Result<>> Log::sync_active(Offset end, std::size_t cuts) {
    if (end <= flushed_offset_) co_return Result<>{};
    // What lies in a complete segment was synced by sync_rolled(), unless it became complete only
    // meanwhile: then a next turn syncs it.
    std::size_t index = segment_index(std::max(end - 1, start_offset_));
    if (index + 1 == segments_.size()) {
        co_await stop_if_cancelled();
        if (cuts != cuts_.size()) co_return Result<>{};
        ASSIGN_OR_CO_RETURN(auto file, active().file());
        auto synced = co_await file->sync();
        if (!synced) co_return fail(std::move(synced).error());
    } else if (segments_[index]->unsynced) {
        end = std::min(end, segments_[index]->base());
    }
    if (cuts == cuts_.size()) flushed_to(end);
    co_return Result<>{};
}

void Log::flushed_to(Offset end) {
    if (end <= flushed_offset_) return;
    flushed_offset_ = end;
    last_flush_ = shard_.wall_ms();
    if (listener_ != nullptr) listener_->log_flushed(end);
}

Result<> Log::take_snapshot(bool sync) {
    Offset offset = producers_.map_end_offset();
    Offset latest = snapshots_.empty() ? start_offset_ : *snapshots_.rbegin();
    if (offset <= latest) return {};
    RETURN_IF_ERROR(write_snapshot(disk_, path_, producers_, sync));
    snapshots_.insert(offset);
    return {};
}

Task<Result<>> Log::close() {
    co_await stop_compaction();
    write_queued();
    while (syncing_) co_await flushed_.wait();
    if (error_) co_return fail(*error_);
    if (closing_) co_return Result<>{};
    CO_RETURN_IF_ERROR(check_open());
    Result<> result;
    if (changed_) {
        SyncTurn turn(*this);
        closing_ = true;
        co_await stop_if_cancelled();
        co_await env::lasting(shard_, [&] { result = leave_clean(); });
        if (!result) {
            fail_with(result.error());
        } else {
            flushed_to(end_offset_);
        }
    }
    closing_ = true;
    for (auto& segment : segments_) segment->release();
    co_return result;
}

// Runs on a helper thread while nothing else touches the log.
Result<> Log::leave_clean() {
    RETURN_IF_ERROR(take_snapshot(true));
    RETURN_IF_ERROR(active().seal());
    for (auto& segment : segments_) {
        if (!segment->unsynced && segment != segments_.back()) continue;
        ASSIGN_OR_RETURN(auto files, segment->files_to_sync());
        RETURN_IF_ERROR(sync_all(files));
        segment->unsynced = false;
    }
    if (epochs_changed_) {
        epochs_changed_ = false;
        RETURN_IF_ERROR(
            replace_checked(disk_, fmt::format("{}/{}", path_, epochs_file), epochs_.to_text()));
        epochs_unsaved_ = false;
    }
    RETURN_IF_ERROR(disk_.sync_directory(path_));
    if (!directory_changed_) return {};
    // A new log: so far nothing has synced what says whose it is, nor its name.
    std::string metadata = fmt::format("{}/{}", path_, metadata_file);
    if (disk_.exists(metadata)) {
        ASSIGN_OR_RETURN(auto file, disk_.open(metadata, {.write = true}));
        RETURN_IF_ERROR(file->sync_now());
    }
    directory_changed_ = false;
    return disk_.sync_directory(env::parent_of(path_));
}

Task<void> Log::settled() {
    while (syncing_ || compaction_ != nullptr) {
        co_await stop_compaction();
        if (syncing_) co_await flushed_.wait();
    }
}

Task<void> Log::abandon() {
    closing_ = true;
    queued_.clear();
    written_.notify_all();
    flushed_.notify_all();
    co_await stop_compaction();
    while (syncing_) co_await flushed_.wait();
    for (auto& segment : segments_) segment->release();
}

}  // namespace millrace::storage
