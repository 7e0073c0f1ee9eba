#include "storage/log.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>

#include "base/random.h"
#include "env/disk.h"
#include "env/shard.h"
#include "records/batch.h"
#include "storage/directory_health.h"
#include "storage/file_names.h"
#include "storage/log_loader.h"
#include "storage/segment.h"
#include "storage/storage_log.h"

namespace millrace::storage {

Task<Result<std::unique_ptr<Log>>> Log::open(env::Shard& shard, DirectoryHealth& health,
                                             LogOrigin origin) {
    Result<LoadedLog> loaded = fail(ErrorCode::kafka_storage_error, "not read");
    env::Disk& disk = shard.disk();
    Timestamp now = shard.wall_ms();
    // One that is made now takes a few calls, and shall not wait for a thread that gives way.
    bool is_new = origin.recovery_point == 0 && origin.log_start == 0 &&
                  !disk.exists(segment_path(origin.path, 0, log_suffix));
    co_await env::Blocking(
        shard, [&] { loaded = load_log(disk, origin, now); },
        is_new ? env::Effort::brief : env::Effort::lasting);
    if (!loaded) co_return fail(std::move(loaded).error());
    co_return std::unique_ptr<Log>(new Log(shard, health, std::move(origin), *std::move(loaded)));
}

Result<std::unique_ptr<Log>> Log::open_now(env::Shard& shard, DirectoryHealth& health,
                                           LogOrigin origin) {
    ASSIGN_OR_RETURN(LoadedLog loaded, load_log(shard.disk(), origin, shard.wall_ms()));
    return std::unique_ptr<Log>(new Log(shard, health, std::move(origin), std::move(loaded)));
}

Log::Log(env::Shard& shard, DirectoryHealth& health, LogOrigin origin, LoadedLog loaded)
    : shard_(shard),
      disk_(shard.disk()),
      health_(health),
      path_(std::move(origin.path)),
      options_(origin.options),
      segments_(std::move(loaded.segments)),
      snapshots_(std::move(loaded.snapshots)),
      epochs_(std::move(loaded.epochs)),
      epochs_changed_(loaded.epochs_changed),
      epochs_unsaved_(loaded.epochs_changed),
      saved_start_(origin.log_start),
      producers_(std::move(loaded.producers)),
      start_offset_(loaded.start),
      local_start_offset_(loaded.local_start),
      next_offset_(loaded.end),
      end_offset_(loaded.end),
      flushed_offset_(loaded.flushed),
      last_flush_(shard.wall_ms()),
      changed_(loaded.changed || loaded.epochs_changed),
      directory_changed_(loaded.changed),
      first_dirty_(origin.first_dirty) {
    make_active(active());
}

Log::~Log() { CHECK(!syncing_ && compaction_ == nullptr); }

void Log::make_active(Segment& segment) {
    std::int64_t jitter = 0;
    std::int64_t most = std::min(options_.segment_jitter_ms, options_.segment_ms);
    if (most > 0) {
        jitter = static_cast<std::int64_t>(shard_.random().below(static_cast<std::uint64_t>(most)));
    }
    segment.make_active(options_.segment_index_bytes, jitter);
}

Result<> Log::check_readable() const {
    if (!closing_) return {};
    return fail(ErrorCode::kafka_storage_error, fmt::format("{} is closed", path_));
}

Result<> Log::check_open() const {
    if (error_) return fail(*error_);
    RETURN_IF_ERROR(check_readable());
    if (!health_.failed()) return {};
    Error first = health_.failure().value_or(Error{});
    return fail(ErrorCode::kafka_storage_error,
                fmt::format("{} takes no appends since its log directory failed: {}", path_,
                            first.message));
}

void Log::fail_with(const Error& error) {
    if (error_) return;
    error_ = error;
    LOG_ERROR("{} takes no more appends: {}", path_, error.message);
    queued_.clear();
    health_.fail(error);
    written_.notify_all();
    flushed_.notify_all();
    if (listener_ != nullptr) listener_->log_failed(error);
}

// A failed change of files closes the log.
Result<> Log::guarded(Result<> result) {
    if (!result && result.error().code == ErrorCode::kafka_storage_error) {
        fail_with(result.error());
    }
    return result;
}

Result<Appended> Log::append_as_leader(Slice batch, const AppendAs& as) {
    RETURN_IF_ERROR(check_open());
    BatchView view = BatchView::trusted(batch);
    CHECK(batch.size() >= batch_header_size && view.size() == batch.size() &&
          view.last_offset_delta() >= 0);
    if (batch.size() > static_cast<std::size_t>(options_.segment_bytes)) {
        return fail(ErrorCode::record_list_too_large,
                    fmt::format("A batch of {} bytes does not fit the segments of {}; "
                                "segment.bytes is {}",
                                batch.size(), path_, options_.segment_bytes));
    }
    ASSIGN_OR_RETURN(auto duplicate, producers_.check(view, next_offset_, as));
    if (duplicate) {
        return Appended{duplicate->first_offset(), duplicate->last_offset + 1, true,
                        duplicate->timestamp};
    }
    Offset first = next_offset_;
    MutableBytes bytes(batch.mutable_data(), batch.size());
    set_base_offset(bytes, first);
    set_leader_epoch(bytes, as.leader_epoch);
    Appended appended{first, view.next_offset(), false, view.max_timestamp()};
    RETURN_IF_ERROR(
        guarded(make_room(first, view.last_offset(), appended.max_timestamp, batch.size())));
    RETURN_IF_ERROR(guarded(place(view)));
    queue(std::move(batch), as.linger);
    return appended;
}

Result<Appended> Log::append_as_follower(Slice batches) {
    RETURN_IF_ERROR(check_open());
    Appended appended;
    Offset least = next_offset_;
    BatchReader reader(batches);
    while (true) {
        ASSIGN_OR_RETURN(auto batch, reader.next());
        if (!batch) break;
        RETURN_IF_ERROR(batch->verify_crc());
        if (batch->base_offset() < least) {
            return fail(ErrorCode::offset_out_of_range,
                        fmt::format("{} is at {}; a batch that begins at {} cannot follow", path_,
                                    least, batch->base_offset()));
        }
        if (batch->last_offset_delta() < 0 ||
            batch->base_offset() > std::numeric_limits<Offset>::max() / 2) {
            return fail(ErrorCode::corrupt_message,
                        fmt::format("a batch for {} has impossible offsets", path_));
        }
        if (appended.first_offset == no_offset) appended.first_offset = batch->base_offset();
        appended.max_timestamp = std::max(appended.max_timestamp, batch->max_timestamp());
        least = batch->next_offset();
    }
    appended.next_offset = least;
    if (reader.position() == 0) {
        appended.first_offset = next_offset_;
        return appended;
    }
    RETURN_IF_ERROR(guarded(add_follower_batches(std::move(batches), reader.position())));
    return appended;
}

// Batches go into the file in as few pieces as segments allow.
Result<> Log::add_follower_batches(Slice batches, std::size_t size) {
    BatchReader reader(batches.bytes().first(size));
    std::size_t queued = 0;
    while (true) {
        std::size_t begin = reader.position();
        ASSIGN_OR_RETURN(auto batch, reader.next());
        if (!batch) break;
        ASSIGN_OR_RETURN(bool full,
                         active().should_roll(options_, batch->size(), batch->last_offset(),
                                              batch->max_timestamp(), shard_.wall_ms()));
        if (full) {
            if (begin > queued) queue(batches.slice(queued, begin - queued));
            queued = begin;
            // The next segment begins where this one ends, even if the leader's offsets leap:
            // recovery takes anything else for a loss.
            bool too_far =
                batch->last_offset() - next_offset_ > std::numeric_limits<std::int32_t>::max();
            if (too_far) next_offset_ = batch->base_offset();
            RETURN_IF_ERROR(roll_at(next_offset_));
        }
        RETURN_IF_ERROR(place(*batch));
    }
    queue(batches.slice(queued, size - queued));
    return {};
}

Result<> Log::make_room(Offset first, Offset last, Timestamp max_timestamp, std::size_t size) {
    ASSIGN_OR_RETURN(bool full,
                     active().should_roll(options_, size, last, max_timestamp, shard_.wall_ms()));
    return full ? roll_at(first) : Result<>{};
}

Result<> Log::roll() {
    RETURN_IF_ERROR(check_open());
    if (active().size() == 0) return {};
    return guarded(roll_at(next_offset_));
}

Result<> Log::roll_at(Offset base) {
    write_queued();
    if (error_) return fail(*error_);
    Segment& full = active();
    if (full.base() == base) return {};  // empty: it holds what it is made for
    RETURN_IF_ERROR(full.seal());
    full.unsynced = true;
    full.release();
    full.make_active(0, 0);
    ASSIGN_OR_RETURN(auto segment, Segment::create(disk_, path_, base, shard_.wall_ms(),
                                                   Segment::preallocation(options_)));
    make_active(*segment);
    segments_.push_back(std::move(segment));
    directory_changed_ = changed_ = true;
    producers_.set_map_end_offset(base);
    RETURN_IF_ERROR(take_snapshot(false));
    if (listener_ != nullptr) listener_->log_rolled();
    return {};
}

Result<> Log::place(const BatchView& batch) {
    RETURN_IF_ERROR(active().add(batch, options_.index_interval_bytes));
    changed_ = true;
    next_offset_ = batch.next_offset();
    assign_epoch(batch.leader_epoch(), batch.base_offset());
    if (batch.has_producer_id()) {
        auto ended = producers_.apply(batch);
        if (!ended) {
            LOG_WARN("{}: a marker at {} ends no transaction: {}", path_, batch.base_offset(),
                     ended.error().message);
        } else if (*ended) {
            RETURN_IF_ERROR(end_transaction(**ended));
        }
    }
    producers_.set_map_end_offset(next_offset_);
    return {};
}

Result<> Log::end_transaction(const EndedTransaction& ended) {
    if (ended.aborted) {
        RETURN_IF_ERROR(active().transactions().append({ended.producer_id, ended.first_offset,
                                                        ended.last_offset,
                                                        producers_.stable_offset_after(ended)}));
    }
    producers_.complete(ended);
    return {};
}

void Log::queue(Slice bytes, Duration linger) {
    queued_.push_back(std::move(bytes));
    if (linger <= Duration()) {
        shard_.at_turn_end(*this);
    } else if (!linger_.running()) {
        linger_.start(shard_, shard_.now() + linger);
    }
}

void Log::write_queued() {
    if (queued_.empty() || error_) return;
    linger_.stop();
    pieces_.assign(queued_.begin(), queued_.end());
    Result<> result = active().write(pieces_);
    queued_.clear();
    if (!result) return fail_with(result.error());
    end_offset_ = next_offset_;
    written_.notify_all();
    if (listener_ != nullptr) listener_->log_written(end_offset_);
}

void Log::begin_epoch(std::int32_t epoch) { assign_epoch(epoch, next_offset_); }

void Log::assign_epoch(std::int32_t epoch, Offset offset) {
    if (!epochs_.assign(epoch, offset)) return;
    saved_start_ = saved_start_offset();
    epochs_unsaved_ = epochs_changed_ = changed_ = true;
}

void Log::adopt_epochs(LeaderEpochs epochs) {
    epochs.truncate_from_start(start_offset_);
    if (epochs.entries() == epochs_.entries()) return;
    epochs_ = std::move(epochs);
    epochs_unsaved_ = epochs_changed_ = changed_ = true;
    saved_start_ = 0;
}

std::uint64_t Log::size() const {
    std::uint64_t sum = 0;
    for (const auto& segment : segments_) sum += segment->size();
    return sum;
}

Offset Log::active_segment_base() const { return segments_.back()->base(); }

Offset Log::last_stable_offset(Offset high_watermark) {
    producers_.high_watermark_moved(high_watermark);
    auto unstable = producers_.first_unstable_offset();
    if (!unstable) return high_watermark;
    return std::min(std::max(*unstable, start_offset_), high_watermark);
}

void Log::expire_producers() {
    producers_.expire(shard_.wall_ms(), options_.producer_id_expiration_ms);
}

void Log::renamed(std::string path) {
    CHECK(compaction_ == nullptr);
    path_ = std::move(path);
    for (auto& segment : segments_) segment->renamed(path_);
}

void Log::release_files() {
    for (auto& segment : segments_) {
        if (segment != segments_.back() || queued_.empty()) segment->release();
    }
}

}  // namespace millrace::storage
