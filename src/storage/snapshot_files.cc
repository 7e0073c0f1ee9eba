#include "storage/snapshot_files.h"

#include "env/disk.h"
#include "storage/file_names.h"
#include "storage/storage_log.h"

namespace millrace::storage {

Result<> write_snapshot(env::Disk& disk, const std::string& directory, const ProducerState& state,
                        bool sync) {
    std::string path = segment_path(directory, state.map_end_offset(), snapshot_suffix);
    ASSIGN_OR_RETURN(auto file, disk.open(path, {.write = true, .create = true, .truncate = true}));
    RETURN_IF_ERROR(file->write(0, as_bytes(state.encode_snapshot())));
    return sync ? file->sync_now() : Result<>{};
}

Result<> load_latest_snapshot(env::Disk& disk, const std::string& directory,
                              std::set<Offset>& snapshots, Offset start, Timestamp now,
                              std::int64_t expiration_ms, ProducerState& state) {
    state.clear();
    state.set_map_end_offset(start);
    while (!snapshots.empty()) {
        Offset latest = *snapshots.rbegin();
        std::string path = segment_path(directory, latest, snapshot_suffix);
        ASSIGN_OR_RETURN(std::string content, env::read_file(disk, path));
        auto loaded = state.load_snapshot(as_bytes(content), path, now, expiration_ms);
        if (loaded) {
            state.set_map_end_offset(latest);
            return {};
        }
        LOG_WARN("Removing a producer snapshot that cannot be read: {}", loaded.error().message);
        state.clear();
        RETURN_IF_ERROR(disk.remove(path));
        snapshots.erase(latest);
    }
    return {};
}

}  // namespace millrace::storage
