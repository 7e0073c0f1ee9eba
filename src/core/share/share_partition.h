#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/share/share_types.h"

namespace millrace::share {

// What one share group has read of one partition (KIP-932), as the partition's leader knows it:
// each offset from the start offset on is available to the group, acquired by one of its members,
// or done with. Pure: the driver gives the time, reads the log, has the share coordinator write
// what changes name, and says when that is done. Only what is written survives; an acquisition does
// not, so that whoever leads next delivers those records again.
class SharePartition {
  public:
    // As the share coordinator has it. corrupt_message: the batches are none of a share partition.
    static Result<SharePartition> restore(Offset start, const std::vector<StateBatch>& batches);

    // Records before it are done with. It never goes back.
    Offset start_offset() const { return start_; }
    // Behind the last record that was ever acquired.
    Offset end_offset() const { return end_; }
    Offset in_flight() const { return end_ - start_; }
    std::size_t runs() const { return runs_.size(); }
    // In which they were first acquired, or restored.
    std::size_t batches() const;
    // Of the records in flight, those that are done with.
    std::int32_t delivery_complete_count() const { return static_cast<std::int32_t>(complete_); }

    // Where to read next, if there is anything to give out or room for more.
    std::optional<Offset> fetch_offset(const ShareLimits& limits);

    // What was read at fetch_offset().
    struct Acquire {
        std::string member_id;
        AcquireMode mode = AcquireMode::batch_optimized;
        std::int64_t batch_size = 1;
        std::int64_t max_records = 0;
        Offset fetch_offset = 0;
        std::vector<OffsetRange> batches;  // of records, as they lie in the log
        std::vector<OffsetRange> aborted;  // those of them that share.isolation.level hides
    };
    std::vector<AcquiredRecords> acquire(const Acquire& asked, const ShareLimits& limits, Time now);

    // What is to be written; settle() when that is done, or at once where there is nothing.
    struct Change {
        std::uint64_t id = 0;
        std::vector<StateBatch> batches;
    };
    // All of it happens, or nothing: invalid_request, invalid_record_state.
    Result<Change> acknowledge(const std::string& member_id,
                               const std::vector<Acknowledgement>& acknowledgements,
                               const ShareLimits& limits, Time now);
    // The member is gone: what it holds is given out again.
    Change release(const std::string& member_id, const ShareLimits& limits);
    // The same for what members have held for too long; due at wake_at().
    Change expire(const ShareLimits& limits, Time now);
    Time wake_at() const { return wake_at_; }
    // The change was written, or could not be: then it is undone.
    void settle(std::uint64_t change, bool written, const ShareLimits& limits, Time now);

    // Records below are gone from the log.
    void move_start(Offset log_start);

    // A run of offsets that share their state. Public for tests.
    struct Run {
        Offset last = 0;
        OffsetRange batch;  // with which it was first acquired, or restored
        RecordState state = RecordState::available;
        std::int16_t delivery_count = 0;
        std::string member_id;
        Time locked_until = Time::never();
        std::uint64_t change = 0;  // that is being written; until then it may be undone

        bool is_free() const { return state == RecordState::available && change == 0; }
        bool is_complete() const {
            return state == RecordState::acknowledged || state == RecordState::archived;
        }
    };
    using Runs = std::map<Offset, Run>;
    const Runs& all() const { return runs_; }

  private:
    explicit SharePartition(Offset start) : start_(start), end_(start) {}

    // A run begins at the offset, where one had it in its midst.
    void split(Offset at);
    Runs::iterator carve(OffsetRange range);
    // Runs `function(Runs::iterator)` for those that lie in the range, once none reaches out of it.
    template <typename Function>
    void for_each_in(OffsetRange range, Function function);
    void set_state(Runs::iterator run, RecordState state);
    void append_run(Run run);
    void lock(Run& run, Time until);
    void give_back(Runs::iterator run, RecordState state);
    void begin(Runs::iterator run, RecordState to, Change& change);

    void archive_missing(Offset from, Offset to);
    void archive_aborted(const std::vector<OffsetRange>& aborted,
                         std::vector<AcquiredRecords>& acquired);
    struct Acquisition;
    void acquire_known(Acquisition& acquisition);
    Runs::iterator acquire_batch(Runs::iterator first, Acquisition& acquisition);
    std::int64_t acquire_each(const OffsetRange& batch, Acquisition& acquisition);
    void take(Runs::iterator run, const Acquisition& acquisition);
    void acquire_new(Acquisition& acquisition);

    Result<> check(const std::string& member_id, const Acknowledgement& acknowledgement,
                   const ShareLimits& limits) const;
    void acknowledge(const OffsetRange& range, AcknowledgeType type, const ShareLimits& limits,
                     Time now, Change& change);
    void advance_start();

    // Without holes from start_ to end_.
    Runs runs_;
    Offset start_ = 0;
    Offset end_ = 0;
    Offset complete_ = 0;
    std::map<std::uint64_t, std::vector<OffsetRange>> changes_;
    std::uint64_t last_change_ = 0;
    Time wake_at_ = Time::never();
    bool may_be_free_ = true;  // some run is available
};

template <typename Function>
void SharePartition::for_each_in(OffsetRange range, Function function) {
    range.first = std::max(range.first, start_);
    range.last = std::min(range.last, end_ - 1);
    if (range.size() <= 0) return;
    auto run = carve(range);
    while (run != runs_.end() && run->first <= range.last) function(run++);
}

}  // namespace millrace::share
