#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "client/fetched_records.h"
#include "client/share_records.h"
#include "protocol/share_fetch.h"

namespace millrace::client {

// What one ShareFetch response gives of one partition, turned into records batch by batch. Only
// offsets that were acquired count. What there is no record for, and what cannot be read, is
// acknowledged here: as gaps, and as rejected.
class AcquiredRecords {
  public:
    using Ranges = std::vector<ShareFetchResponse::AcquiredRecords>;
    AcquiredRecords(TopicPartition partition, Slice bytes, Ranges acquired,
                    const DecodeOptions& options);

    // The records of the next batch that has any; nothing at the end. The error of a broken batch
    // comes once, and the next call goes on behind it.
    Result<std::optional<AcquiredBatch>> next();
    const TopicPartition& name() const { return name_; }
    // Since the last call; all is accounted for at the end.
    Acknowledgements take_acknowledgements() { return std::exchange(acknowledged_, {}); }

  private:
    void go_to(std::int64_t offset);
    void settle_below(std::int64_t offset, AcknowledgeType type);
    AcquiredBatch pick(ConsumedBatch batch);

    TopicPartition name_;
    FetchedRecords records_;
    Ranges acquired_;
    std::size_t at_ = 0;     // in acquired_
    std::int64_t next_ = 0;  // the next offset that is acquired, in acquired_[at_]
    std::int64_t position_ = 0;
    Acknowledgements acknowledged_;
};

}  // namespace millrace::client
