#pragma once

#include <map>

#include "broker/metadata_cache.h"
#include "broker/remote/segment_work.h"

namespace millrace::broker {

// Remote segments of topics that are gone, or that are no longer tiered, and whose removal an
// earlier leader did not get to the end of. Who leads a partition of __remote_log_metadata looks
// for those that it tells of, once.
class LeftoverSegments {
  public:
    LeftoverSegments(RemoteServices& services, MetadataCache& metadata)
        : services_(services), metadata_(metadata) {}

    // For a partition of the topic that this shard leads.
    Task<void> sweep(std::int32_t index);

  private:
    using Segments = std::map<TopicIdPartition, std::shared_ptr<FollowedSegments>>;
    Task<Result<Segments>> find(std::int32_t index);
    bool is_wanted(const storage::remote::RemotePartition& partition) const;
    Task<void> remove(FollowedSegments& left);

    RemoteServices& services_;
    MetadataCache& metadata_;
};

}  // namespace millrace::broker
