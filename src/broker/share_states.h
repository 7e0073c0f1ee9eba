#pragma once

#include <vector>

#include "broker/coordinators/coordinator_route.h"
#include "broker/coordinators/share_hosts.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {

// The way from a handler to the host of a share partition's state, by its key.
class ShareStates final : public CoordinatorRoute<ShareHosts> {
  public:
    ShareStates(PartitionRouter& router, MetadataCache& metadata, std::vector<ShareHosts*> by_shard)
        : CoordinatorRoute(metadata::share_group_state_topic, router, metadata,
                           std::move(by_shard)) {}
};

}  // namespace millrace::broker
