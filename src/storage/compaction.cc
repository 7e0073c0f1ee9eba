#include "storage/compaction.h"

#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"
#include "records/record.h"
#include "storage/batch_scan.h"

namespace millrace::storage {
namespace {

// Keys are put into the map some at a time, so that their slots are fetched beside each other.
constexpr std::size_t keys_ahead = 32;

std::vector<AbortedTransaction> ending_at_or_above(std::vector<AbortedTransaction> aborted,
                                                   Offset offset) {
    std::erase_if(aborted, [&](const auto& each) { return each.last_offset < offset; });
    return aborted;
}

}  // namespace

Compaction::Compaction(env::Disk& disk, CompactionPlan plan, OffsetMap& map,
                       std::size_t io_buffer_size)
    : disk_(disk),
      plan_(std::move(plan)),
      map_(map),
      io_buffer_size_(io_buffer_size),
      mapped_transactions_(ending_at_or_above(plan_.aborted, plan_.first_dirty)) {
    while (source_ < plan_.sources.size() &&
           plan_.sources[source_].next_base <= plan_.first_dirty) {
        ++source_;
    }
}

// Walking --------------------------------------------------------------------------------------

std::unexpected<Error> Compaction::in_source(Error error) const {
    return fail(error.code, fmt::format("{}: {}", plan_.sources[source_].path, error.message));
}

Result<> Compaction::open_source(std::size_t index) {
    const CompactionSource& source = plan_.sources[index];
    ASSIGN_OR_RETURN(file_, disk_.open(source.path, {}));
    least_ = source.base;
    std::uint32_t position = 0;
    if (!filter_ && source.base < plan_.first_dirty) {
        PageAccess access;
        HeaderScan scan(file_, 0, source.size, access);
        while (true) {
            ASSIGN_OR_RETURN(auto place, scan.next());
            position = place ? place->position : source.size;
            if (!place || place->last_offset >= plan_.first_dirty) break;
        }
    }
    chunks_.emplace(file_, position, source.size, io_buffer_size_);
    batches_ = BatchReader(Bytes());
    return {};
}

// False at the end of the source.
Result<bool> Compaction::next_chunk() {
    if (!chunks_) RETURN_IF_ERROR(open_source(source_));
    chunk_position_ = chunks_->position();
    ASSIGN_OR_RETURN(Bytes chunk, chunks_->next());
    batches_ = BatchReader(chunk);
    (filter_ ? stats_.bytes_read : stats_.map_bytes_read) += chunk.size();
    return !chunk.empty();
}

// Offsets of a header are outside its CRC.
Result<> Compaction::check_place(const BatchView& batch) {
    bool fits = batch.last_offset_delta() >= 0 && batch.base_offset() >= least_ &&
                batch.base_offset() < plan_.sources[source_].next_base &&
                batch.next_offset() <= plan_.sources[source_].next_base;
    if (!fits) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("a batch has offsets {} to {}, and must lie between {} and {}",
                                batch.base_offset(), batch.last_offset(), least_,
                                plan_.sources[source_].next_base));
    }
    least_ = batch.next_offset();
    return {};
}

// Filling the map ------------------------------------------------------------------------------

Result<bool> Compaction::fill_map(std::uint64_t budget) {
    std::uint64_t until = moved() + std::max<std::uint64_t>(budget, 1);
    while (source_ < plan_.sources.size() && !map_full_) {
        if (moved() >= until) return false;
        auto more = next_chunk();
        if (!more) return in_source(std::move(more).error());
        while (*more && !map_full_) {
            auto batch = batches_.next();
            if (!batch) return in_source(std::move(batch).error());
            if (!*batch) break;
            if (auto mapped = map_batch(**batch); !mapped) return in_source(mapped.error());
        }
        flush_keys();
        if (*more) continue;
        last_mapped_ = plan_.sources[source_].next_base - 1;
        chunks_.reset();
        ++source_;
    }
    begin_cleaning();
    return true;
}

Result<> Compaction::map_batch(const BatchView& batch) {
    RETURN_IF_ERROR(check_place(batch));
    // A garbled key would take another one's records away.
    RETURN_IF_ERROR(batch.verify_crc());
    if (batch.is_control()) {
        RETURN_IF_ERROR(mapped_transactions_.take_control(batch));
    } else if (!mapped_transactions_.take_data(batch)) {
        RETURN_IF_ERROR(map_records(batch));
    }
    stats_.map_records_read += batch.count();
    if (keys_.empty() && !map_full_) {
        last_mapped_ = std::max(last_mapped_, batch.last_offset());
    }
    return {};
}

Result<> Compaction::map_records(const BatchView& batch) {
    ASSIGN_OR_RETURN(Bytes records, inflater_.records_of(batch));
    RecordReader reader(batch, records);
    while (true) {
        ASSIGN_OR_RETURN(const Record* record, reader.next());
        if (record == nullptr) break;
        if (!record->key || record->offset < plan_.first_dirty) continue;
        keys_.push_back({map_.hash(*record->key), record->offset});
        map_.prefetch(keys_.back().hash);
        if (keys_.size() == keys_ahead) flush_keys();
        if (map_full_) break;
    }
    return {};
}

void Compaction::flush_keys() {
    for (const Key& key : keys_) {
        map_full_ = !map_.put(key.hash, key.offset);
        if (map_full_) break;
        last_mapped_ = key.offset;
    }
    keys_.clear();
}

// Cleaning -------------------------------------------------------------------------------------

