#include "storage/batch_filter.h"

#include <array>
#include <fmt/core.h>

#include "records/record.h"

namespace millrace::storage {
namespace {

// Keys are looked up some at a time, so that their slots are fetched from memory beside each other.
constexpr std::size_t lookups_ahead = 16;

Result<> check_order(const BatchView& batch, Offset offset, Offset least) {
    if (offset >= least && offset <= batch.last_offset()) return {};
    return fail(ErrorCode::invalid_record,
                fmt::format("The batch at offset {} holds a record at offset {}, which is out of "
                            "order",
                            batch.base_offset(), offset));
}

}  // namespace

// A producer that has written data since its epoch began is known by its last batch, another one
// by the marker that began the epoch.
bool BatchFilter::is_last_of_producer(const BatchView& batch) const {
    if (!batch.has_producer_id()) return false;
    auto found = producers_.find(batch.producer_id());
    if (found == producers_.end()) return false;
    const LastOfProducer& last = found->second;
    if (last.last_data_offset) return batch.last_offset() == *last.last_data_offset;
    return batch.is_control() && batch.producer_epoch() == last.epoch;
}

Result<FilteredBatch> BatchFilter::filter(const BatchView& batch, bool keep_empty) {
    FilteredBatch result;
    bool discardable = false;
    bool discarded = false;
    if (batch.is_control()) {
        RETURN_IF_ERROR(batch.verify_crc());
        ASSIGN_OR_RETURN(auto marker, transactions_.take_control(batch));
        discardable = marker.discardable;
        result.aborted = marker.aborted;
        auto horizon = batch.delete_horizon();
        discarded = discardable && horizon && *horizon <= terms_.now;
    } else {
        discarded = transactions_.take_data(batch);
    }
    keep_empty = keep_empty || is_last_of_producer(batch);
    result.records_read = batch.count();
    Bytes records;
    choice_ = {};
    if (!discarded) {
        ASSIGN_OR_RETURN(records, inflater_.records_of(batch));
        RETURN_IF_ERROR(choose(batch, records));
    }
    result.records_kept = choice_.count;
    result.records_without_key = choice_.without_key;
    bool first_look = (choice_.tombstones || discardable) && !batch.has_delete_horizon();
    if (choice_.count > 0 && choice_.count == batch.count() && !first_look) {
        result.fate = FilteredBatch::Fate::copied;
        return result;
    }
    RETURN_IF_ERROR(batch.verify_crc());
    if (choice_.count == 0) {
        if (!keep_empty) return result;
        result.fate = FilteredBatch::Fate::rewritten;
        result.rewritten = empty_batch_like(batch);
        return result;
    }
    auto horizon = batch.delete_horizon();
    if (first_look) horizon = terms_.now + terms_.delete_retention_ms;
    result.fate = FilteredBatch::Fate::rewritten;
    ASSIGN_OR_RETURN(result.rewritten, rewrite(batch, records, horizon));
    return result;
}

Result<> BatchFilter::choose(const BatchView& batch, Bytes records) {
    std::array<Candidate, lookups_ahead> ahead;
    std::size_t count = 0;
    auto decide_ahead = [&] {
        for (std::size_t i = 0; i < count; ++i) decide(batch, ahead[i]);
        count = 0;
    };
    RecordReader reader(batch, records);
    Offset least = batch.base_offset();
    while (true) {
        ASSIGN_OR_RETURN(const Record* record, reader.next());
        if (record == nullptr) break;
        RETURN_IF_ERROR(check_order(batch, record->offset, least));
        least = record->offset + 1;
        Candidate& candidate = ahead[count++];
        candidate = {record->offset, record->key.has_value(), record->value.has_value(), {}};
        if (record->key && !batch.is_control() && record->offset <= terms_.last_mapped) {
            candidate.hash = map_.hash(*record->key);
            map_.prefetch(candidate.hash);
        }
        if (count == ahead.size()) decide_ahead();
    }
    decide_ahead();
    return {};
}

void BatchFilter::decide(const BatchView& batch, const Candidate& candidate) {
    bool keep = true;
    if (!batch.is_control() && candidate.offset <= terms_.last_mapped) {
        if (candidate.has_key) {
            auto horizon = batch.delete_horizon();
            bool stays = candidate.has_value || !horizon || terms_.now < *horizon;
            keep = stays && candidate.offset >= map_.find(candidate.hash).value_or(no_offset);
        } else {
            keep = false;
            ++choice_.without_key;
        }
    }
    choice_.kept.push_back(keep);
    if (!keep) return;
    ++choice_.count;
    choice_.tombstones |= !candidate.has_value;
}

Result<Slice> BatchFilter::rewrite(const BatchView& batch, Bytes records,
                                   std::optional<Timestamp> delete_horizon) {
    BatchOptions options{.codec = batch.codec().value_or(Codec::none),
                         .base_offset = batch.base_offset(),
                         .leader_epoch = batch.leader_epoch(),
                         .producer_id = batch.producer_id(),
                         .producer_epoch = batch.producer_epoch(),
                         .base_sequence = batch.base_sequence(),
                         .transactional = batch.is_transactional(),
                         .control = batch.is_control(),
                         .delete_horizon = delete_horizon};
    if (batch.timestamp_type() == TimestampType::log_append_time) {
        options.log_append_time = batch.max_timestamp();
    }
    BatchBuilder builder(options);
    builder.reserve(batch_header_size + records.size());
    RecordReader reader(batch, records);
    for (bool kept : choice_.kept) {
        ASSIGN_OR_RETURN(const Record* record, reader.next());
        if (kept) builder.append_at(record->offset, *record);
    }
    builder.set_last_offset(batch.last_offset());
    return builder.build(compressor_);
}

}  // namespace millrace::storage
