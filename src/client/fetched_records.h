#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "client/consumer_records.h"
#include "client/topic_partition.h"
#include "protocol/fetch.h"
#include "records/record.h"

namespace millrace::client {

struct DecodeOptions {
    bool read_committed = false;
    bool check_crcs = true;
    std::size_t inflated_limit = default_inflated_limit;  // of one batch
};

// What one Fetch response holds of one partition, turned into records piece by piece. Control
// batches, records below the position and, with read_committed, those of aborted transactions are
// left out.
class FetchedRecords {
  public:
    using Aborted = std::vector<FetchResponse::AbortedTransaction>;
    FetchedRecords(TopicPartition partition, Slice bytes, Aborted aborted,
                   const DecodeOptions& options);

    // Offset behind the last whole batch; nothing when there is none. `last_epoch` is that batch's
    // leader epoch. The walk reads headers only; it stops before bytes that are no batch, which
    // next() reports.
    struct End {
        std::int64_t offset = -1;
        std::int32_t leader_epoch = -1;
    };
    std::optional<End> end() const;
    std::size_t size() const { return bytes_.size(); }

    // Up to `limit` records of one batch at or above `position`, which moves behind them, or behind
    // what was left out; nothing at the end. A broken batch stays the next one: the same error
    // comes again.
    Result<std::optional<ConsumedBatch>> next(std::int64_t& position, std::size_t limit);
    // Leaves out the batch that next() could not read, or all bytes when they are no batch: the
    // offset behind it.
    std::int64_t skip_broken();

  private:
    Result<bool> open_batch(std::int64_t position);
    bool leave_out(const BatchView& batch);
    Result<> take_marker(const BatchView& batch);
    Error describe(const Error& error, std::int64_t offset) const;

    TopicPartition partition_;
    Slice bytes_;
    DecodeOptions options_;
    std::deque<FetchResponse::AbortedTransaction> aborted_;  // by first offset, not reached yet
    std::set<std::int64_t> aborting_;  // producers whose records here are of an aborted transaction
    std::size_t at_ = 0;               // of the next batch
    // The batch whose records are being handed out.
    std::optional<RecordReader> reader_;
    BatchView batch_ = BatchView::trusted({});
    Slice memory_;
};

}  // namespace millrace::client
