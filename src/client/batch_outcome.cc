#include "client/batch_outcome.h"

#include <algorithm>

namespace millrace::client {

bool BatchOutcome::done() const {
    if (parts_.empty()) return settled_;
    return std::ranges::all_of(parts_, [](const Part& part) { return part.outcome->done(); });
}

void BatchOutcome::acknowledge(std::int64_t base_offset, Timestamp log_append_time) {
    CHECK(!settled_ && parts_.empty());
    settled_ = true;
    base_offset_ = base_offset;
    log_append_time_ = log_append_time;
    changed_.notify_all();
}

void BatchOutcome::fail(Error error) {
    CHECK(!settled_ && parts_.empty());
    settled_ = true;
    error_ = std::move(error);
    changed_.notify_all();
}

std::shared_ptr<BatchOutcome> BatchOutcome::add_part(std::int32_t first) {
    CHECK(!settled_ && (parts_.empty() ? first == 0 : first > parts_.back().first));
    parts_.push_back({first, std::make_shared<BatchOutcome>(partition_)});
    changed_.notify_all();
    return parts_.back().outcome;
}

const BatchOutcome::Part& BatchOutcome::part_of(std::int32_t index) const {
    auto behind = std::ranges::upper_bound(parts_, index, {}, &Part::first);
    CHECK(behind != parts_.begin());
    return *(behind - 1);
}

bool BatchOutcome::done(std::int32_t index) const {
    if (parts_.empty()) return settled_;
    const Part& part = part_of(index);
    return part.outcome->done(index - part.first);
}

Result<RecordMetadata> BatchOutcome::result(std::int32_t index, Timestamp timestamp) const {
    if (!parts_.empty()) {
        const Part& part = part_of(index);
        return part.outcome->result(index - part.first, timestamp);
    }
    CHECK(settled_);
    if (error_) return millrace::fail(*error_);
    return RecordMetadata{*partition_, base_offset_ < 0 ? -1 : base_offset_ + index,
                          log_append_time_ == no_timestamp ? timestamp : log_append_time_};
}

Task<void> BatchOutcome::wait(std::int32_t index) {
    while (!settled_ && parts_.empty()) co_await changed_.wait();
    if (settled_) co_return;
    std::shared_ptr<BatchOutcome> part = part_of(index).outcome;
    co_await part->wait(index - part_of(index).first);
}

Task<void> BatchOutcome::wait_for_all() {
    while (!settled_ && parts_.empty()) co_await changed_.wait();
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        std::shared_ptr<BatchOutcome> part = parts_[i].outcome;
        co_await part->wait_for_all();
    }
}

bool Delivery::done() const { return outcome_->done(index_); }

Result<RecordMetadata> Delivery::result() const { return outcome_->result(index_, timestamp_); }

Task<Result<RecordMetadata>> Delivery::get() const {
    std::shared_ptr<BatchOutcome> outcome = outcome_;
    std::int32_t index = index_;
    Timestamp timestamp = timestamp_;
    co_await outcome->wait(index);
    co_return outcome->result(index, timestamp);
}

}  // namespace millrace::client
