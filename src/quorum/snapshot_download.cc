#include "quorum/snapshot_download.h"

#include <fmt/format.h>
#include <utility>

#include "core/metadata/replay.h"
#include "env/disk.h"
#include "env/shard.h"
#include "quorum/snapshot_file.h"

namespace millrace::quorum {

SnapshotDownload::SnapshotDownload(env::Shard& shard, const std::string& directory,
                                   const raft::OffsetAndEpoch& id)
    : shard_(shard), path_(fmt::format("{}/{}", directory, snapshot_name(id))), id_(id) {}

Task<Result<>> SnapshotDownload::add(Peers::SnapshotPiece piece) {
    Result<> written;
    co_await env::blocking(shard_, [&, disk = &shard_.disk()] {
        written = [&]() -> Result<> {
            if (part_ == nullptr) {
                ASSIGN_OR_RETURN(
                    part_,
                    disk->open(path_ + ".part", {.write = true, .create = true, .truncate = true}));
            }
            return part_->write(static_cast<std::uint64_t>(position_), piece.bytes.bytes());
        }();
    });
    CO_RETURN_IF_ERROR(written);
    position_ += static_cast<std::int64_t>(piece.bytes.size());
    size_ = piece.size;
    co_return Result<>{};
}

Task<Result<DownloadedSnapshot>> SnapshotDownload::finish() {
    Result<DownloadedSnapshot> finished = fail(ErrorCode::unknown_server_error, "");
    co_await env::blocking(shard_, [&] { finished = finish_now(); });
    co_return finished;
}

Result<DownloadedSnapshot> SnapshotDownload::finish_now() {
    env::Disk& disk = shard_.disk();
    std::string part = path_ + ".part";
    RETURN_IF_ERROR(part_->sync_now());
    metadata::Replay replay;
    auto visit = [&](const metadata::VersionedRecord& record, std::int64_t) {
        return replay.apply(record, id_.offset - 1, id_.epoch);
    };
    auto contents = read_snapshot(disk, part, visit);
    if (!contents) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("what the leader sent is damaged: {}", contents.error().message));
    }
    DownloadedSnapshot snapshot;
    snapshot.id = id_;
    snapshot.size = static_cast<std::uint64_t>(position_);
    snapshot.last_contained = contents->last_contained;
    snapshot.facts = std::move(contents->facts);
    snapshot.image = replay.image();
    RETURN_IF_ERROR(disk.set_mode(part, static_cast<unsigned>(FileMode::read_only)));
    RETURN_IF_ERROR(disk.rename(part, path_));
    RETURN_IF_ERROR(disk.sync_directory(env::parent_of(path_)));
    return snapshot;
}

}  // namespace millrace::quorum
