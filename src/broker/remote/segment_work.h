#pragma once

#include <set>
#include <vector>

#include "broker/partitions/partition.h"
#include "broker/remote/metadata_log.h"
#include "broker/remote/remote_metrics.h"
#include "broker/remote/remote_services.h"

namespace millrace::broker {

// One partition, as work on its remote segments needs it.
struct RemoteWork {
    RemoteServices& services;
    FollowedSegments& followed;
    RemoteTopicMetrics& metrics;
};

// Copies one complete segment under an id of its own, which is in `being_copied` meanwhile. Ends
// when __remote_log_metadata says that it is finished. What a failure leaves is removed, now or as
// an abandoned copy later.
Task<Result<>> copy_to_remote(RemoteWork work, storage::Log& log, storage::CompleteSegment segment,
                              std::set<Uuid>& being_copied);

// Removes segments and says so in __remote_log_metadata, before and after. Goes on behind a
// failure, and returns the first.
Task<Result<>> remove_from_remote(RemoteWork work,
                                  std::vector<storage::remote::RemoteLogSegmentMetadata> segments);

}  // namespace millrace::broker
