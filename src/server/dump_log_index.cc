#include "server/dump_log_index.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "env/disk.h"
#include "server/dump_log_file.h"
#include "server/dump_log_records.h"
#include "storage/file_names.h"

namespace millrace::server {
namespace {

// The entries of an index as its file has them, the zeros of one that still grows among them.
class Entries {
  public:
    Entries(FileWindow file, std::size_t entry_size, std::int64_t base)
        : file_(std::move(file)), entry_size_(entry_size), base_(base) {}

    std::uint64_t count() const { return file_.size() / entry_size_; }
    std::int64_t base() const { return base_; }
    const FileWindow& file() const { return file_; }
    // Whole entries, and of a base that is not above the last one.
    Result<> check_size() const {
        if (file_.size() % entry_size_ == 0) return {};
        return fail(ErrorCode::corrupt_message,
                    fmt::format("{} has {} bytes, not a multiple of {}; a node would make it anew",
                                file_.path(), file_.size(), entry_size_));
    }
    Result<Bytes> at(std::uint64_t index) {
        ASSIGN_OR_RETURN(Bytes bytes, file_.at(index * entry_size_, entry_size_));
        if (bytes.size() == entry_size_) return bytes;
        return fail(ErrorCode::corrupt_message,
                    fmt::format("{} became shorter while it was read", file_.path()));
    }
    std::int64_t offset(const std::uint8_t* relative) const {
        return base_ + load_be<std::int32_t>(relative);
    }

  private:
    FileWindow file_;
    std::size_t entry_size_;
    std::int64_t base_;
};

class OffsetEntries {
  public:
    static constexpr std::size_t entry_size = storage::OffsetIndex::entry_size;
    struct Entry {
        std::int64_t offset = 0;
        std::int32_t position = 0;
    };

    OffsetEntries(FileWindow file, std::int64_t base)
        : entries_(std::move(file), entry_size, base) {}

    std::uint64_t count() const { return entries_.count(); }
    Result<Entry> at(std::uint64_t index) {
        ASSIGN_OR_RETURN(Bytes bytes, entries_.at(index));
        return Entry{entries_.offset(bytes.data()), load_be<std::int32_t>(bytes.data() + 4)};
    }
    // Where to begin to look for an offset.
    Result<std::int32_t> position_before(std::int64_t offset);
    Result<> check();

  private:
    // The pages that a node keeps warm are searched first: it decides which entry is found where
    // entries do not ascend.
    static constexpr std::uint64_t warm_entries = 8192 / entry_size;
    Result<std::int32_t> search(std::int64_t offset, std::uint64_t first, std::uint64_t last);

    Entries entries_;
};

Result<std::int32_t> OffsetEntries::search(std::int64_t offset, std::uint64_t first,
                                           std::uint64_t last) {
    while (first < last) {
        std::uint64_t middle = (first + last + 1) / 2;
        ASSIGN_OR_RETURN(Entry entry, at(middle));
        if (entry.offset > offset) {
            last = middle - 1;
        } else if (entry.offset < offset) {
            first = middle;
        } else {
            return entry.position;
        }
    }
    ASSIGN_OR_RETURN(Entry entry, at(first));
    return entry.position;
}

Result<std::int32_t> OffsetEntries::position_before(std::int64_t offset) {
    if (count() == 0) return 0;
    std::uint64_t last = count() - 1;
    std::uint64_t warm = last > warm_entries ? last - warm_entries : 0;
    ASSIGN_OR_RETURN(Entry first_warm, at(warm));
    if (first_warm.offset < offset) return search(offset, warm, last);
    ASSIGN_OR_RETURN(Entry first, at(0));
    if (first.offset > offset) return 0;
    return search(offset, 0, warm);
}

Result<> OffsetEntries::check() {
    ASSIGN_OR_RETURN(Entry last, at(count() - 1));
    if (last.offset < entries_.base()) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("{} ends with offset {}, below its base offset {}; a node would "
                                "make it anew",
                                entries_.file().path(), last.offset, entries_.base()));
    }
    return entries_.check_size();
}

