#include <algorithm>
#include <fmt/core.h>
#include <limits>

#include "base/random.h"
#include "env/disk.h"
#include "env/shard.h"
#include "storage/compaction.h"
#include "storage/file_names.h"
#include "storage/log.h"
#include "storage/segment.h"
#include "storage/storage_log.h"

namespace millrace::storage {

// One compaction at a time; whoever closes the log or lets go of it stops it by its cancellation.
class Log::CompactionTurn {
  public:
    CompactionTurn(Log& log, Cancellation& cancellation) : log_(log) {
        log_.compaction_ = &cancellation;
    }
    CompactionTurn(const CompactionTurn&) = delete;
    ~CompactionTurn() {
        log_.compaction_ = nullptr;
        log_.compacted_.notify_all();
    }

  private:
    Log& log_;
};

Task<void> Log::stop_compaction() {
    while (compaction_ != nullptr) {
        compaction_->request();
        co_await compacted_.wait();
    }
}

// What is dirty --------------------------------------------------------------------------------

Result<DirtySection> Log::dirty_section(Offset last_stable, Timestamp now) {
    DirtySection section;
    section.first_dirty = first_dirty_.value_or(start_offset_);
    if (section.first_dirty < start_offset_ || section.first_dirty > end_offset_) {
        section.first_dirty = start_offset_;
        section.checkpoint_was_wrong = true;
    }
    std::size_t first = segment_index(section.first_dirty);
    ASSIGN_OR_RETURN(Offset limit, cleanable_end(first, last_stable, now));
    std::size_t end = segment_index(std::max(section.first_dirty, limit));
    section.first_uncleanable = segments_[end]->base();
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        std::uint64_t size = segments_[i]->written();
        if (segments_[i]->base() < section.first_dirty) section.clean_bytes += size;
        if (i >= first && i < end) section.dirty_bytes += size;
    }
    ASSIGN_OR_RETURN(section.delay_ms, compaction_delay(first, now));
    return section;
}

// Neither the active segment is compacted, nor what is undecided, nor what is younger than
// min.compaction.lag.ms.
Result<Offset> Log::cleanable_end(std::size_t first, Offset last_stable, Timestamp now) {
    Offset end = std::min(last_stable, active().base());
    if (options_.min_compaction_lag_ms <= 0) return end;
    for (std::size_t i = first; i + 1 < segments_.size(); ++i) {
        ASSIGN_OR_RETURN(TimeIndex::Entry largest, segments_[i]->max_timestamp());
        if (largest.timestamp <= now - options_.min_compaction_lag_ms) continue;
        return std::min(end, segments_[i]->base());
    }
    return end;
}

Result<std::int64_t> Log::compaction_delay(std::size_t first, Timestamp now) {
    if (options_.max_compaction_lag_ms >= now) return 0;
    Timestamp due = now - std::max<std::int64_t>(options_.max_compaction_lag_ms, 0);
    Timestamp earliest = due;
    for (std::size_t i = first; i + 1 < segments_.size(); ++i) {
        ASSIGN_OR_RETURN(auto timestamp, segments_[i]->first_timestamp());
        if (timestamp && *timestamp > 0) earliest = std::min(earliest, *timestamp);
    }
    return due - earliest;
}

// Compacting -----------------------------------------------------------------------------------

Result<CompactionPlan> Log::plan_compaction(const DirtySection& section) {
    CompactionPlan plan{.directory = path_,
                        .first_dirty = section.first_dirty,
                        .now = shard_.wall_ms(),
                        .delete_retention_ms = options_.delete_retention_ms,
                        .index_interval_bytes = options_.index_interval_bytes};
    plan.limits = {static_cast<std::uint64_t>(options_.segment_bytes),
                   static_cast<std::uint64_t>(options_.segment_index_bytes)};
    for (std::size_t i = 0; segments_[i]->base() < section.first_uncleanable; ++i) {
        Segment& segment = *segments_[i];
        plan.sources.push_back(
            {.identity = &segment,
             .base = segment.base(),
             .next_base = segments_[i + 1]->base(),
             .size = segment.written(),
             .offset_index_bytes = segment.offsets().count() * OffsetIndex::entry_size,
             .time_index_bytes = segment.times().count() * TimeIndex::entry_size,
             .path = segment.path(log_suffix)});
    }
    ASSIGN_OR_RETURN(plan.aborted,
                     aborted_transactions(segments_.front()->base(), section.first_uncleanable));
    for (const auto& [id, producer] : producers_.producers()) {
        LastOfProducer last{.epoch = producer.epoch};
        if (producer.last_offset() >= 0) last.last_data_offset = producer.last_offset();
        plan.producers[id] = last;
    }
    return plan;
}

