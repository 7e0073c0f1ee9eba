#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "client/topic_partition.h"
#include "records/batch.h"

namespace millrace::client {

class BatchOutcome;

// Where a record is.
struct RecordMetadata {
    TopicPartition partition;
    // -1 where the broker does not say: acks=0, or a repeat of what it had long before.
    std::int64_t offset = -1;
    // The record's own, or the broker's where the topic has LogAppendTime.
    Timestamp timestamp = no_timestamp;
};

// The ticket of one record; copies share what they wait for.
class Delivery {
  public:
    Delivery(std::shared_ptr<BatchOutcome> outcome, std::int32_t index, Timestamp timestamp)
        : outcome_(std::move(outcome)), index_(index), timestamp_(timestamp) {}

    bool done() const;
    // Of a delivery that is done.
    Result<RecordMetadata> result() const;
    Task<Result<RecordMetadata>> get() const;

  private:
    std::shared_ptr<BatchOutcome> outcome_;
    std::int32_t index_;  // in its batch
    Timestamp timestamp_;
};

// What became of the records of one batch.
struct BatchDelivery {
    std::string_view topic;
    std::int32_t partition = 0;
    std::int64_t base_offset = -1;  // as RecordMetadata::offset
    std::int32_t count = 0;
    // Of the records' keys, values and headers, before compression.
    std::size_t bytes = 0;
    // When the first of them was taken.
    Time taken;
    // nullptr: they were acknowledged.
    const Error* error = nullptr;
};

// Told of outcomes in the loop, between coroutines: it must not wait, and must not send.
class DeliveryObserver {
  public:
    // A record went into a batch of this partition; delivered() counts them in the same order, but
    // where a producer without idempotence repeats a batch.
    virtual void taken(std::string_view topic, std::int32_t partition) {
        (void)topic;
        (void)partition;
    }
    virtual void delivered(const BatchDelivery& batch) = 0;

  protected:
    ~DeliveryObserver() = default;
};

}  // namespace millrace::client
