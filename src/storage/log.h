#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/chain.h"
#include "base/condition.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "env/shard.h"
#include "storage/compaction_terms.h"
#include "storage/leader_epochs.h"
#include "storage/log_options.h"
#include "storage/offset.h"
#include "storage/producer_state.h"
#include "storage/retention.h"
#include "storage/timestamped_offset.h"

namespace millrace::env {
class Disk;
class File;
}  // namespace millrace::env

namespace millrace::storage {

class Compaction;
class DirectoryHealth;
class PageAccess;
class Segment;
struct AbortedTransaction;
struct CompactionCleaned;
struct CompactionPlan;
struct CompactionSource;
struct HeaderWalkOutcome;
struct LoadedLog;
struct TimestampSearch;
struct UnprovenHeaders;

// What an append became. The batch is in the file once the log's end_offset() reaches next_offset.
struct Appended {
    Offset first_offset = no_offset;
    Offset next_offset = no_offset;  // behind the last record
    // The batch had been appended before; the offsets and the timestamp are those of that time.
    bool duplicate = false;
    Timestamp max_timestamp = no_timestamp;
};

struct ReadRequest {
    Offset offset = 0;
    std::uint64_t max_bytes = 0;
    // The first batch is returned whole, however large.
    bool whole_first_batch = false;
    // Nothing at or above: high watermark, last stable offset, or the log's end.
    Offset upper_bound = 0;
};

struct ReadResult {
    // From the batch that holds the offset on; cut anywhere at the byte limit.
    Chain records;
    // Where that batch lies.
    Offset segment_base = 0;
    std::uint64_t position = 0;
    std::uint64_t first_batch_size = 0;  // of that batch, when there are records
};

// A segment that gets no more records (KIP-405).
struct CompleteSegment {
    Offset base = 0;
    Offset end = 0;  // where the next one begins
    std::uint64_t size = 0;
    Timestamp max_timestamp = no_timestamp;
    bool has_aborted_transactions = false;
};

// Its files, open; they stay readable when the log drops the segment.
struct SegmentFiles {
    std::shared_ptr<env::File> log;
    std::shared_ptr<env::File> offset_index;
    std::shared_ptr<env::File> time_index;
    std::shared_ptr<env::File> transaction_index;  // null when no transaction was aborted
    std::shared_ptr<env::File> producer_snapshot;  // of its end; null when there is none
};

// What a log begins with whose older records are in remote storage only (KIP-405).
struct RemoteBeginning {
    Offset start = 0;        // of the log
    Offset local_start = 0;  // of what is to be kept here
    LeaderEpochs epochs;     // of what lies between the two
    Slice producers;         // N.snapshot, N the local start; empty: none is known
};

// Is told, in the loop between coroutines, what became of the log.
class LogListener {
  public:
    virtual void log_written(Offset end_offset) = 0;  // readers may see the records below
    virtual void log_flushed(Offset end_offset) = 0;  // stable below
    virtual void log_failed(const Error& error) = 0;  // takes no more appends
    virtual void log_rolled() {}                      // a segment is complete, and not yet synced
    virtual void sync_took(Duration) {}
    virtual void files_doomed(Timestamp /*due*/) {}  // remove_deleted() then has work

  protected:
    ~LogListener() = default;
};

// The log of one partition: a directory of segments, on one shard. Appends of one turn of the loop
// reach the file in one write at its end; waiters of one sync share it.
//
// The first write or sync that fails closes the log for appends for good; what was written before
// stays readable. Destroy it only when no task waits in it.
class Log final : private env::TurnHook {
  public:
    // Reads the directory in a helper thread, recovering what an unclean end left (formats 1.3).
    // kafka_storage_error; corrupt_message for files that must not be touched.
    static Task<Result<std::unique_ptr<Log>>> open(env::Shard& shard, DirectoryHealth& health,
                                                   LogOrigin origin);
    // The same on the calling thread.
    static Result<std::unique_ptr<Log>> open_now(env::Shard& shard, DirectoryHealth& health,
                                                 LogOrigin origin);
    Log(const Log&) = delete;
    ~Log();

    // Everything on stable storage, indexes trimmed, a producer snapshot at the end: what a clean
    // shutdown leaves. Waits for a sync under way. Appends are refused from now on.
    Task<Result<>> close();
    // Before the directory goes away: appends are refused, files are let go, nothing is written.
    // Waits for a sync under way.
    Task<void> abandon();

