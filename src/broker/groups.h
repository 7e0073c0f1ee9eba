#pragma once

#include <vector>

#include "broker/coordinators/coordinator_route.h"
#include "broker/coordinators/group_hosts.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {

// The way from a handler to the host of a group, by its id.
class Groups final : public CoordinatorRoute<GroupHosts> {
  public:
    Groups(PartitionRouter& router, MetadataCache& metadata, std::vector<GroupHosts*> by_shard)
        : CoordinatorRoute(metadata::consumer_offsets_topic, router, metadata,
                           std::move(by_shard)) {}
};

}  // namespace millrace::broker
