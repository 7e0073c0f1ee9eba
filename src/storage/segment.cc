#include "storage/segment.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>

#include "base/crc32c.h"
#include "env/disk.h"
#include "storage/file_names.h"

namespace millrace::storage {
namespace {
constexpr std::size_t recent_most = 64;
// Room is reserved by as much as an eighth of the segment, so that a disk holds little that is not
// in use; what is less than this gains nothing.
constexpr std::uint64_t least_reserved = std::uint64_t{64} << 10U;
constexpr std::uint64_t most_reserved = std::uint64_t{1} << 20U;
// What one walk over headers goes through at least, also where it goes on, and at most.
constexpr std::uint64_t least_walk = std::uint64_t{1} << 20U;
constexpr std::uint64_t walk_onwards = std::uint64_t{4} << 20U;
constexpr std::uint64_t most_walk = std::uint64_t{8} << 20U;
}  // namespace

Segment::Segment(env::Disk& disk, const std::string& directory, Offset base, Timestamp now,
                 std::string_view extension)
    : disk_(disk),
      directory_(directory),
      extension_(extension),
      base_(base),
      offset_index_(disk, path(index_suffix), base),
      time_index_(disk, path(time_index_suffix), base),
      transaction_index_(disk, path(transaction_index_suffix)),
      created_(now) {}

std::string Segment::path(std::string_view suffix) const {
    return segment_path(directory_, base_, suffix) + extension_;
}

Result<std::unique_ptr<Segment>> Segment::create(env::Disk& disk, const std::string& directory,
                                                 Offset base, Timestamp now,
                                                 std::uint64_t preallocated,
                                                 std::string_view extension) {
    std::unique_ptr<Segment> segment(new Segment(disk, directory, base, now, extension));
    ASSIGN_OR_RETURN(segment->file_, disk.open(segment->path(log_suffix),
                                               {.write = true, .create = true, .truncate = true}));
    segment->preallocated_ = preallocated > 0;
    if (preallocated > 0) RETURN_IF_ERROR(segment->file_->truncate(preallocated));
    RETURN_IF_ERROR(segment->offset_index_.file().create());
    RETURN_IF_ERROR(segment->time_index_.file().create());
    RETURN_IF_ERROR(segment->transaction_index_.clear());
    segment->max_timestamp_ = TimeIndex::Entry{-1, base};
    return segment;
}

Result<std::unique_ptr<Segment>> Segment::load(env::Disk& disk, const std::string& directory,
                                               Offset base, std::uint64_t size, Timestamp now) {
    std::unique_ptr<Segment> segment(new Segment(disk, directory, base, now));
    if (size > std::numeric_limits<std::int32_t>::max()) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("{} has {} bytes; a segment has less than 2^31",
                                segment->path(log_suffix), size));
    }
    segment->size_ = segment->written_ = static_cast<std::uint32_t>(size);
    segment->proven_ = ProvenHeaders(segment->size_);
    RETURN_IF_ERROR(segment->offset_index_.file().load());
    RETURN_IF_ERROR(segment->time_index_.file().load());
    return segment;
}

Result<std::shared_ptr<env::File>> Segment::file() {
    if (file_ == nullptr) {
        ASSIGN_OR_RETURN(file_, disk_.open(path(log_suffix), {.write = true}));
    }
    return file_;
}

void Segment::make_active(std::int32_t index_bytes, std::int64_t roll_jitter_ms) {
    offset_index_.file().set_capacity(static_cast<std::size_t>(index_bytes));
    time_index_.file().set_capacity(static_cast<std::size_t>(index_bytes));
    roll_jitter_ms_ = roll_jitter_ms;
}

