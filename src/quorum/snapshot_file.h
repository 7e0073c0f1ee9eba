#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "core/raft/replica.h"
#include "quorum/control_records.h"
#include "quorum/record_batches.h"

namespace millrace::env {
class Disk;
}
namespace millrace::metadata {
struct Image;
}

namespace millrace::quorum {

inline constexpr std::string_view bootstrap_file = "bootstrap.checkpoint";

// 00000000000000000042-0000000003.checkpoint: the state of all records below offset 42, the last
// of them of epoch 3 (formats.md, 3.3).
std::string snapshot_name(const raft::OffsetAndEpoch& id);
struct SnapshotName {
    enum class Kind { whole, partial, deleted } kind = Kind::whole;
    raft::OffsetAndEpoch id;
};
// Nothing for other files.
std::optional<SnapshotName> parse_snapshot_name(std::string_view name);

struct SnapshotHead {
    std::int32_t epoch = 0;
    Timestamp now = 0;
    Timestamp last_contained = 0;  // of the last batch below the snapshot
    QuorumFacts facts;
    std::size_t max_batch_bytes = default_max_batch_bytes;
};
using SnapshotRecords = std::function<Result<>(RecordBatches& batches)>;

enum class FileMode : unsigned { writable = 0644, read_only = 0400 };
// Writes header, records and footer to path.part, syncs it and renames it. kafka_storage_error, or
// what `records` returns; the part is then left behind. Blocking.
Result<> write_snapshot_file(env::Disk& disk, const std::string& path, FileMode mode,
                             const SnapshotHead& head, const SnapshotRecords& records);
// A snapshot of an image into `directory`. Returns its size. Blocking.
Result<std::uint64_t> write_snapshot(env::Disk& disk, const std::string& directory,
                                     const raft::OffsetAndEpoch& id, const SnapshotHead& head,
                                     const metadata::Image& image);

struct SnapshotContents {
    QuorumFacts facts;
    Timestamp last_contained = 0;
    // Of its last metadata record: the place in the file, and when that was written.
    raft::OffsetAndEpoch last{-1, -1};
    Timestamp written = -1;
};
// Hands the records of a snapshot over, in order; their offsets count from its beginning. Error
// kafka_storage_error, naming the file, for one that is unreadable, damaged or incomplete, and
// unsupported_version for records of a newer version. Blocking.
Result<SnapshotContents> read_snapshot(env::Disk& disk, const std::string& path,
                                       const RecordVisitor& visit);
// Only what its header says.
Result<SnapshotContents> read_snapshot_head(env::Disk& disk, const std::string& path);

}  // namespace millrace::quorum
