#include "client/partition_queue.h"

#include <algorithm>

namespace millrace::client {
namespace {

// The leader does not take the batch where it stands in the producer's sequence.
bool is_about_sequence(ErrorCode error) {
    return error == ErrorCode::out_of_order_sequence_number ||
           error == ErrorCode::unknown_producer_id || error == ErrorCode::invalid_producer_epoch;
}

}  // namespace

Verdict judge(ErrorCode error, bool idempotent, std::int32_t count) {
    if (error == ErrorCode::duplicate_sequence_number) return Verdict::acknowledged;
    if (error == ErrorCode::message_too_large && count > 1) return Verdict::too_large;
    if (idempotent && is_about_sequence(error)) return Verdict::again;
    return is_retriable(error) ? Verdict::again : Verdict::refused;
}

ProducerBatch* PartitionQueue::open_batch() {
    if (waiting_.empty()) return nullptr;
    ProducerBatch& last = *waiting_.back();
    return last.full || last.is_sealed() ? nullptr : &last;
}

ProducerBatch& PartitionQueue::begin_batch(const BatchOptions& options, Time now) {
    if (!waiting_.empty()) waiting_.back()->full = true;
    waiting_.push_back(std::make_unique<ProducerBatch>(
        options, std::make_shared<BatchOutcome>(partition_), records_, now));
    return *waiting_.back();
}

ProducerBatch* PartitionQueue::next_to_send(std::size_t most_in_flight, Time now) const {
    if (waiting_.empty() || in_flight_.size() >= most_in_flight || now < not_before_)
        return nullptr;
    ProducerBatch& first = *waiting_.front();
    if (in_flight_.empty()) return &first;
    if (first.again || gap_) return nullptr;
    // The leader knows a producer's last few batches again. Should the oldest one under way have to
    // be repeated it must be among them, whatever was acknowledged meanwhile.
    if (turns_ - in_flight_.front()->turn >= most_in_flight) return nullptr;
    return &first;
}

bool PartitionQueue::needs_new_epoch(const ProducerIdentity& current) const {
    return gap_ && identity_ == current && !waiting_.empty() && !waiting_.front()->is_sequenced();
}

ProducerBatch& PartitionQueue::send_next(const ProducerIdentity& current, Compressor& compressor) {
    ProducerBatch& batch = *waiting_.front();
    if (current.known() && !batch.is_sequenced()) {
        // Another identity begins only when nothing of the old one is open.
        if (identity_ != current && in_flight_.empty()) {
            identity_ = current;
            next_sequence_ = 0;
            gap_.reset();
        }
        CHECK(!gap_);
        batch.number(identity_, next_sequence_);
        next_sequence_ = advance_sequence(next_sequence_, batch.count());
    }
    if (!batch.is_sealed()) batch.seal(compressor);
    if (!batch.again) batch.turn = turns_++;
    ++batch.attempts;
    in_flight_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    return batch;
}

std::unique_ptr<ProducerBatch> PartitionQueue::acknowledged(ProducerBatch& batch) {
    if (gap_ && batch.order > *gap_) gap_.reset();
    failures = 0;
    return take_sent(batch);
}

std::unique_ptr<ProducerBatch> PartitionQueue::refused(ProducerBatch& batch) {
    note_gap(batch);
    return take_sent(batch);
}

void PartitionQueue::send_again(ProducerBatch& batch, ErrorCode error, Time when) {
    bool first = in_flight_.front().get() == &batch &&
                 (waiting_.empty() || batch.order < waiting_.front()->order);
    put_back(take_sent(batch));
    bool final = first && in_flight_.empty();
    if (!is_about_sequence(error) || final) not_before_ = std::max(not_before_, when);
    if (is_about_sequence(error) && final && waiting_.front()->is_sequenced()) begin_anew();
}

std::unique_ptr<ProducerBatch> PartitionQueue::replace(
    ProducerBatch& batch, std::vector<std::unique_ptr<ProducerBatch>> parts) {
    std::unique_ptr<ProducerBatch> whole = take_sent(batch);
    for (auto& part : parts) put_back(std::move(part));
    return whole;
}

std::unique_ptr<ProducerBatch> PartitionQueue::expire(Time before) {
    if (waiting_.empty() || waiting_.front()->taken > before) return nullptr;
    std::unique_ptr<ProducerBatch> batch = std::move(waiting_.front());
    waiting_.pop_front();
    note_gap(*batch);
    return batch;
}

std::unique_ptr<ProducerBatch> PartitionQueue::take_sent(ProducerBatch& batch) {
    auto at =
        std::ranges::find_if(in_flight_, [&](const auto& sent) { return sent.get() == &batch; });
    CHECK(at != in_flight_.end());
    std::unique_ptr<ProducerBatch> taken = std::move(*at);
    in_flight_.erase(at);
    return taken;
}

void PartitionQueue::put_back(std::unique_ptr<ProducerBatch> batch) {
    batch->again = true;
    auto at = std::ranges::find_if(waiting_,
                                   [&](const auto& other) { return other->order > batch->order; });
    waiting_.insert(at, std::move(batch));
}

void PartitionQueue::begin_anew() {
    for (auto& batch : waiting_) {
        if (!batch->is_sequenced()) break;
        batch->base_sequence = no_sequence;
        batch->again = false;
    }
    gap_ = waiting_.front()->order;
}

void PartitionQueue::note_gap(const ProducerBatch& batch) {
    if (batch.is_sequenced()) gap_ = std::max(gap_.value_or(0), batch.order);
}

}  // namespace millrace::client
