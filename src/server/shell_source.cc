#include "server/shell_source.h"

#include <fmt/format.h>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "core/metadata/replay.h"
#include "quorum/snapshot_file.h"
#include "storage/batch_scan.h"
#include "storage/file_names.h"
#include "storage/text_lines.h"

namespace millrace::server {
namespace {

constexpr std::string_view metadata_directory = "__cluster_metadata-0";
constexpr std::string_view lock_name = ".lock";

struct Reading {
    metadata::Replay replay;
    metadata::Provenance provenance;
};

Result<> take_snapshot(env::Disk& disk, const std::string& path, Reading& reading) {
    auto visit = [&](metadata::VersionedRecord record, std::int64_t offset) {
        return reading.replay.apply(record, offset, -1);
    };
    ASSIGN_OR_RETURN(quorum::SnapshotContents contents, quorum::read_snapshot(disk, path, visit));
    reading.provenance = {contents.last.offset, contents.last.epoch, contents.written};
    return {};
}

// Of a segment, what is at `from` or behind; control records are the quorum's own.
Result<> take_segment(env::Disk& disk, const std::string& path, std::int64_t from,
                      Reading& reading) {
    ASSIGN_OR_RETURN(auto file, disk.open(path, {}));
    ASSIGN_OR_RETURN(std::uint64_t size, file->size());
    if (size > std::numeric_limits<std::uint32_t>::max()) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("{}: it has {} bytes; segments have less than 4 GiB", path, size));
    }
    storage::BatchScan scan(std::move(file), 0, static_cast<std::uint32_t>(size));
    while (true) {
        auto batch = scan.next();
        if (!batch || !*batch || !(*batch)->verify_crc()) return {};  // what an unclean end left
        const BatchView& view = **batch;
        if (view.is_control() || view.last_offset() < from) continue;
        auto visit = [&](metadata::VersionedRecord record, std::int64_t offset) {
            return reading.replay.apply(record, offset, view.leader_epoch());
        };
        RETURN_IF_ERROR(quorum::visit_records(view, from, visit));
        reading.provenance = {view.last_offset(), view.leader_epoch(), view.max_timestamp()};
    }
}

struct Found {
    std::optional<raft::OffsetAndEpoch> snapshot;
    std::map<std::int64_t, std::string> segments;  // by their first offset
};

Result<Found> look_into(env::Disk& disk, const std::string& path) {
    Found found;
    ASSIGN_OR_RETURN(auto entries, disk.list(path));
    for (const env::DirectoryEntry& entry : entries) {
        auto snapshot = quorum::parse_snapshot_name(entry.name);
        if (snapshot && snapshot->kind == quorum::SnapshotName::Kind::whole &&
            (!found.snapshot || *found.snapshot < snapshot->id)) {
            found.snapshot = snapshot->id;
        }
        std::string_view name = entry.name;
        if (!name.ends_with(storage::log_suffix)) continue;
        name.remove_suffix(storage::log_suffix.size());
        if (auto base = storage::parse_number<std::int64_t>(name); base)
            found.segments[*base] = fmt::format("{}/{}", path, entry.name);
    }
    return found;
}

ShellSource source_of(Reading reading) {
    ShellSource source;
    source.image = reading.replay.image();
    source.provenance = reading.provenance;
    return source;
}

}  // namespace

Result<ShellSource> read_snapshot_file(env::Disk& disk, const std::string& path) {
    Reading reading;
    RETURN_IF_ERROR(take_snapshot(disk, path, reading));
    return source_of(std::move(reading));
}

Result<ShellSource> read_log_directory(env::Disk& disk, const std::string& path) {
    std::string log = fmt::format("{}/{}", path, metadata_directory);
    if (!disk.exists(log)) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("{} holds no {}: name the log directory of a node "
                                "(metadata.log.dir, or the first of log.dirs)",
                                path, metadata_directory));
    }
    ASSIGN_OR_RETURN(auto lock, disk.lock(fmt::format("{}/{}", path, lock_name)));
    ASSIGN_OR_RETURN(Found found, look_into(disk, log));
    Reading reading;
    std::int64_t from = 0;
    if (found.snapshot) {
        from = found.snapshot->offset;
        RETURN_IF_ERROR(take_snapshot(
            disk, fmt::format("{}/{}", log, quorum::snapshot_name(*found.snapshot)), reading));
        reading.provenance.offset = from - 1;
        reading.provenance.epoch = found.snapshot->epoch;
    }
    for (const auto& [base, segment] : found.segments)
        RETURN_IF_ERROR(take_segment(disk, segment, from, reading));
    ShellSource source = source_of(std::move(reading));
    source.lock = std::move(lock);
    return source;
}

}  // namespace millrace::server