class TimeEntries {
  public:
    static constexpr std::size_t entry_size = storage::TimeIndex::entry_size;

    TimeEntries(FileWindow file, std::int64_t base) : entries_(std::move(file), entry_size, base) {}

    std::uint64_t count() const { return entries_.count(); }
    std::int64_t base() const { return entries_.base(); }
    Result<storage::TimeIndex::Entry> at(std::uint64_t index) {
        ASSIGN_OR_RETURN(Bytes bytes, entries_.at(index));
        return storage::TimeIndex::Entry{load_be<Timestamp>(bytes.data()),
                                         entries_.offset(bytes.data() + 8)};
    }
    Result<> check();

  private:
    Entries entries_;
};

Result<> TimeEntries::check() {
    if (count() > 0) {
        ASSIGN_OR_RETURN(storage::TimeIndex::Entry first, at(0));
        ASSIGN_OR_RETURN(storage::TimeIndex::Entry last, at(count() - 1));
        if (last.timestamp < first.timestamp || last.offset < base()) {
            return fail(ErrorCode::corrupt_message,
                        fmt::format("{} begins with timestamp {} and ends with {} and offset {}, "
                                    "its base offset being {}; a node would make it anew",
                                    entries_.file().path(), first.timestamp, last.timestamp,
                                    last.offset, base()));
        }
    }
    return entries_.check_size();
}

// The first batch at `position`, of a log that an index points into.
Result<FoundBatch> batch_at(FileWindow& log, std::int32_t position, std::int32_t most) {
    auto from = static_cast<std::uint64_t>(position);
    if (position < 0 || from > log.size()) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("The index points at position {} of {}, which has {} bytes",
                                position, log.path(), log.size()));
    }
    std::uint64_t end = std::min(log.size(), from + static_cast<std::uint32_t>(most));
    ASSIGN_OR_RETURN(std::optional<FoundBatch> batch, find_batch(log, from, end));
    if (batch) return *std::move(batch);
    return fail(ErrorCode::corrupt_message,
                fmt::format("The index points at position {} of {}, where no batch of at most {} "
                            "bytes is; if it is larger, raise --max-message-size",
                            position, log.path(), most));
}

class LatestTimestamp final : public BatchRecords {
  public:
    Result<> record(const Record& record, std::optional<RecordLine::Checksum>) override {
        latest = std::max(latest, record.timestamp);
        return {};
    }
    Timestamp latest = no_timestamp;
};

// Compares entries of a time index with the batches that they speak of.
class TimeCheck {
  public:
    TimeCheck(FileWindow log, OffsetEntries index, std::size_t batch_limit)
        : log_(std::move(log)), index_(std::move(index)), batch_limit_(batch_limit) {}

    Result<> check(const storage::TimeIndex::Entry& entry, const std::string& file,
                   Findings& findings);

  private:
    // Where the look for an entry's batch begins.
    Result<std::uint64_t> position_before(std::int64_t offset);
    // A log that is broken further on is an error at once, as in Kafka's tool.
    Result<> walk_log(std::uint64_t position);

    FileWindow log_;
    OffsetEntries index_;
    std::size_t batch_limit_;
    Timestamp previous_ = no_timestamp;
    bool walked_ = false;
};

Result<std::uint64_t> TimeCheck::position_before(std::int64_t offset) {
    ASSIGN_OR_RETURN(std::int32_t position, index_.position_before(offset));
    if (position >= 0 && static_cast<std::uint64_t>(position) <= log_.size()) {
        return static_cast<std::uint64_t>(position);
    }
    return fail(ErrorCode::corrupt_message,
                fmt::format("The offset index points at position {} of {}, which has {} bytes",
                            position, log_.path(), log_.size()));
}

Result<> TimeCheck::walk_log(std::uint64_t position) {
    if (std::exchange(walked_, true)) return {};
    while (true) {
        ASSIGN_OR_RETURN(std::optional<FoundBatch> batch, find_batch(log_, position, log_.size()));
        if (!batch) return {};
        position += batch->line.size;
    }
}

