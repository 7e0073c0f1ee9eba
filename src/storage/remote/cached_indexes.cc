#include "storage/remote/cached_indexes.h"

#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"
#include "storage/file_names.h"
#include "storage/offset_index.h"
#include "storage/text_lines.h"
#include "storage/time_index.h"

namespace millrace::storage::remote {
namespace {

struct File {
    IndexType type;
    std::string_view suffix;
    std::size_t entry_size;
};
constexpr File files[] = {
    {IndexType::offset, index_suffix, OffsetIndex::entry_size},
    {IndexType::timestamp, time_index_suffix, TimeIndex::entry_size},
    {IndexType::transaction, transaction_index_suffix, TransactionIndex::entry_size},
};

Result<> write_synced(env::Disk& disk, const std::string& path, Bytes bytes) {
    ASSIGN_OR_RETURN(std::shared_ptr<env::File> file,
                     disk.open(path, {.write = true, .create = true, .truncate = true}));
    RETURN_IF_ERROR(file->write(0, bytes));
    return file->sync_now();
}

Result<> replace(env::Disk& disk, const std::string& path, Bytes bytes) {
    std::string temporary = path + ".tmp";
    Result<> done = write_synced(disk, temporary, bytes);
    if (done) done = disk.rename(temporary, path);
    // Half of it takes space that may be short; the next start removes it, too.
    if (!done && disk.exists(temporary)) (void)disk.remove(temporary);
    return done;
}

}  // namespace

CachedIndexes::CachedIndexes(env::Disk& disk, const std::string& directory, Offset start,
                             const Uuid& id)
    : disk_(disk),
      stem_(fmt::format("{}/{}_{}", directory, start, id.to_string())),
      start_(start) {}

Result<> CachedIndexes::write(const SegmentIndexes& indexes) {
    for (const File& file : files) {
        RETURN_IF_ERROR(replace(disk_, path(file.suffix),
                                indexes[static_cast<std::size_t>(file.type)].bytes()));
    }
    return {};
}

Result<> CachedIndexes::remove() {
    for (const File& file : files) {
        if (!disk_.exists(path(file.suffix))) continue;
        RETURN_IF_ERROR(disk_.remove(path(file.suffix)));
    }
    return {};
}

Result<std::uint64_t> CachedIndexes::check() {
    std::uint64_t bytes = 0;
    for (const File& file : files) {
        ASSIGN_OR_RETURN(auto opened, disk_.open(path(file.suffix), {}));
        ASSIGN_OR_RETURN(std::uint64_t size, opened->size());
        if (size % file.entry_size != 0) {
            return fail(ErrorCode::corrupt_message,
                        fmt::format("{} has {} bytes, which are no entries of {} bytes",
                                    path(file.suffix), size, file.entry_size));
        }
        bytes += size;
    }
    RETURN_IF_ERROR(TransactionIndex(disk_, path(transaction_index_suffix)).check(start_));
    return bytes;
}

Result<CachedIndexes::Place> CachedIndexes::place_of(Offset offset) {
    OffsetIndex index(disk_, path(index_suffix), start_);
    RETURN_IF_ERROR(index.file().load());
    PageAccess access;
    ASSIGN_OR_RETURN(auto found, index.find_neighbours(offset, access));
    Place place{.position = found.at.position, .latest = std::nullopt};
    if (found.next) place.latest = found.next->position;
    return place;
}

Result<CachedIndexes::Place> CachedIndexes::place_of(Timestamp timestamp, Offset start) {
    TimeIndex index(disk_, path(time_index_suffix), start_);
    RETURN_IF_ERROR(index.file().load());
    PageAccess access;
    ASSIGN_OR_RETURN(TimeIndex::Entry entry, index.find(timestamp, access));
    return place_of(std::max(entry.offset, start));
}

Result<std::optional<Offset>> CachedIndexes::bound_of(std::uint64_t position) {
    OffsetIndex index(disk_, path(index_suffix), start_);
    RETURN_IF_ERROR(index.file().load());
    PageAccess access;
    ASSIGN_OR_RETURN(auto entry, index.find_position(position, access));
    if (!entry) return std::nullopt;
    return entry->offset;
}

Result<AbortedInRange> CachedIndexes::aborted(Offset from, Offset to) {
    TransactionIndex index(disk_, path(transaction_index_suffix));
    ASSIGN_OR_RETURN(const auto* entries, index.entries());
    AbortedInRange found;
    for (const AbortedTransaction& entry : *entries) {
        if (entry.last_offset >= from && entry.first_offset < to) {
            found.transactions.push_back(entry);
        }
        // No transaction that began below it was open behind this marker.
        found.complete = entry.last_stable_offset >= to;
        if (found.complete) break;
    }
    return found;
}

std::optional<CachedIndexName> parse_cached_index(std::string_view name) {
    std::size_t underscore = name.find('_');
    std::size_t dot = name.find('.');
    if (underscore == std::string_view::npos || dot == std::string_view::npos) return std::nullopt;
    if (dot < underscore) return std::nullopt;
    auto start = parse_number<Offset>(name.substr(0, underscore));
    auto id = Uuid::parse(name.substr(underscore + 1, dot - underscore - 1));
    std::string_view suffix = name.substr(dot);
    bool known =
        std::ranges::any_of(files, [&](const File& file) { return file.suffix == suffix; });
    if (!start || *start < 0 || !id || !known) return std::nullopt;
    return CachedIndexName{.start = *start, .id = *id, .suffix = std::string(suffix)};
}

}  // namespace millrace::storage::remote
