#pragma once

#include <optional>
#include <vector>

#include "storage/leader_epochs.h"
#include "storage/remote/remote_log_segments.h"

namespace millrace::storage::remote {

// Which remote segments belong to a log's history, by leader epochs: an unclean election may leave
// others behind, which are neither read nor counted.

// Epochs without those that have no records: another begins at the same offset.
std::vector<EpochStart> with_records(const std::vector<EpochStart>& epochs);

// Whether a segment's records are those of a log with these epochs (with_records) and this end.
// What the segment holds below the log's first epoch does not matter.
bool within_lineage(const RemoteLogSegmentMetadata& metadata, Offset log_end,
                    const std::vector<EpochStart>& log_epochs);

// The highest offset that is copied of the log with these epochs; no_offset when nothing is.
Offset highest_copied_offset(const RemoteLogSegments& segments, const LeaderEpochs& epochs,
                             Offset log_end);

// How far the records from `from` on are readable in remote storage, without a gap: the first
// offset that is not.
Offset readable_until(const RemoteLogSegments& segments, const LeaderEpochs& epochs, Offset from,
                      Offset log_end);

// Where the log begins according to remote storage; nothing when no segment of its epochs is there.
std::optional<Offset> remote_log_start(const RemoteLogSegments& segments,
                                       const LeaderEpochs& epochs);

// The segment that holds `offset` of the log with these epochs, when it is copied.
const RemoteLogSegmentMetadata* segment_of(const RemoteLogSegments& segments,
                                           const LeaderEpochs& epochs, Offset offset);
// The first one that has aborted transactions, from the one that holds `offset` on.
const RemoteLogSegmentMetadata* segment_with_transactions(const RemoteLogSegments& segments,
                                                          const LeaderEpochs& epochs,
                                                          Offset offset);

// The epochs of a log that knows only those of its records from `local_start` on, as far as
// segments tell of the rest: back from there, one before the other. Where several end at the same
// place, that of the later leader belongs to the log.
LeaderEpochs epochs_told(const RemoteLogSegments& segments, const LeaderEpochs& epochs,
                         Offset local_start);

// What of the epochs lies in [start, end): the first one moved up to `start` when it begins
// earlier.
LeaderEpochs epochs_between(const LeaderEpochs& epochs, Offset start, Offset end);

}  // namespace millrace::storage::remote