Result<> TimeCheck::check(const storage::TimeIndex::Entry& entry, const std::string& file,
                          Findings& findings) {
    Timestamp previous = std::exchange(previous_, entry.timestamp);
    ASSIGN_OR_RETURN(std::uint64_t position, position_before(entry.offset));
    RETURN_IF_ERROR(walk_log(position));
    while (true) {
        ASSIGN_OR_RETURN(std::optional<FoundBatch> batch, find_batch(log_, position, log_.size()));
        if (!batch || batch->line.last_offset > entry.offset) {
            std::int64_t found = batch ? batch->line.last_offset : -1;
            findings.add(Findings::offset_missing, file, entry.offset, found);
            return {};
        }
        position += batch->line.size;
        if (batch->line.last_offset < entry.offset) continue;
        LatestTimestamp visitor;
        RETURN_IF_ERROR(visit_records(log_, *batch, batch_limit_, visitor));
        if (visitor.latest != entry.timestamp) {
            findings.add(Findings::timestamp_mismatch, file, entry.timestamp, visitor.latest);
        }
        if (previous >= entry.timestamp) {
            findings.add(Findings::timestamp_order, file, entry.timestamp, previous);
        }
        return {};
    }
}

}  // namespace

Result<> dump_offset_index(env::Disk& disk, const std::string& path, const IndexDump& dump,
                           DumpOutput& output, Findings& findings) {
    ASSIGN_OR_RETURN(std::int64_t base, named_offset(path));
    ASSIGN_OR_RETURN(FileWindow log, FileWindow::open(disk, sibling(path, storage::log_suffix)));
    ASSIGN_OR_RETURN(FileWindow file, FileWindow::open(disk, path, FileWindow::index_piece));
    OffsetEntries entries(std::move(file), base);
    if (entries.count() == 0) {
        output.empty_index(path);
        return {};
    }
    if (dump.sanity_only) {
        RETURN_IF_ERROR(entries.check());
        output.sane_index(path);
        return {};
    }
    for (std::uint64_t i = 0; i < entries.count(); ++i) {
        ASSIGN_OR_RETURN(OffsetEntries::Entry entry, entries.at(i));
        if (entry.offset == base && i > 0) return {};  // the zeros of a file that still grows
        ASSIGN_OR_RETURN(FoundBatch batch, batch_at(log, entry.position, dump.max_message_size));
        if (batch.line.last_offset != entry.offset) {
            findings.add(Findings::index_mismatch, path, entry.offset, batch.line.last_offset);
        }
        if (!dump.quiet) output.index_entry(entry.offset, entry.position);
    }
    return {};
}

Result<> dump_time_index(env::Disk& disk, const std::string& path, const IndexDump& dump,
                         DumpOutput& output, Findings& findings) {
    ASSIGN_OR_RETURN(std::int64_t base, named_offset(path));
    ASSIGN_OR_RETURN(FileWindow log, FileWindow::open(disk, sibling(path, storage::log_suffix)));
    ASSIGN_OR_RETURN(FileWindow index, FileWindow::open(disk, sibling(path, storage::index_suffix),
                                                        FileWindow::index_piece));
    ASSIGN_OR_RETURN(FileWindow file, FileWindow::open(disk, path, FileWindow::index_piece));
    TimeEntries entries(std::move(file), base);
    if (dump.sanity_only) {
        RETURN_IF_ERROR(entries.check());
        output.sane_index(path);
        return {};
    }
    TimeCheck check(std::move(log), OffsetEntries(std::move(index), base), dump.batch_limit);
    for (std::uint64_t i = 0; i < entries.count(); ++i) {
        ASSIGN_OR_RETURN(storage::TimeIndex::Entry entry, entries.at(i));
        if (entry.offset == base && i > 0) return {};  // the zeros of a file that still grows
        RETURN_IF_ERROR(check.check(entry, path, findings));
        if (!dump.quiet) output.time_entry(entry.timestamp, entry.offset);
    }
    return {};
}

}  // namespace millrace::server