void Compaction::begin_cleaning() {
    std::erase_if(plan_.sources, [&](const auto& source) { return source.base > last_mapped_; });
    groups_ = group_sources(plan_.sources, plan_.limits);
    filter_.emplace(map_, plan_.aborted, plan_.producers,
                    FilterTerms{.last_mapped = last_mapped_,
                                .now = plan_.now,
                                .delete_retention_ms = plan_.delete_retention_ms});
    source_ = 0;
    chunks_.reset();
    batches_ = BatchReader(Bytes());  // a full map has left some
}

Result<bool> Compaction::clean(std::uint64_t budget) {
    std::uint64_t until = moved() + std::max<std::uint64_t>(budget, 1);
    while (source_ < group_first_ + groups_[group_]) {
        if (moved() >= until) return false;
        if (auto cleaned = clean_some(); !cleaned) return in_source(cleaned.error());
    }
    if (!output_ && groups_[group_] > 1) RETURN_IF_ERROR(begin_output());
    if (!output_) {
        // The next start takes what was compacted for whole.
        RETURN_IF_ERROR(file_->sync_now());
        return true;
    }
    ASSIGN_OR_RETURN(cleaned_, output_->finish(aborted_));
    output_.reset();
    return true;
}

// A chunk, or as much of it as can be.
Result<> Compaction::clean_some() {
    if (prefix_) return copy_prefix();
    if (held_) {
        RETURN_IF_ERROR(emit(*held_));
        held_.reset();
    } else if (batches_.rest().empty()) {
        ASSIGN_OR_RETURN(bool more, next_chunk());
        if (!more) {
            chunks_.reset();
            ++source_;
            return {};
        }
    }
    while (!prefix_ && !batches_.rest().empty()) RETURN_IF_ERROR(clean_batch());
    return prefix_ ? Result<>{} : flush();
}

Result<> Compaction::clean_batch() {
    auto position = chunk_position_ + static_cast<std::uint32_t>(batches_.position());
    ASSIGN_OR_RETURN(auto batch, batches_.next());
    CHECK(batch);
    RETURN_IF_ERROR(check_place(*batch));
    std::size_t last = group_first_ + groups_[group_] - 1;
    bool ends_group = batch->next_offset() == plan_.sources[last].next_base;
    ASSIGN_OR_RETURN(FilteredBatch filtered, filter_->filter(*batch, ends_group));
    stats_.records_read += filtered.records_read;
    stats_.records_kept += filtered.records_kept;
    stats_.records_without_key += filtered.records_without_key;
    if (filtered.aborted) aborted_.push_back(*filtered.aborted);
    Held one{*batch, std::move(filtered)};
    if (output_) return emit(one);
    bool alone = groups_[group_] == 1;
    if (alone && one.filtered.fate == FilteredBatch::Fate::copied) return {};
    RETURN_IF_ERROR(begin_output());
    if (!alone || position == 0) return emit(one);
    prefix_.emplace(file_, 0, position, io_buffer_size_);
    held_.emplace(std::move(one));
    return {};
}

Result<> Compaction::begin_output() {
    ASSIGN_OR_RETURN(auto output,
                     SegmentWriter::create(disk_, plan_.directory, plan_.sources[group_first_].base,
                                           plan_.now, plan_.index_interval_bytes));
    output_.emplace(std::move(output));
    return {};
}

// What was left alone so far goes into the output after all.
Result<> Compaction::copy_prefix() {
    ASSIGN_OR_RETURN(Bytes chunk, prefix_->next());
    if (chunk.empty()) {
        prefix_.reset();
        return {};
    }
    recopied_ += chunk.size();
    BatchReader reader(chunk);
    while (true) {
        ASSIGN_OR_RETURN(auto batch, reader.next());
        if (!batch) return flush();
        RETURN_IF_ERROR(output_->add(*batch));
    }
}

Result<> Compaction::emit(const Held& held) {
    switch (held.filtered.fate) {
        case FilteredBatch::Fate::copied:
            return output_->add(held.batch);
        case FilteredBatch::Fate::rewritten:
            return output_->add(held.filtered.rewritten);
        case FilteredBatch::Fate::dropped:
            break;
    }
    return {};
}

Result<> Compaction::flush() {
    if (!output_) return {};
    ASSIGN_OR_RETURN(std::size_t written, output_->flush());
    stats_.bytes_written += written;
    return {};
}

std::span<const CompactionSource> Compaction::sources() const {
    auto all = std::span(plan_.sources);
    if (!filter_) return all.subspan(source_, source_ < all.size() ? 1 : 0);
    if (done()) return {};
    return all.subspan(group_first_, groups_[group_]);
}

void Compaction::skip() {
    chunks_.reset();
    batches_ = BatchReader(Bytes());
    if (!filter_) {
        last_mapped_ = std::max(last_mapped_, plan_.sources[source_].next_base - 1);
        keys_.clear();
        ++source_;
        return;
    }
    prefix_.reset();
    held_.reset();
    discard();
    source_ = group_first_ + groups_[group_];
    (void)take();
}

CompactionCleaned Compaction::take() {
    CompactionCleaned cleaned{sources(), std::move(cleaned_)};
    group_first_ += cleaned.sources.size();
    ++group_;
    aborted_.clear();
    return cleaned;
}

void Compaction::discard() {
    if (output_) output_->discard();
    output_.reset();
    if (cleaned_) remove_files(disk_, *cleaned_);
    cleaned_.reset();
}

}  // namespace millrace::storage