Result<> Segment::add(const BatchView& batch, std::int32_t index_interval) {
    ASSIGN_OR_RETURN(TimeIndex::Entry largest, max_timestamp());
    if (size_ == 0) first_timestamp_ = batch.max_timestamp();
    // A batch that compaction has emptied has no record with a timestamp.
    Timestamp timestamp = batch.count() == 0 ? no_timestamp : batch.max_timestamp();
    if (timestamp > largest.timestamp) {
        largest = {timestamp, batch.last_offset()};
        max_timestamp_ = largest;
    }
    if (since_index_entry_ > static_cast<std::uint32_t>(index_interval)) {
        RETURN_IF_ERROR(offset_index_.append({batch.last_offset(), size_}));
        RETURN_IF_ERROR(time_index_.append(largest));
        since_index_entry_ = 0;
    }
    auto size = static_cast<std::uint32_t>(batch.size());
    remember(
        {batch.base_offset(), batch.last_offset(), size_, size, timestamp, batch.leader_epoch()});
    since_index_entry_ += size;
    size_ += size;
    return {};
}

void Segment::reserve(env::File& file) {
    if (size_ <= reserved_) return;
    std::uint64_t ahead = std::min<std::uint64_t>(size_ / 8, most_reserved);
    if (ahead < least_reserved) return;
    std::uint64_t from = std::max<std::uint64_t>(reserved_, written_);
    reserved_ = size_ + ahead;
    file.reserve(from, reserved_ - from);
}

Result<> Segment::write(std::span<const Bytes> pieces) {
    ASSIGN_OR_RETURN(auto log, file());
    reserve(*log);
    RETURN_IF_ERROR(log->write(written_, pieces));
    written_ = size_;
    return {};
}

Result<bool> Segment::should_roll(const LogOptions& options, std::size_t size, Offset last_offset,
                                  Timestamp max_timestamp, Timestamp now) {
    if (last_offset - base_ > std::numeric_limits<std::int32_t>::max()) return true;
    if (size_ + size > static_cast<std::size_t>(options.segment_bytes)) return true;
    if (offset_index_.full() || time_index_.full()) return true;
    if (size_ == 0) return false;
    RETURN_IF_ERROR(load_first_timestamp());
    bool by_records = first_timestamp_ && *first_timestamp_ >= 0;
    std::int64_t waited = 0;
    bool before_time = __builtin_sub_overflow(by_records ? max_timestamp : now,
                                              by_records ? *first_timestamp_ : created_, &waited);
    return !before_time && waited > options.segment_ms - roll_jitter_ms_;
}

Result<> Segment::load_first_timestamp() {
    if (first_timestamp_) return {};
    ASSIGN_OR_RETURN(auto log, file());
    PageAccess access;
    ASSIGN_OR_RETURN(auto first, HeaderScan(log, 0, written_, access).next());
    if (first) first_timestamp_ = first->max_timestamp;
    return {};
}

Result<std::optional<Timestamp>> Segment::first_timestamp() {
    RETURN_IF_ERROR(load_first_timestamp());
    return first_timestamp_;
}

Result<TimeIndex::Entry> Segment::max_timestamp(PageAccess& access) {
    if (!max_timestamp_) {
        ASSIGN_OR_RETURN(TimeIndex::Entry last, time_index_.last(access));
        ASSIGN_OR_RETURN(TimeIndex::Entry largest, confirmed(last, access));
        if (largest != last) {
            RETURN_IF_ERROR(visit([&](const BatchPlace& place) {
                if (place.max_timestamp <= largest.timestamp) return;
                largest = {place.max_timestamp, place.last_offset};
            }));
        }
        max_timestamp_ = largest;
    }
    return *max_timestamp_;
}

Result<Timestamp> Segment::age_from(PageAccess& access) {
    ASSIGN_OR_RETURN(TimeIndex::Entry largest, max_timestamp(access));
    if (largest.timestamp >= 0) return largest.timestamp;
    return disk_.modified(path(log_suffix));
}