    const std::string& path() const { return path_; }
    // The directory has been renamed; not while a sync or a compaction is under way.
    void renamed(std::string path);
    // Ends when no sync is under way and no compaction, which gives up for it.
    Task<void> settled();
    LogOptions& options() { return options_; }
    const LogOptions& options() const { return options_; }
    void listen(LogListener* listener) { listener_ = listener; }

    // --- Appending ---
    // Offsets are given now, in the order of calls; the write follows at the end of the turn, or
    // where all that is to be written may linger, when the first of it has.
    //
    // One validated batch, into which base offset and leader epoch are written in place. Errors of
    // idempotence and transactions as ProducerState::check; record_list_too_large above
    // segment.bytes; kafka_storage_error when the log is closed.
    Result<Appended> append_as_leader(Slice batch, const AppendAs& as);
    // Whole batches, back to back, as the leader sent them; what is cut short at the end is left
    // out. corrupt_message: a CRC is wrong; offset_out_of_range: they begin below next_offset().
    Result<Appended> append_as_follower(Slice batches);
    // The offset that the next appended record gets; ahead of end_offset() until the write.
    Offset next_offset() const { return next_offset_; }
    // Ends when end_offset() has reached `end`. not_leader_or_follower: truncated meanwhile.
    Task<Result<>> written(Offset end);
    // Ends when everything below `end` is on stable storage (one fdatasync for many waiters).
    Task<Result<>> durable(Offset end);
    // Writes what is queued now.
    void write_queued();
    // Begins a new segment at next_offset() unless the active one is empty.
    Result<> roll();

    // --- State ---
    Offset start_offset() const { return start_offset_; }
    Offset end_offset() const { return end_offset_; }              // written: readers may see it
    Offset flushed_end_offset() const { return flushed_offset_; }  // also the recovery point
    Timestamp last_flush() const { return last_flush_; }           // or when it was opened
    bool empty() const { return start_offset_ == end_offset_; }
    bool failed() const { return error_.has_value(); }
    bool takes_appends() const { return check_open().has_value(); }
    const std::optional<Error>& error() const { return error_; }
    std::uint64_t size() const;  // bytes of all segments
    std::size_t segment_count() const { return segments_.size(); }
    Offset active_segment_base() const;

    // --- Reading ---
    // offset_out_of_range outside [start_offset(), end_offset()]. corrupt_message where the header
    // of the first batch cannot be right; what lies before such a batch is read. Blocks on pages
    // that are not in memory.
    Result<ReadResult> read(const ReadRequest& request);
    // As read(), but cold pages that are needed to find the place are read by a helper thread.
    Task<Result<ReadResult>> fetch(ReadRequest request);
    // Whole batches in one piece of memory, at least one when there is one below the bound.
    Result<Slice> load(const ReadRequest& request);
    // The first record of at least this timestamp; nothing when there is none.
    Task<Result<std::optional<TimestampedOffset>>> find_by_timestamp(Timestamp timestamp);
    // The first record with the largest timestamp; nothing when the log is empty.
    Task<Result<std::optional<TimestampedOffset>>> find_max_timestamp();
    // Aborted transactions that a read_committed reader of [offset, upper_bound) must drop,
    // ascending by last offset.
    Result<std::vector<AbortedTransaction>> aborted_transactions(Offset offset, Offset upper_bound);
    // Of what was read, as far as the offset index tells its end.
    Result<Offset> upper_bound_of(const ReadResult& read);

    // --- Offsets ---
    // Of read_committed readers. Also forgets transactions that ended below the high watermark.
    Offset last_stable_offset(Offset high_watermark);
    const ProducerState& producers() const { return producers_; }
    // Drops producers that were silent for producer.id.expiration.ms.
    void expire_producers();
    const LeaderEpochs& epochs() const { return epochs_; }
    // What another source knows better: of a copy its origin, of a tiered log remote storage.
    void adopt_epochs(LeaderEpochs epochs);
    // A leader begins: its epoch starts at next_offset().
    void begin_epoch(std::int32_t epoch);
    // Up to where a start may be on stable storage: where the records are gone that tell the epochs
    // the epochs have to be there. save_epochs() brings it to start_offset().
    Offset saved_start_offset() const {
        return epochs_unsaved_ && saved_start_ < start_offset_ ? saved_start_ : start_offset_;
    }
    Task<Result<>> save_epochs();