Task<Result<CompactionReport>> Log::compact(CompactionTerms terms) {
    write_queued();
    CO_RETURN_IF_ERROR(check_open());
    CHECK(compaction_ == nullptr);
    Cancellation& current = co_await current_cancellation();
    Cancellation nested(current);
    CompactionTurn turn(*this, nested);
    ASSIGN_OR_CO_RETURN(DirtySection section, dirty_section(terms.last_stable, shard_.wall_ms()));
    CompactionReport report{.first_dirty = section.first_dirty};
    if (section.dirty_bytes == 0) co_return report;
    ASSIGN_OR_CO_RETURN(CompactionPlan plan, plan_compaction(section));
    // There are no more keys than offsets.
    auto offsets = static_cast<double>(section.first_uncleanable - section.first_dirty);
    double useful = (offsets / std::max(terms.map_load_factor, 0.01) + 4) * OffsetMap::slot_size;
    auto memory = static_cast<std::size_t>(std::min(useful, static_cast<double>(terms.map_memory)));
    OffsetMap map(memory, terms.map_load_factor, {shard_.random().next(), shard_.random().next()});
    Compaction work(disk_, std::move(plan), map, terms.io_buffer_size);
    Result<bool> finished = false;
    bool stopped = false;
    try {
        finished = co_await carry_out(work, terms).under(nested);
    } catch (const Cancelled&) {
        stopped = true;
    }
    if (stopped || !finished || !*finished) {
        Cancellation shield(shard_);
        auto discard = [&]() -> Task<void> {
            co_await env::lasting(shard_, [&] { work.discard(); });
        };
        co_await discard().under(shield);
    }
    if (stopped && current.requested()) throw Cancelled{};
    if (!finished) {
        CO_RETURN_IF_ERROR(guarded(fail(std::move(finished).error())));
    }
    report.finished = *finished;
    if (*finished) first_dirty_ = report.first_dirty = work.end();
    report.map_utilization = static_cast<double>(map.size() * OffsetMap::slot_size) /
                             static_cast<double>(terms.map_memory);
    report.stats = work.stats();
    co_return report;
}

// False when the log changed below what is worked on.
Task<Result<bool>> Log::carry_out(Compaction& work, const CompactionTerms& terms) {
    std::size_t cuts = cuts_.size();
    auto changed = [&] { return cuts != cuts_.size() || error_ || closing_; };
    enum class Phase { mapping, cleaning } phase = Phase::mapping;
    while (phase == Phase::mapping || !work.done()) {
        std::uint64_t before = work.moved();
        Result<bool> done = false;
        co_await env::lasting(shard_, [&] {
            done = phase == Phase::mapping ? work.fill_map(terms.step_bytes)
                                           : work.clean(terms.step_bytes);
        });
        if (changed()) co_return false;
        bool mapped = phase == Phase::mapping && done && *done;
        if (mapped) {
            phase = Phase::cleaning;
        } else if (has_removed(work.sources())) {
            co_await env::lasting(shard_, [&] { work.skip(); });
            continue;
        }
        if (!done && !holds(work.sources())) co_return false;
        if (!done) co_return fail(std::move(done).error());
        if (terms.pace) co_await terms.pace(work.moved() - before);
        if (mapped || !*done) continue;
        Cancellation shield(shard_);
        CompactionCleaned cleaned = work.take();
        auto sources = cleaned.sources;
        ASSIGN_OR_CO_RETURN(bool swapped, co_await swap_in(std::move(cleaned), cuts).under(shield));
        if (!swapped && !has_removed(sources)) co_return false;
    }
    co_return !changed();
}

