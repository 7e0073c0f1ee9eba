#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/condition.h"
#include "client/delivery.h"

namespace millrace::client {

// What the tickets of one batch share. A batch that was split has the outcomes of its parts.
class BatchOutcome {
  public:
    explicit BatchOutcome(std::shared_ptr<const TopicPartition> partition)
        : partition_(std::move(partition)) {}

    bool done() const;
    void acknowledge(std::int64_t base_offset, Timestamp log_append_time);
    void fail(Error error);
    // Makes the outcome of one more part, which holds the records from index `first` on; parts come
    // in order, the first one with index 0.
    std::shared_ptr<BatchOutcome> add_part(std::int32_t first);

    // Of a record whose part is done.
    bool done(std::int32_t index) const;
    Result<RecordMetadata> result(std::int32_t index, Timestamp timestamp) const;
    // Ends when the part of this record is done; the outcome is kept by the caller.
    Task<void> wait(std::int32_t index);
    Task<void> wait_for_all();

  private:
    struct Part {
        std::int32_t first;
        std::shared_ptr<BatchOutcome> outcome;
    };
    const Part& part_of(std::int32_t index) const;

    std::shared_ptr<const TopicPartition> partition_;
    bool settled_ = false;
    std::int64_t base_offset_ = -1;
    Timestamp log_append_time_ = no_timestamp;
    std::optional<Error> error_;
    std::vector<Part> parts_;
    Condition changed_;
};

}  // namespace millrace::client
