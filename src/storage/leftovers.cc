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

class Leftovers {
  public:
    Leftovers(env::Disk& disk, const std::string& directory) : disk_(disk), directory_(directory) {}

    Result<std::set<Offset>> clear() {
        RETURN_IF_ERROR(remove_unfinished());
        RETURN_IF_ERROR(drop_swaps_of_splits());
        if (!swaps_.empty()) RETURN_IF_ERROR(finish_swaps());
        return std::move(compacted_);
    }

  private:
    std::string path_of(std::string_view name) const {
        return fmt::format("{}/{}", directory_, name);
    }
    Result<> remove_unfinished();
    Result<> drop_swaps_of_splits();
    Result<> finish_swaps();
    Result<> remove_replaced();

    env::Disk& disk_;
    const std::string& directory_;
    std::vector<std::string> swaps_;
    Offset least_cleaned_ = std::numeric_limits<Offset>::max();
    std::set<Offset> compacted_;
};

Result<> Leftovers::remove_unfinished() {
    ASSIGN_OR_RETURN(auto entries, disk_.list(directory_));
    for (const env::DirectoryEntry& entry : entries) {
        if (entry.is_directory) continue;
        auto base = offset_of_file(entry.name);
        // Snapshots of the metadata log belong to the quorum.
        if (entry.name.ends_with(deleted_suffix) && !entry.name.ends_with(".checkpoint.deleted")) {
            bool log =
                base && entry.name.ends_with(fmt::format("{}{}", log_suffix, deleted_suffix));
            if (log && disk_.exists(segment_path(directory_, *base, log_suffix))) {
                compacted_.insert(*base);
            }
            RETURN_IF_ERROR(disk_.remove(path_of(entry.name)));
        } else if (entry.name.ends_with(cleaned_suffix)) {
            least_cleaned_ = std::min(least_cleaned_, base.value_or(0));
            RETURN_IF_ERROR(disk_.remove(path_of(entry.name)));
        } else if (entry.name.ends_with(swap_suffix) && base) {
            swaps_.push_back(entry.name);
        }
    }
    return {};
}

// As long as a file has not got its .swap yet, those at and above it replace nothing.
Result<> Leftovers::drop_swaps_of_splits() {
    for (auto at = swaps_.begin(); at != swaps_.end();) {
        if (*offset_of_file(*at) < least_cleaned_) {
            ++at;
            continue;
        }
        RETURN_IF_ERROR(disk_.remove(path_of(*at)));
        at = swaps_.erase(at);
    }
    return {};
}

// Each step is durable before the next one begins, so that this can be cut short, too.
Result<> Leftovers::finish_swaps() {
    RETURN_IF_ERROR(disk_.sync_directory(directory_));
    RETURN_IF_ERROR(remove_replaced());
    RETURN_IF_ERROR(disk_.sync_directory(directory_));
    for (const std::string& name : swaps_) {
        std::string plain = name.substr(0, name.size() - swap_suffix.size());
        RETURN_IF_ERROR(disk_.rename(path_of(name), path_of(plain)));
    }
    return disk_.sync_directory(directory_);
}

Result<> Leftovers::remove_replaced() {
    Offset first = std::numeric_limits<Offset>::max();
    Offset end = 0;
    for (const std::string& name : swaps_) {
        std::string plain = name.substr(0, name.size() - swap_suffix.size());
        if (!is_segment_file(plain, log_suffix)) continue;
        Offset base = *offset_of_file(name);
        ASSIGN_OR_RETURN(Offset next, next_offset_of(disk_, path_of(name), base));
        compacted_.insert(base);
        first = std::min(first, base);
        end = std::max({end, next, base + 1});
    }
    ASSIGN_OR_RETURN(auto entries, disk_.list(directory_));
    for (const env::DirectoryEntry& entry : entries) {
        auto base = offset_of_file(entry.name);
        if (entry.is_directory || entry.name.ends_with(swap_suffix) || !base) continue;
        // The first one's snapshot, of the producers before it, stays true.
        bool first_snapshot = *base == first && entry.name.ends_with(snapshot_suffix);
        if (*base < first || *base >= end || first_snapshot) continue;
        LOG_INFO("Removing {}/{}, which a finished compaction replaces", directory_, entry.name);
        RETURN_IF_ERROR(disk_.remove(path_of(entry.name)));
    }
    return {};
}

}  // namespace

Result<std::set<Offset>> clear_leftovers(env::Disk& disk, const std::string& directory) {
    return Leftovers(disk, directory).clear();
}

}  // namespace millrace::storage
