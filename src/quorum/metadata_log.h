#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "core/metadata/image.h"
#include "core/metadata/record.h"
#include "core/raft/raft.h"
#include "quorum/snapshot_file.h"
#include "storage/log.h"

namespace millrace::env {
class File;
}

namespace millrace::quorum {

struct DownloadedSnapshot;

// What a metadata log says from its latest snapshot on.
struct LogContents {
    metadata::ImagePtr snapshot;  // of the latest snapshot; empty without one
    metadata::ImagePtr image;     // at the log's end, or where a transaction began that is open
    struct Placed {
        metadata::VersionedRecord record;
        std::int64_t offset = 0;
        std::int32_t epoch = 0;
    };
    std::vector<Placed> open_transaction;  // its records so far, BeginTransaction first
    raft::VoterHistory voters;
    raft::KRaftVersionHistory kraft_versions;
    std::uint64_t bytes_behind_snapshot = 0;
    Timestamp last_timestamp = 0;  // of the last batch
};

// The directory __cluster_metadata-0: the log, and the snapshots beside it.
class MetadataLog {
  public:
    struct Options {
        std::string directory;  // metadata.log.dir
        storage::LogOptions log;
        raft::VoterSet static_voters;       // controller.quorum.voters
        std::int64_t retention_bytes = -1;  // metadata.max.retention.bytes
        std::int64_t retention_ms = -1;     // metadata.max.retention.ms
    };
    // Opens or makes it, recovers what an unclean end left and brings all of it to stable storage.
    // kafka_storage_error.
    static Task<Result<std::unique_ptr<MetadataLog>>> open(env::Shard& shard,
                                                           storage::DirectoryHealth& health,
                                                           Options options);

    storage::Log& log() { return *log_; }
    const storage::Log& log() const { return *log_; }
    const std::string& path() const { return path_; }
    std::string path_of(std::string_view name) const;
    // As raft sees the log.
    raft::LogFacts facts() const;

    // Reads the latest snapshot and the log behind it, on a helper thread. Nothing else may use
    // the log meanwhile. kafka_storage_error for what is damaged or missing, and the errors of
    // records.
    Task<Result<LogContents>> read();

    // The greatest; {0, 0} without one.
    raft::OffsetAndEpoch latest_snapshot() const;
    // A snapshot that write_snapshot() has put into path().
    void add_snapshot(const raft::OffsetAndEpoch& id, std::uint64_t size, Timestamp last_contained);
    raft::SnapshotMade snapshot_made() const;
    // The file of a snapshot and its size; resource_not_found when there is none of this id.
    struct SnapshotFile {
        std::shared_ptr<env::File> file;
        std::uint64_t size = 0;
    };
    Result<SnapshotFile> open_snapshot(const raft::OffsetAndEpoch& id) const;
    // All records go, and other snapshots: the log begins anew behind this one, which lies in
    // path() already.
    Result<> begin_at_snapshot(const DownloadedSnapshot& snapshot);
    // Moves the log's start to a later snapshot while log and snapshots are larger, or the oldest
    // snapshot is older, than retention allows; what is before it is removed after the delay. At
    // least one snapshot stays. True when something went.
    Result<bool> clean();
    // Removes files whose time has come; returns when the next are due.
    Task<std::optional<Timestamp>> remove_deleted();

  private:
    struct Snapshot {
        std::uint64_t size = 0;
        Timestamp last_contained = 0;
    };
    struct Doomed {
        Timestamp due = 0;
        std::string path;
    };
    using Snapshots = std::map<raft::OffsetAndEpoch, Snapshot>;

    MetadataLog(env::Shard& shard, Options options);
    Result<> prepare_directory();
    Result<> find_snapshots();
    Result<> match_log_with_snapshots();
    Result<LogContents> read_now();
    Result<> doom(Snapshots::iterator snapshot);
    bool breaches_retention(const Snapshot& oldest, std::uint64_t total) const;

    env::Shard& shard_;
    Options options_;
    std::string path_;
    std::unique_ptr<storage::Log> log_;
    Snapshots snapshots_;
    std::vector<Doomed> doomed_;
};

}  // namespace millrace::quorum
