#pragma once

#include <map>
#include <memory>
#include <set>

#include "broker/coordinators/group_host.h"
#include "broker/partitions/partitions.h"

namespace millrace::broker {

// The group hosts of one shard: one for each partition of __consumer_offsets that is led here.
class GroupHosts final : public LeadershipListener {
  public:
    GroupHosts(env::Shard& shard, groups::GroupOptions options, metrics::Registry& registry);

    void elected(const std::shared_ptr<Partition>& partition) override;
    void resigned(const Partition& partition) override;
    Task<void> close();

    // Null when this shard does not lead the partition.
    std::shared_ptr<GroupHost> find(std::int32_t partition) const;
    const std::map<std::int32_t, std::shared_ptr<GroupHost>>& all() const { return hosts_; }
    // Offsets of topics that were deleted go, too.
    Task<void> forget_topics(const std::set<std::string>& topics);

  private:
    env::Shard& shard_;
    groups::GroupOptions options_;
    std::map<std::int32_t, std::shared_ptr<GroupHost>> hosts_;
    metrics::Registry::Reading group_count_;
    Scope scope_;
};

}  // namespace millrace::broker