Result<TimeIndex::Entry> Segment::confirmed(const TimeIndex::Entry& entry, PageAccess& access) {
    const TimeIndex::Entry unknown{-1, base_};
    if (entry.timestamp < 0) return unknown;
    ASSIGN_OR_RETURN(auto place, find(entry.offset, access));
    bool so =
        place && place->base_offset <= entry.offset && place->max_timestamp == entry.timestamp;
    return so ? entry : unknown;
}

Result<> Segment::seal() {
    if (size_ > 0) {
        ASSIGN_OR_RETURN(TimeIndex::Entry largest, max_timestamp());
        RETURN_IF_ERROR(time_index_.append(largest));
    }
    if (preallocated_ || reserved_ > size_) RETURN_IF_ERROR(cut(size_));
    RETURN_IF_ERROR(offset_index_.file().trim());
    RETURN_IF_ERROR(time_index_.file().trim());
    if (!transaction_index_.on_disk()) return {};
    ASSIGN_OR_RETURN(std::string sum, transaction_sum());
    ASSIGN_OR_RETURN(auto file, disk_.open(path(transaction_sum_suffix),
                                           {.write = true, .create = true, .truncate = true}));
    return file->write(0, as_bytes(sum));
}

Result<std::string> Segment::transaction_sum() {
    ASSIGN_OR_RETURN(std::string content, env::read_file(disk_, transaction_index_.path()));
    return fmt::format("{:08x}\n", crc32c(as_bytes(content)));
}

Result<bool> Segment::transactions_are_sound() {
    std::string name = path(transaction_sum_suffix);
    if (!disk_.exists(name)) return false;
    ASSIGN_OR_RETURN(std::string stored, env::read_file(disk_, name));
    ASSIGN_OR_RETURN(std::string sum, transaction_sum());
    return stored == sum && transaction_index_.check(base_).has_value();
}

Result<bool> Segment::indexes_are_sane() {
    PageAccess access;
    if (offset_index_.count() > 0) {
        ASSIGN_OR_RETURN(auto last, offset_index_.entry(offset_index_.count() - 1, access));
        if (last.offset < base_ || last.position >= size_) return false;
    }
    if (time_index_.count() == 0) return true;
    ASSIGN_OR_RETURN(auto first, time_index_.entry(0, access));
    ASSIGN_OR_RETURN(auto last, time_index_.last(access));
    return last.offset >= base_ && first.offset >= base_ && first.timestamp <= last.timestamp;
}

Result<std::vector<std::shared_ptr<env::File>>> Segment::files_to_sync() {
    std::vector<std::shared_ptr<env::File>> files;
    ASSIGN_OR_RETURN(auto log, file());
    files.push_back(std::move(log));
    std::vector<std::string> paths{offset_index_.file().path(), time_index_.file().path()};
    if (transaction_index_.on_disk()) paths.push_back(transaction_index_.path());
    if (disk_.exists(path(transaction_sum_suffix))) paths.push_back(path(transaction_sum_suffix));
    for (const std::string& name : paths) {
        ASSIGN_OR_RETURN(auto opened, disk_.open(name, {.write = true, .create = true}));
        files.push_back(std::move(opened));
    }
    return files;
}

void Segment::remember(const BatchPlace& place) {
    if (recent_.size() < recent_most) {
        recent_.push_back(place);
        return;
    }
    recent_[recent_next_] = place;
    recent_next_ = (recent_next_ + 1) % recent_most;
}