    // --- Shortening ---
    // Records at and above `offset` go. Queued appends are written before.
    Result<> truncate_to(Offset offset);
    // All records go; the log begins anew at `offset`.
    Result<> truncate_fully(Offset offset);
    // DeleteRecords, retention, snapshots: records below are gone for readers. offset_out_of_range
    // above end_offset().
    Result<> advance_start(Offset offset);
    // Retention: the start moves behind the segments that are to go (expired_segments()), to a new
    // one where all are. Returns up to where remove_below() may follow; nothing when all stay.
    Task<Result<std::optional<Offset>>> expire(RetentionLimits limits, Offset bound);
    // Segments wholly below `offset` <= start_offset() are renamed to .deleted. A start that is on
    // stable storage by then hides what a power cut brings back of them.
    Result<> remove_below(Offset offset);
    // Removes, on a helper thread, files renamed at least file.delete.delay.ms ago; returns when
    // the next are due.
    Task<std::optional<Timestamp>> remove_deleted();
    // Closes files that only reading has opened.
    void release_files();

    // --- Compaction ---
    // Records below were compacted; nothing when none ever were. Of cleaner-offset-checkpoint.
    const std::optional<Offset>& first_dirty_offset() const { return first_dirty_; }
    // It takes the place of a log of which this is known.
    void set_first_dirty_offset(std::optional<Offset> offset) { first_dirty_ = offset; }
    Result<DirtySection> dirty_section(Offset last_stable, Timestamp now);
    // One round, one at a time, on helper threads while the log is used. It gives up when segments
    // that it works on are truncated or removed, and when the log is closed. Other errors than
    // those of storage, which close the log: its content cannot be compacted.
    Task<Result<CompactionReport>> compact(CompactionTerms terms);
    bool compacting() const { return compaction_ != nullptr; }

    // --- Tiered storage (KIP-405) ---
    // Where the records that are kept here begin; those from start_offset() on to it are in remote
    // storage only. The same as start_offset() unless options().tiered.
    Offset local_start_offset() const { return local_start_offset_; }
    // All records go; the log begins anew behind what is in remote storage only. corrupt_message:
    // the snapshot is none, and nothing has changed.
    Result<> begin_behind(RemoteBeginning remote);
    // N.snapshot, the bytes; empty when there is none.
    Result<Slice> producers_at(Offset offset) const;
    // Segments wholly below `offset` are no longer kept here; the log begins where it began. The
    // oldest goes first, for good, so that a power cut leaves no hole.
    Task<Result<>> advance_local_start(Offset offset);
    // Which of the segments below `bound`, what is copied, are no longer to be kept here, by local
    // retention: returns what to call advance_local_start() with; nothing when all stay. Where even
    // the active one has expired a new one begins, so that it is copied and may go.
    Task<Result<std::optional<Offset>>> expire_locally(RetentionLimits limits, Offset bound,
                                                       Offset high_watermark);
    // The first segment with records at or above `from` that gets no more and ends at or below
    // `bound`.
    Result<std::optional<CompleteSegment>> complete_segment(Offset from, Offset bound);
    // Before its bytes leave: corrupt_message where a header of a batch cannot be right.
    Task<Result<>> prove_segment(Offset base);
    // resource_not_found when no complete segment has this base any more.
    Result<SegmentFiles> open_segment(Offset base);
    // Bytes, and number, of segments that begin at or above `offset`.
    std::pair<std::uint64_t, std::size_t> size_from(Offset offset) const;

  private:
    void turn_ends() override { write_queued(); }
    // A file to be removed later.
    struct Doomed {
        Timestamp due = 0;
        std::string name;
    };
    class SyncTurn;
    class CompactionTurn;
    class Linger final : public env::Timer {
      public:
        explicit Linger(Log& log) : log_(log) {}

      private:
        void fire() override { log_.write_queued(); }
        Log& log_;
    };

    Log(env::Shard& shard, DirectoryHealth& health, LogOrigin origin, LoadedLog loaded);

