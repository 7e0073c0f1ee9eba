#include "client/acquired_records.h"

#include <algorithm>
#include <limits>

namespace millrace::client {
namespace {

constexpr std::int64_t beyond_all = std::numeric_limits<std::int64_t>::max();

}  // namespace

AcquiredRecords::AcquiredRecords(TopicPartition partition, Slice bytes, Ranges acquired,
                                 const DecodeOptions& options)
    : name_(partition),
      records_(std::move(partition), std::move(bytes), {}, options),
      acquired_(std::move(acquired)) {
    std::ranges::sort(acquired_, {}, &ShareFetchResponse::AcquiredRecords::first_offset);
    if (!acquired_.empty()) next_ = position_ = acquired_.front().first_offset;
    go_to(next_);  // behind a range that is empty
}

// All below the offset is accounted for.
void AcquiredRecords::go_to(std::int64_t offset) {
    next_ = std::max(next_, offset);
    while (at_ < acquired_.size() && next_ > acquired_[at_].last_offset) {
        ++at_;
        if (at_ < acquired_.size()) next_ = std::max(next_, acquired_[at_].first_offset);
    }
}

// What is acquired below the offset and was not given out is acknowledged in this way.
void AcquiredRecords::settle_below(std::int64_t offset, AcknowledgeType type) {
    while (at_ < acquired_.size() && next_ < offset) {
        std::int64_t last = std::min(acquired_[at_].last_offset, offset - 1);
        append_to(acknowledged_, next_, last, type);
        go_to(last + 1);
    }
}

AcquiredBatch AcquiredRecords::pick(ConsumedBatch batch) {
    AcquiredBatch picked{std::move(batch), {}};
    std::size_t kept = 0;
    for (const Record& record : picked.records) {
        settle_below(record.offset, AcknowledgeType::gap);
        if (at_ == acquired_.size()) break;
        if (record.offset != next_) continue;
        picked.delivery_counts.push_back(acquired_[at_].delivery_count);
        picked.records[kept++] = record;
        go_to(record.offset + 1);
    }
    picked.records.resize(kept);
    return picked;
}

Result<std::optional<AcquiredBatch>> AcquiredRecords::next() {
    while (at_ < acquired_.size()) {
        auto batch = records_.next(position_, std::numeric_limits<std::size_t>::max());
        if (!batch) {
            settle_below(position_, AcknowledgeType::gap);
            position_ = records_.skip_broken();
            settle_below(position_, AcknowledgeType::reject);
            return fail(std::move(batch).error());
        }
        if (!*batch) {
            settle_below(beyond_all, AcknowledgeType::gap);
            return std::nullopt;
        }
        AcquiredBatch picked = pick(**std::move(batch));
        if (!picked.records.empty()) return picked;
    }
    return std::nullopt;
}

}  // namespace millrace::client