const BatchPlace* Segment::find_recent(Offset offset) const {
    if (recent_.empty() || offset < recent_[recent_next_].base_offset) return nullptr;
    std::size_t low = 0;
    std::size_t high = recent_.size();
    auto at = [&](std::size_t i) -> const BatchPlace& {
        return recent_[(recent_next_ + i) % recent_.size()];
    };
    while (low < high) {
        std::size_t middle = (low + high) / 2;
        if (at(middle).last_offset < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < recent_.size() ? &at(low) : nullptr;
}

template <typename Visit>
Result<> Segment::scan_from(const OffsetIndex::Entry& entry, PageAccess& access, Visit visit) {
    ASSIGN_OR_RETURN(auto log, file());
    return scan_batches(std::move(log), entry.offset, entry.position, written_, access,
                        std::move(visit));
}

Result<std::optional<BatchPlace>> Segment::find(Offset offset, PageAccess& access) {
    if (const BatchPlace* recent = find_recent(offset)) {
        if (recent->position >= written_) return std::nullopt;
        return *recent;
    }
    ASSIGN_OR_RETURN(OffsetIndex::Entry entry, offset_index_.find(offset, access));
    std::optional<BatchPlace> found;
    RETURN_IF_ERROR(scan_from(entry, access, [&](const BatchPlace& place) -> Result<bool> {
        if (place.last_offset >= offset) found = place;
        return !found;
    }));
    return found;
}

Result<Segment::Found> Segment::find_trusted(Offset offset, PageAccess& access) {
    Found found;
    if (proven_.complete() || is_recent(offset)) {
        found.trusted = true;
        ASSIGN_OR_RETURN(found.place, find(offset, access));
        return found;
    }
    ASSIGN_OR_RETURN(OffsetIndex::Entry entry, offset_index_.find(offset, access));
    std::optional<std::uint32_t> from;
    Result<> scanned = scan_from(entry, access, [&](const BatchPlace& place) -> Result<bool> {
        if (!from) from = place.position;
        if (place.last_offset >= offset) found.place = place;
        return !found.place;
    });
    if (!scanned && scanned.error().code == ErrorCode::kafka_storage_error) {
        return fail(std::move(scanned).error());
    }
    found.from = from.value_or(0);
    found.indexed = found.from > 0;
    std::uint32_t end = proven_.end_from(found.from, written_);
    found.trusted = scanned && (found.place ? found.place->position < end : end == written_);
    return found;
}

Result<std::optional<UnprovenHeaders>> Segment::unproven(Offset offset, std::uint64_t bytes,
                                                         PageAccess& access) {
    if (proven_.complete()) return std::nullopt;
    ASSIGN_OR_RETURN(Found found, find_trusted(offset, access));
    std::uint32_t end = proven_.end_from(found.from, written_);
    if (found.trusted && (!found.place || end == written_ ||
                          found.place->position + std::min(bytes, most_walk) <= end)) {
        return std::nullopt;
    }
    UnprovenHeaders wanted{.first_is_proven = found.trusted};
    HeaderWalk& walk = wanted.walk;
    ASSIGN_OR_RETURN(walk.file, file());
    walk.base = walk.least = base_;
    walk.position = found.from;
    walk.indexed = found.indexed;
    walk.end = proven_.found();
    walk.wanted = offset;
    walk.bytes = std::clamp(bytes, least_walk, most_walk);
    if (const ProvenRange* range = proven_.range_at(found.from)) {
        walk.position = range->end;
        walk.least = range->next;
        walk.indexed = false;
        walk.bytes = std::max(walk.bytes, walk_onwards);
        if (found.trusted) walk.wanted = range->next;
    }
    return wanted;
}

Result<TimestampSearch> Segment::search_for(Timestamp timestamp, Offset start, PageAccess& access) {
    ASSIGN_OR_RETURN(TimeIndex::Entry time, time_index_.find(timestamp, access));
    ASSIGN_OR_RETURN(time, confirmed(time, access));
    ASSIGN_OR_RETURN(auto entry, offset_index_.find(std::max(time.offset, start), access));
    ASSIGN_OR_RETURN(auto log, file());
    return TimestampSearch{std::move(log), entry, written_, timestamp, start};
}

Result<TimestampSearch> Segment::search_for_largest(PageAccess& access) {
    ASSIGN_OR_RETURN(TimeIndex::Entry largest, max_timestamp(access));
    ASSIGN_OR_RETURN(auto entry, offset_index_.find(largest.offset, access));
    ASSIGN_OR_RETURN(auto log, file());
    return TimestampSearch{std::move(log), entry, written_, largest.timestamp, base_};
}

Result<std::optional<BatchPlace>> Segment::last_batch() {
    PageAccess access;
    OffsetIndex::Entry entry{base_, 0};
    if (offset_index_.count() > 0) {
        ASSIGN_OR_RETURN(entry, offset_index_.entry(offset_index_.count() - 1, access));
    }
    std::optional<BatchPlace> last;
    RETURN_IF_ERROR(scan_from(entry, access, [&](const BatchPlace& place) -> Result<bool> {
        last = place;
        return true;
    }));
    return last;
}

Result<> Segment::visit(const std::function<void(const BatchPlace&)>& function) {
    PageAccess access;
    return scan_from({base_, 0}, access, [&](const BatchPlace& place) -> Result<bool> {
        function(place);
        return true;
    });
}

Result<> Segment::truncate_to(Offset offset) {
    PageAccess access;
    ASSIGN_OR_RETURN(auto place, find(offset, access));
    RETURN_IF_ERROR(offset_index_.truncate_to(offset));
    RETURN_IF_ERROR(time_index_.truncate_to(offset));
    RETURN_IF_ERROR(transaction_index_.truncate_to(offset));
    if (place) RETURN_IF_ERROR(cut(place->position));
    recent_.clear();
    recent_next_ = 0;
    since_index_entry_ = 0;
    if (size_ == 0) first_timestamp_.reset();
    ASSIGN_OR_RETURN(TimeIndex::Entry largest, time_index_.last(access));
    ASSIGN_OR_RETURN(auto entry, offset_index_.find(largest.offset, access));
    RETURN_IF_ERROR(scan_from(entry, access, [&](const BatchPlace& batch) -> Result<bool> {
        if (batch.max_timestamp > largest.timestamp) {
            largest = {batch.max_timestamp, batch.last_offset};
        }
        return true;
    }));
    max_timestamp_ = largest;
    return {};
}

Result<> Segment::cut(std::uint32_t size) {
    ASSIGN_OR_RETURN(auto log, file());
    RETURN_IF_ERROR(log->truncate(size));
    size_ = written_ = size;
    proven_.cut(size);
    preallocated_ = false;
    reserved_ = 0;
    return {};
}

Result<> Segment::begin_rebuild() {
    RETURN_IF_ERROR(offset_index_.file().create());
    RETURN_IF_ERROR(time_index_.file().create());
    RETURN_IF_ERROR(transaction_index_.clear());
    std::string sum = path(transaction_sum_suffix);
    if (disk_.exists(sum)) RETURN_IF_ERROR(disk_.remove(sum));
    max_timestamp_ = TimeIndex::Entry{-1, base_};
    restart(0);
    return {};
}

void Segment::restart(std::uint32_t size) {
    size_ = size;
    since_index_entry_ = 0;
    first_timestamp_.reset();
    recent_.clear();
    recent_next_ = 0;
}

std::vector<std::string> Segment::paths() const {
    return {path(log_suffix), path(index_suffix), path(time_index_suffix),
            path(transaction_index_suffix), path(transaction_sum_suffix)};
}

// The log first: as long as any file has the old name, none of them counts (leftovers).
Result<> Segment::rename_files(std::string_view extension) {
    if (extension == extension_) return {};
    std::vector<std::string> before = paths();
    extension_ = extension;
    std::vector<std::string> after = paths();
    renamed(directory_);
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (disk_.exists(before[i])) RETURN_IF_ERROR(disk_.rename(before[i], after[i]));
    }
    return {};
}

void Segment::renamed(const std::string& directory) {
    directory_ = directory;
    file_.reset();
    offset_index_.file().renamed(path(index_suffix));
    time_index_.file().renamed(path(time_index_suffix));
    transaction_index_.renamed(path(transaction_index_suffix));
}

void Segment::release() {
    file_.reset();
    offset_index_.file().release();
    time_index_.file().release();
    transaction_index_.release();
}

}  // namespace millrace::storage