    Segment& active() { return *segments_.back(); }
    Result<> check_open() const;
    Result<> check_readable() const;
    // Appending.
    Result<> make_room(Offset first, Offset last, Timestamp max_timestamp, std::size_t size);
    Result<> roll_at(Offset base);
    Result<> place(const BatchView& batch);
    void assign_epoch(std::int32_t epoch, Offset offset);
    Result<> end_transaction(const EndedTransaction& ended);
    Result<> add_follower_batches(Slice batches, std::size_t count);
    void queue(Slice bytes, Duration linger = {});
    void fail_with(const Error& error);
    void make_active(Segment& segment);
    // Syncing.
    Task<Result<>> sync_once();
    Task<Result<>> sync_rolled();
    Task<Result<>> sync_epochs();
    Task<Result<>> sync_active(Offset end, std::size_t cuts);
    // Whether one of the truncations since there were `cuts` of them went below `end`.
    bool cut_below(Offset end, std::size_t cuts) const;
    void flushed_to(Offset end);
    Result<> take_snapshot(bool sync);
    Result<> leave_clean();
    // Reading.
    std::size_t segment_index(Offset offset) const;
    // A read, and whether headers that are not trusted kept it from more, or from anything.
    struct TrustedRead {
        ReadResult result;
        bool cut_short = false;
    };
    Result<TrustedRead> read_at(const ReadRequest& request, PageAccess& access);
    // Trusting headers that lay in a file (header_proof.h).
    bool trusts(Offset offset) const;
    Result<std::optional<UnprovenHeaders>> unproven(const ReadRequest& request, PageAccess& access);
    Task<Result<ReadResult>> prove_and_fetch(ReadRequest request);
    Task<Result<>> prove(ReadRequest request);
    Task<Result<>> prove_batch_of(Offset offset);
    Result<> prove_now(const ReadRequest& request);
    void take_over(const UnprovenHeaders& unproven, const HeaderWalkOutcome& outcome);
    Offset bound_of(std::size_t segment) const;
    Result<std::optional<TimestampSearch>> search_for(Timestamp timestamp, PageAccess& access);
    Result<TimestampSearch> search_for_largest(PageAccess& access);
    Result<std::uint32_t> end_position(std::size_t index, Offset bound, PageAccess& access);
    // Shortening.
    Result<> drop_segments(std::size_t first, std::size_t count);
    Result<> doom(const std::string& path);
    Result<ExpiredSegments> choose_expired(RetentionLimits limits, Offset bound,
                                           PageAccess& access);
    Result<> truncate_segments(Offset offset);
    Result<> reload_producers();
    Result<> guarded(Result<> result);
    // Compaction.
    Result<Offset> cleanable_end(std::size_t first, Offset last_stable, Timestamp now);
    Result<std::int64_t> compaction_delay(std::size_t first, Timestamp now);
    Result<CompactionPlan> plan_compaction(const DirtySection& section);
    Task<Result<bool>> carry_out(Compaction& work, const CompactionTerms& terms);
    Task<Result<bool>> swap_in(CompactionCleaned cleaned, std::size_t cuts);
    Result<> replace(std::span<const CompactionSource> sources, std::unique_ptr<Segment> segment);
    bool holds(std::span<const CompactionSource> sources) const;
    bool has_removed(std::span<const CompactionSource> sources) const;
    Task<Result<>> sync_names();
    Result<> withdraw_swap(Segment& segment);
    Task<void> stop_compaction();
    void made_dirty_from(Offset offset);

    env::Shard& shard_;
    env::Disk& disk_;
    DirectoryHealth& health_;
    LogListener* listener_ = nullptr;
    std::string path_;
    LogOptions options_;
    std::optional<Error> error_;
    bool closing_ = false;

    std::vector<std::unique_ptr<Segment>> segments_;  // ascending; the last one is active
    std::set<Offset> snapshots_;                      // offsets of .snapshot files
    LeaderEpochs epochs_;
    bool epochs_changed_ = false;
    bool epochs_unsaved_ = false;  // an epoch that has begun is not in the file
    Offset saved_start_ = 0;       // the start when it was
    ProducerState producers_;

    Offset start_offset_ = 0;
    Offset local_start_offset_ = 0;
    Offset next_offset_ = 0;
    Offset end_offset_ = 0;
    Offset flushed_offset_ = 0;
    Timestamp last_flush_ = 0;
    bool changed_ = false;  // close() has something to do

    std::vector<Slice> queued_;
    Linger linger_{*this};
    std::vector<Bytes> pieces_;
    Condition written_;
    Condition flushed_;
    bool syncing_ = false;
    bool directory_changed_ = false;
    std::vector<Offset> cuts_;  // where each truncation so far has cut
    std::vector<Doomed> doomed_;

    std::optional<Offset> first_dirty_;
    Cancellation* compaction_ = nullptr;  // of the one under way
    Condition compacted_;
    Segment* swapping_ = nullptr;  // its files are named .swap and replace nothing yet
};

}  // namespace millrace::storage
