#include <fmt/format.h>

#include "base/random.h"
#include "client/accumulator.h"
#include "client/log.h"

namespace millrace::client {

void Accumulator::release(ProducerBatch& batch) {
    CHECK(batch.reserved <= used_);
    used_ -= batch.reserved;
    batch.reserved = 0;
}

// Settles the outcome, of a batch whose outcome is open.
void Accumulator::finish(ProducerBatch& batch, const TopicPartition& partition, const Error* error,
                         std::int64_t base_offset, Timestamp log_append_time) {
    auto count = static_cast<std::uint64_t>(batch.count());
    open_records_ -= count;
    if (error == nullptr) {
        totals_.records_acknowledged += count;
        batch.outcome->acknowledge(base_offset, log_append_time);
    } else {
        totals_.records_failed += count;
        if (!first_error_) first_error_ = *error;
        batch.outcome->fail(*error);
    }
    if (observer_ == nullptr) return;
    BatchDelivery delivery;
    delivery.topic = partition.topic;
    delivery.partition = partition.partition;
    delivery.base_offset = base_offset;
    delivery.count = batch.count();
    delivery.bytes = batch.payload;
    delivery.taken = batch.taken;
    delivery.error = error;
    observer_->delivered(delivery);
}

void Accumulator::acknowledge(const Shipment::Item& item, std::int64_t base_offset,
                              Timestamp log_append_time) {
    std::unique_ptr<ProducerBatch> batch = item.queue->acknowledged(*item.batch);
    wants_drain_ = true;
    release(*batch);
    if (!batch->abandoned)
        finish(*batch, *item.queue->partition(), nullptr, base_offset, log_append_time);
}

Error Accumulator::late(const PartitionQueue& queue) const {
    return {
        ErrorCode::request_timed_out,
        fmt::format("Records for {} were not acknowledged within delivery.timeout.ms ({} ms){}{}",
                    to_string(*queue.partition()), options_.delivery_timeout.ms(),
                    queue.problem.empty() ? "; no leader could be sent to" : "; the last problem: ",
                    queue.problem)};
}

void Accumulator::settle(const Shipment::Item& item, const Error& error, Time now) {
    PartitionQueue& queue = *item.queue;
    ProducerBatch& batch = *item.batch;
    queue.problem = error.message.empty() ? std::string(name_of(error.code)) : error.message;
    wants_drain_ = true;
    Verdict verdict = judge(error.code, options_.idempotent, batch.count());
    if (verdict == Verdict::acknowledged) {
        acknowledge(item, -1, no_timestamp);
        return;
    }
    if (batch.abandoned) {
        release(*queue.refused(batch));
        return;
    }
    if (verdict == Verdict::too_large) {
        split_batch(item, error);
    } else if (verdict == Verdict::again && batch.attempts <= options_.retries &&
               now < batch.taken + options_.delivery_timeout) {
        LOG_DEBUG("A batch for {} is sent again: {}", to_string(*queue.partition()), queue.problem);
        ++queue.failures;
        queue.send_again(batch, error.code, now + options_.retry.after(queue.failures, random_));
    } else {
        bool expired = verdict == Verdict::again && batch.attempts <= options_.retries;
        Error told = expired ? late(queue) : error;
        std::unique_ptr<ProducerBatch> refused = queue.refused(batch);
        release(*refused);
        finish(*refused, *queue.partition(), &told, -1, no_timestamp);
    }
}

void Accumulator::split_batch(const Shipment::Item& item, const Error& error) {
    ProducerBatch& batch = *item.batch;
    // Each round at least halves, so that it ends, at single records if need be.
    std::size_t target = std::min(options_.batch_size, batch.sealed.size() / 2);
    LOG_DEBUG("A batch of {} records and {} bytes for {} is split: {}", batch.count(),
              batch.sealed.size(), to_string(*item.queue->partition()), error.message);
    item.queue->ratio = 1;
    ++totals_.batches_split;
    auto parts = split(batch, batch_options(), target, compressor_);
    release(batch);
    for (const auto& part : parts) used_ += part->reserved;
    item.queue->replace(batch, std::move(parts));
}

void Accumulator::expire(Time now) {
    Time before = now - options_.delivery_timeout;
    for (PartitionQueue* queue : active_) {
        for (const auto& batch : queue->sent()) {
            if (batch->abandoned || batch->taken > before) continue;
            batch->abandoned = true;
            Error error = late(*queue);
            finish(*batch, *queue->partition(), &error, -1, no_timestamp);
        }
        while (std::unique_ptr<ProducerBatch> batch = queue->expire(before)) {
            wants_drain_ = true;
            Error error = late(*queue);
            release(*batch);
            finish(*batch, *queue->partition(), &error, -1, no_timestamp);
        }
    }
}

void Accumulator::fail_waiting(PartitionQueue& queue, const Error& error) {
    while (std::unique_ptr<ProducerBatch> batch = queue.expire(Time::never())) {
        release(*batch);
        finish(*batch, *queue.partition(), &error, -1, no_timestamp);
    }
}

void Accumulator::fail_all(const Error& error) {
    for (PartitionQueue* queue : active_) {
        for (const auto& batch : queue->sent()) {
            if (std::exchange(batch->abandoned, true)) continue;
            finish(*batch, *queue->partition(), &error, -1, no_timestamp);
        }
        fail_waiting(*queue, error);
    }
}

std::vector<std::shared_ptr<BatchOutcome>> Accumulator::open_outcomes() const {
    std::vector<std::shared_ptr<BatchOutcome>> outcomes;
    for (const PartitionQueue* queue : active_) {
        for (const auto& batch : queue->sent())
            if (!batch->abandoned) outcomes.push_back(batch->outcome);
        for (const auto& batch : queue->waiting()) outcomes.push_back(batch->outcome);
    }
    return outcomes;
}

}  // namespace millrace::client
