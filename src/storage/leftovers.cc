#include "storage/leftovers.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>
#include <vector>

#include "env/disk.h"
#include "storage/batch_scan.h"
#include "storage/file_names.h"
#include "storage/storage_log.h"

namespace millrace::storage {
namespace {

// Behind the last batch of a finished output.
Result<Offset> next_offset_of(env::Disk& disk, const std::string& path, Offset base) {
    ASSIGN_OR_RETURN(auto file, disk.open(path, {}));
    ASSIGN_OR_RETURN(std::uint64_t size, file->size());
    auto end = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(size, std::numeric_limits<std::int32_t>::max()));
    PageAccess access;
    HeaderScan scan(std::move(file), 0, end, access);
    Offset next = base;
    while (true) {
        ASSIGN_OR_RETURN(auto place, scan.next());
        if (!place) return next;
        next = place->last_offset + 1;
    }
}

}  // namespace

Result<> clear_leftovers(env::Disk& disk, const std::string& directory) {
    auto path_of = [&](std::string_view name) { return fmt::format("{}/{}", directory, name); };
    ASSIGN_OR_RETURN(auto entries, disk.list(directory));
    std::vector<std::string> swaps;
    Offset least_cleaned = std::numeric_limits<Offset>::max();
    for (const env::DirectoryEntry& entry : entries) {
        if (entry.is_directory) continue;
        // Snapshots of the metadata log belong to the quorum.
        if (entry.name.ends_with(deleted_suffix) && !entry.name.ends_with(".checkpoint.deleted")) {
            RETURN_IF_ERROR(disk.remove(path_of(entry.name)));
        } else if (entry.name.ends_with(cleaned_suffix)) {
            least_cleaned = std::min(least_cleaned, offset_of_file(entry.name).value_or(0));
            RETURN_IF_ERROR(disk.remove(path_of(entry.name)));
        } else if (entry.name.ends_with(swap_suffix) && offset_of_file(entry.name)) {
            swaps.push_back(entry.name);
        }
    }
    Offset first = std::numeric_limits<Offset>::max();
    Offset end = 0;
    for (auto at = swaps.begin(); at != swaps.end();) {
        Offset base = *offset_of_file(*at);
        if (base >= least_cleaned) {  // a split that did not end
            RETURN_IF_ERROR(disk.remove(path_of(*at)));
            at = swaps.erase(at);
            continue;
        }
        std::string plain = at->substr(0, at->size() - swap_suffix.size());
        if (is_segment_file(plain, log_suffix)) {
            ASSIGN_OR_RETURN(Offset next, next_offset_of(disk, path_of(*at), base));
            first = std::min(first, base);
            end = std::max(end, next);
        }
        ++at;
    }
    if (swaps.empty()) return {};
    ASSIGN_OR_RETURN(entries, disk.list(directory));
    for (const env::DirectoryEntry& entry : entries) {
        auto base = offset_of_file(entry.name);
        if (entry.is_directory || entry.name.ends_with(swap_suffix) || !base) continue;
        if (*base < first || *base >= end) continue;
        LOG_INFO("Removing {}/{}, which a finished compaction replaces", directory, entry.name);
        RETURN_IF_ERROR(disk.remove(path_of(entry.name)));
    }
    for (const std::string& name : swaps) {
        std::string plain = name.substr(0, name.size() - swap_suffix.size());
        RETURN_IF_ERROR(disk.rename(path_of(name), path_of(plain)));
    }
    return {};
}

}  // namespace millrace::storage
