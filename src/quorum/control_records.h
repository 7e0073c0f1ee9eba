#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "core/raft/raft.h"
#include "core/raft/replica.h"
#include "records/batch.h"

namespace millrace::quorum {

// The first batch of an epoch: LeaderChange, and behind it KRaftVersion and Voters where the epoch
// brings them (formats.md, 2.1).
Slice epoch_start_batch(const raft::EpochStart& start, Timestamp now);

// A change of the voters: KRaftVersion where that rises, and Voters.
Slice voters_batch(const raft::VotersRecord& change, Timestamp now);

// Whose log it is: what control records of a log or of a snapshot have said last.
struct QuorumFacts {
    std::int16_t kraft_version = 0;
    std::optional<raft::VoterSet> voters;  // none: controller.quorum.voters
};

// The first and the last batch of a snapshot; offsets count from the file's beginning.
struct SnapshotBatch {
    std::int64_t base_offset = 0;
    std::int32_t epoch = 0;
    Timestamp now = 0;
};
Slice snapshot_header_batch(const SnapshotBatch& batch, Timestamp last_contained,
                            const QuorumFacts& facts);
Slice snapshot_footer_batch(const SnapshotBatch& batch);

// What a control batch says; types that are not known are passed over.
struct ControlValues {
    std::vector<raft::VoterHistory::Entry> voters;
    std::vector<raft::KRaftVersionHistory::Entry> kraft_versions;
    std::optional<Timestamp> last_contained;  // of a snapshot's header
    bool footer = false;
};
// Error invalid_record for bytes that do not hold what they claim; unsupported_version for a
// kraft.version that is not known.
Result<ControlValues> read_control_batch(const BatchView& batch);

}  // namespace millrace::quorum
