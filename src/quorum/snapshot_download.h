#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "core/metadata/image.h"
#include "core/raft/replica.h"
#include "quorum/control_records.h"
#include "quorum/peers.h"

namespace millrace::env {
class File;
class Shard;
}  // namespace millrace::env

namespace millrace::quorum {

// A snapshot of the leader's that is whole, on stable storage, and has its name.
struct DownloadedSnapshot {
    raft::OffsetAndEpoch id;
    std::uint64_t size = 0;
    Timestamp last_contained = 0;
    QuorumFacts facts;
    metadata::ImagePtr image;
};

// Puts the pieces of a snapshot together, in a file ending in .part until all is there.
class SnapshotDownload {
  public:
    SnapshotDownload(env::Shard& shard, const std::string& directory,
                     const raft::OffsetAndEpoch& id);

    std::int64_t position() const { return position_; }
    bool whole() const { return position_ > 0 && position_ >= size_; }
    // kafka_storage_error: the disk has failed.
    Task<Result<>> add(Peers::SnapshotPiece piece);
    // Reads all of it, and gives it its name. kafka_storage_error: the disk has failed;
    // invalid_record: what the leader sent is no snapshot.
    Task<Result<DownloadedSnapshot>> finish();

  private:
    Result<DownloadedSnapshot> finish_now();

    env::Shard& shard_;
    std::string path_;
    raft::OffsetAndEpoch id_;
    std::shared_ptr<env::File> part_;
    std::int64_t position_ = 0;
    std::int64_t size_ = 0;
};

}  // namespace millrace::quorum
