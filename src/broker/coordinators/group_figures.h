#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "broker/coordinators/coordinator_figures.h"
#include "core/groups/group_coordinator.h"

namespace millrace::broker {

class GroupHost;

// The figures of the groups of one shard, under Kafka's names: group-coordinator-metrics, and
// GroupMetadataManager for classic groups.
class GroupFigures {
  public:
    using Hosts = std::map<std::int32_t, std::shared_ptr<GroupHost>>;
    // `hosts` are those of the shard, whenever they are looked at.
    GroupFigures(env::Shard& shard, metrics::Registry& registry, const Hosts& hosts);

    CountAndRate consumer_rebalances;
    CountAndRate share_rebalances;
    CountAndRate streams_rebalances;
    CountAndRate classic_rebalances;  // that are completed
    CountAndRate commits;             // of offsets, one by one
    CountAndRate expirations;
    CountAndRate deletions;  // by an administrator
    LoadFigures loads;

  private:
    using Coordinator = groups::GroupCoordinator;
    void count(metrics::Registry& registry, const metrics::GaugeDeclaration& declaration,
               metrics::Labels labels, std::function<std::size_t(const Coordinator&)> of_host);
    void count_classic(metrics::Registry& registry);
    void count_others(metrics::Registry& registry);

    const Hosts& hosts_;
    std::vector<metrics::Registry::Reading> readings_;
};

}  // namespace millrace::broker
