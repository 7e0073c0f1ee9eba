#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "storage/batch_scan.h"
#include "storage/header_proof.h"
#include "storage/log_options.h"
#include "storage/offset.h"
#include "storage/offset_index.h"
#include "storage/page_access.h"
#include "storage/time_index.h"
#include "storage/timestamp_search.h"
#include "storage/transaction_index.h"

namespace millrace::env {
class Disk;
class File;
}  // namespace millrace::env

namespace millrace::storage {

// One .log file with its indexes. The log adds batches, and writes them together.
// Files are opened when they are needed.
class Segment {
  public:
    // Makes the files, empty; what is there by these names is emptied. The .log file takes
    // `preallocated` bytes until seal(). Names of unfinished compaction bear an extension.
    static Result<std::unique_ptr<Segment>> create(env::Disk& disk, const std::string& directory,
                                                   Offset base, Timestamp now,
                                                   std::uint64_t preallocated = 0,
                                                   std::string_view extension = "");
    // Takes over files; `size` is that of the .log file.
    static Result<std::unique_ptr<Segment>> load(env::Disk& disk, const std::string& directory,
                                                 Offset base, std::uint64_t size, Timestamp now);

    Offset base() const { return base_; }
    // Bytes, queued ones included; and those that are in the file.
    std::uint32_t size() const { return size_; }
    std::uint32_t written() const { return written_; }
    // Writes what was added since, which is these pieces.
    Result<> write(std::span<const Bytes> pieces);
    Result<std::shared_ptr<env::File>> file();
    std::string path(std::string_view suffix) const;

    // --- Growing ---
    // It is the log's last segment: its indexes are preallocated to `index_bytes` as they grow.
    void make_active(std::int32_t index_bytes, std::int64_t roll_jitter_ms);
    // Accounts for a batch at size(), making an index entry where one is due (formats 4.1).
    Result<> add(const BatchView& batch, std::int32_t index_interval);
    // Whether the next batch, or batches, go to a new segment (formats 4.5).
    Result<bool> should_roll(const LogOptions& options, std::size_t size, Offset last_offset,
                             Timestamp max_timestamp, Timestamp now);
    // What a segment that is made with these options takes of the disk at once.
    static std::uint64_t preallocation(const LogOptions& options) {
        return options.preallocate ? static_cast<std::uint64_t>(options.segment_bytes) : 0;
    }
    // The last time index entry is written, and files are cut to their size.
    Result<> seal();
    // Open handles of every file that holds something, to be synced.
    Result<std::vector<std::shared_ptr<env::File>>> files_to_sync();
    bool unsynced = false;  // it is no longer active and was not synced since

    // --- Looking up ---
    // The batch that holds `offset`, or the next one; nothing behind the last.
    Result<std::optional<BatchPlace>> find(Offset offset, PageAccess& access);
    // The same, and whether all headers on the way are trusted. An error is one of the device.
    struct Found {
        std::optional<BatchPlace> place;
        std::uint32_t from = 0;  // where the way began
        bool indexed = false;    // the index says the same of the batch there
        bool trusted = false;
    };
    Result<Found> find_trusted(Offset offset, PageAccess& access);
    // The largest timestamp, and the last offset of the first batch that has it.
    Result<TimeIndex::Entry> max_timestamp(PageAccess& access);
    Result<TimeIndex::Entry> max_timestamp() {
        PageAccess access;
        return max_timestamp(access);
    }
    // The largest timestamp, or the time of the last write where no record has one.
    Result<Timestamp> age_from(PageAccess& access);
    // Where to look for the first record of at least `timestamp` and at or above `start`, and for
    // that with the largest timestamp.
    Result<TimestampSearch> search_for(Timestamp timestamp, Offset start, PageAccess& access);
    Result<TimestampSearch> search_for_largest(PageAccess& access);
    // The largest timestamp of the first batch; nothing when the segment is empty.
    Result<std::optional<Timestamp>> first_timestamp();
    // Nothing when the segment is empty.
    Result<std::optional<BatchPlace>> last_batch();
    // All batches, by their headers.
    Result<> visit(const std::function<void(const BatchPlace&)>& function);

    // --- Trust ---
    ProvenHeaders& proven() { return proven_; }
    // Whether the latest batches tell that a read at `offset` needs no proof.
    bool is_recent(Offset offset) const {
        const BatchPlace* recent = find_recent(offset);
        return recent != nullptr && recent->position >= proven_.found();
    }
    // What to walk before `bytes` from the batch on that holds `offset`, or the next one, may be
    // read; nothing when they are trusted.
    Result<std::optional<UnprovenHeaders>> unproven(Offset offset, std::uint64_t bytes,
                                                    PageAccess& access);
    // Whether a walk was over the file that is open now.
    bool is_open(const std::shared_ptr<env::File>& file) const { return file_ == file; }

    // --- Shortening ---
    // The batch that holds `offset` and all behind it go.
    Result<> truncate_to(Offset offset);
    Result<> cut(std::uint32_t size);
    // Empties the indexes before the batches are added anew.
    Result<> begin_rebuild();
    void restart(std::uint32_t size);

    TransactionIndex& transactions() { return transaction_index_; }
    // Whether .txnindex is what it was when seal() left it, by the checksum beside it.
    Result<bool> transactions_are_sound();
    // What the last entries of .index and .timeindex say can be so.
    Result<bool> indexes_are_sane();
    OffsetIndex& offsets() { return offset_index_; }
    TimeIndex& times() { return time_index_; }
    void renamed(const std::string& directory);
    // Renames every file to a name with another extension, or with none.
    Result<> rename_files(std::string_view extension);
    std::vector<std::string> paths() const;
    // Closes files, drops what can be read again.
    void release();

  private:
    void reserve(env::File& file);
    Segment(env::Disk& disk, const std::string& directory, Offset base, Timestamp now,
            std::string_view extension = "");
    Result<std::string> transaction_sum();
    // The entry where its batch says the same; else the beginning of the segment.
    Result<TimeIndex::Entry> confirmed(const TimeIndex::Entry& entry, PageAccess& access);
    void remember(const BatchPlace& place);
    const BatchPlace* find_recent(Offset offset) const;
    Result<> load_first_timestamp();
    template <typename Visit>
    Result<> scan_from(const OffsetIndex::Entry& entry, PageAccess& access, Visit visit);

    env::Disk& disk_;
    std::string directory_;
    std::string extension_;
    Offset base_;
    OffsetIndex offset_index_;
    TimeIndex time_index_;
    TransactionIndex transaction_index_;
    std::shared_ptr<env::File> file_;
    std::uint32_t size_ = 0;
    std::uint32_t written_ = 0;
    ProvenHeaders proven_;
    bool preallocated_ = false;   // the file is longer than what was written
    std::uint64_t reserved_ = 0;  // up to where the file system has room for it already
    std::uint32_t since_index_entry_ = 0;
    std::optional<TimeIndex::Entry> max_timestamp_;
    std::optional<Timestamp> first_timestamp_;  // what segment.ms counts from
    Timestamp created_;
    std::int64_t roll_jitter_ms_ = 0;
    // The latest batches, oldest at recent_next_ once full: consumers at the end of the log ask for
    // these, and need neither index nor file.
    std::vector<BatchPlace> recent_;
    std::size_t recent_next_ = 0;
};

}  // namespace millrace::storage
