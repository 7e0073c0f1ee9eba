#include "client/fetched_records.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

namespace millrace::client {

FetchedRecords::FetchedRecords(TopicPartition partition, Slice bytes, Aborted aborted,
                               const DecodeOptions& options)
    : partition_(std::move(partition)), bytes_(std::move(bytes)), options_(options) {
    std::ranges::sort(aborted, {}, &FetchResponse::AbortedTransaction::first_offset);
    if (options_.read_committed) aborted_.assign(aborted.begin(), aborted.end());
}

std::optional<FetchedRecords::End> FetchedRecords::end() const {
    std::optional<End> end;
    BatchReader reader(bytes_);
    for (;;) {
        Result<std::optional<BatchView>> batch = reader.next();
        if (!batch || !*batch) return end;
        end = End{(*batch)->next_offset(), (*batch)->leader_epoch()};
    }
}

Error FetchedRecords::describe(const Error& error, std::int64_t offset) const {
    return {error.code, fmt::format("{} at offset {} cannot be read: {}; seek past it to go on",
                                    to_string(partition_), offset, error.message)};
}

// Whether the whole batch is of no concern to the reader. Notes where transactions that were
// aborted begin.
bool FetchedRecords::leave_out(const BatchView& batch) {
    if (options_.read_committed && batch.has_producer_id()) {
        while (!aborted_.empty() && aborted_.front().first_offset <= batch.last_offset()) {
            aborting_.insert(aborted_.front().producer_id);
            aborted_.pop_front();
        }
        if (batch.is_transactional() && !batch.is_control() &&
            aborting_.contains(batch.producer_id()))
            return true;
    }
    return batch.is_control();
}

Result<> FetchedRecords::take_marker(const BatchView& batch) {
    if (!batch.is_control() || !batch.has_producer_id()) return {};
    if (!aborting_.contains(batch.producer_id())) return {};
    ASSIGN_OR_RETURN(TransactionMarker marker, transaction_marker(batch));
    if (marker.type == ControlType::abort) aborting_.erase(batch.producer_id());
    return {};
}

// False at the end.
Result<bool> FetchedRecords::open_batch(std::int64_t position) {
    for (;;) {
        Bytes rest = bytes_.bytes().subspan(at_);
        auto first = BatchView::first(rest);
        if (!first) return fail(describe(first.error(), position));
        if (!*first) return false;
        BatchView batch = **first;
        if (options_.check_crcs) {
            if (Result<> intact = batch.verify_crc(); !intact)
                return fail(describe(intact.error(), batch.base_offset()));
        }
        bool out = leave_out(batch);
        if (Result<> marker = take_marker(batch); !marker)
            return fail(describe(marker.error(), batch.base_offset()));
        Slice bytes = bytes_.slice(at_, batch.size());
        if (out || batch.last_offset() < position) {
            at_ += batch.size();
            continue;
        }
        Result<Slice> memory = inflate(bytes, options_.inflated_limit);
        if (!memory) return fail(describe(memory.error(), batch.base_offset()));
        at_ += batch.size();
        memory_ = *std::move(memory);
        batch_ = batch;
        reader_.emplace(batch_, memory_.bytes());
        return true;
    }
}

std::int64_t FetchedRecords::skip_broken() {
    auto first = BatchView::first(bytes_.bytes().subspan(at_));
    if (!first || !*first) {
        at_ = bytes_.size();
        return std::numeric_limits<std::int64_t>::max();
    }
    at_ += (*first)->size();
    return (*first)->next_offset();
}

Result<std::optional<ConsumedBatch>> FetchedRecords::next(std::int64_t& position,
                                                          std::size_t limit) {
    for (;;) {
        if (!reader_) {
            ASSIGN_OR_RETURN(bool opened, open_batch(position));
            if (!opened) {
                if (auto last = end()) position = std::max(position, last->offset);
                return std::nullopt;
            }
        }
        ConsumedBatch taken;
        taken.records.reserve(
            std::min(limit, static_cast<std::size_t>(std::max(batch_.count(), 0))));
        bool ended = false;
        while (taken.records.size() < limit) {
            Result<const Record*> record = reader_->next();
            if (!record) {
                if (!taken.records.empty()) break;  // what was whole goes first
                at_ = static_cast<std::size_t>(batch_.bytes().data() - bytes_.data());
                reader_.reset();
                return fail(describe(record.error(), position));
            }
            ended = *record == nullptr;
            if (ended) break;
            if ((*record)->offset < position) continue;
            taken.records.push_back(**record);
            position = (*record)->offset + 1;
        }
        taken.memory = memory_;
        taken.leader_epoch = batch_.leader_epoch();
        taken.timestamp_type = batch_.timestamp_type();
        if (ended) {
            position = std::max(position, batch_.next_offset());
            reader_.reset();
            memory_ = Slice();
        }
        if (taken.records.empty()) continue;
        taken.partition = partition_;
        return taken;
    }
}

}  // namespace millrace::client
