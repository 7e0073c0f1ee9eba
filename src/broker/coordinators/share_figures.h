#pragma once

#include <map>
#include <memory>
#include <vector>

#include "broker/coordinators/coordinator_figures.h"

namespace millrace::broker {

class ShareHost;

// The figures of the share coordinators of one shard, under Kafka's names:
// share-coordinator-metrics.
class ShareFigures {
  public:
    using Hosts = std::map<std::int32_t, std::shared_ptr<ShareHost>>;
    // `hosts` are those of the shard, whenever they are looked at.
    ShareFigures(env::Shard& shard, metrics::Registry& registry, const Hosts& hosts);

    void written(Duration took, Time now) {
        latency_.add(static_cast<double>(took.ns()) / 1e6, now);
    }
    // A partition of the topic begins there now.
    void pruned(const Partition::Identity& partition, std::int64_t offset);

    CountAndRate writes;
    LoadFigures loads;

  private:
    metrics::Registry& registry_;
    RecentSamples latency_;
    std::vector<metrics::Registry::Reading> readings_;
};

}  // namespace millrace::broker