// Whether these are still consecutive segments of the log, and sealed.
bool Log::holds(std::span<const CompactionSource> sources) const {
    if (sources.empty()) return true;
    std::size_t at = segment_index(sources.front().base);
    if (at + sources.size() >= segments_.size()) return false;
    return std::ranges::all_of(sources, [&](const CompactionSource& source) {
        return segments_[at++].get() == source.identity;
    });
}

// Whether retention has removed all of these: the round goes on with the others.
bool Log::has_removed(std::span<const CompactionSource> sources) const {
    return !sources.empty() && sources.back().next_base <= segments_.front()->base();
}

// The names become durable in this order: the new files as .swap, the old ones as .deleted, the new
// ones as they stay. Before the first nothing has happened; behind it the next start goes on
// (leftovers). Readers see the new segment from the second on.
Task<Result<bool>> Log::swap_in(CompactionCleaned cleaned, std::size_t cuts) {
    if (cleaned.segment == nullptr) co_return true;
    Segment& segment = *cleaned.segment;
    auto current = [&] {
        return cuts == cuts_.size() && !error_ && !closing_ && holds(cleaned.sources);
    };
    if (current()) {
        CO_RETURN_IF_ERROR(segment.rename_files(swap_suffix));
        swapping_ = &segment;
        Result<> synced = co_await sync_names();
        swapping_ = nullptr;
        if (!synced) co_return fail(synced.error());
        if (current()) {
            CO_RETURN_IF_ERROR(replace(cleaned.sources, std::move(cleaned.segment)));
            CO_RETURN_IF_ERROR(co_await sync_names());
            auto there =
                std::ranges::find(segments_, &segment, [](const auto& each) { return each.get(); });
            if (there == segments_.end()) co_return true;
            CO_RETURN_IF_ERROR(segment.rename_files(""));
            CO_RETURN_IF_ERROR(co_await sync_names());
            co_return true;
        }
        CO_RETURN_IF_ERROR(withdraw_swap(segment));
    }
    co_await env::lasting(shard_, [&] {
        if (disk_.sync_directory(path_)) remove_files(disk_, segment);
    });
    co_return false;
}

// Names of .swap files alone say that they replace others: they get .cleaned again.
Result<> Log::withdraw_swap(Segment& segment) {
    return guarded(segment.rename_files(cleaned_suffix));
}

// Records from `offset` on are not those that were compacted.
void Log::made_dirty_from(Offset offset) {
    if (first_dirty_) first_dirty_ = std::min(*first_dirty_, offset);
    if (swapping_ != nullptr) (void)withdraw_swap(*swapping_);
}

Task<Result<>> Log::sync_names() {
    Result<> result;
    co_await env::lasting(shard_, [&, path = path_] { result = disk_.sync_directory(path); });
    co_return result;
}

Result<> Log::replace(std::span<const CompactionSource> sources, std::unique_ptr<Segment> segment) {
    auto first =
        segments_.begin() + static_cast<std::ptrdiff_t>(segment_index(sources.front().base));
    auto end = first + static_cast<std::ptrdiff_t>(sources.size());
    std::vector<std::unique_ptr<Segment>> replaced(std::make_move_iterator(first),
                                                   std::make_move_iterator(end));
    segment->release();
    // The compaction has held offsets against each other, but no epochs.
    bool proven =
        std::ranges::all_of(replaced, [](const auto& each) { return each->proven().complete(); });
    if (!proven) segment->proven() = ProvenHeaders(segment->written());
    *first = std::move(segment);
    segments_.erase(first + 1, end);
    for (const auto& old : replaced) {
        old->release();
        for (const std::string& path : old->paths()) RETURN_IF_ERROR(doom(path));
        if (old == replaced.front()) continue;
        RETURN_IF_ERROR(doom(old->path(snapshot_suffix)));
        snapshots_.erase(old->base());
    }
    return {};
}

}  // namespace millrace::storage
