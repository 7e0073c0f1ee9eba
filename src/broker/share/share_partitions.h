#pragma once

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/scope.h"
#include "broker/partitions/partitions.h"
#include "broker/share/led_share.h"
#include "broker/share/share_metrics.h"

namespace millrace::broker {

// What share groups hold of the partitions that one shard leads: loaded when a member first reads,
// let go when the last one's session is over or the partition is led elsewhere.
class SharePartitions final : public LeadershipListener {
  public:
    SharePartitions(env::Shard& shard, metrics::Registry& registry)
        : shard_(shard), metrics_(registry), scope_(shard) {}

    struct Ways {
        SharePersister& persister;
        const MetadataCache& metadata;
        const config::BrokerConfig& config;
    };
    // Before the first request.
    void use(const Ways& ways) { ways_.emplace(ways); }

    void elected(const std::shared_ptr<Partition>&) override {}
    void resigned(const Partition& partition) override;
    // Loads what is not known yet. An error where the partition is not led here.
    std::expected<std::shared_ptr<LedShare>, ErrorCode> open(const Partitions& partitions,
                                                             const std::string& group_id,
                                                             const TopicIdPartition& id);
    // Null when it is not known, or is over.
    std::shared_ptr<LedShare> find(const std::string& group_id, const TopicIdPartition& id) const;
    Task<void> close();
    ShareMetrics& metrics() { return metrics_; }

  private:
    using Key = std::pair<TopicIdPartition, std::string>;

    env::Shard& shard_;
    ShareMetrics metrics_;
    std::optional<Ways> ways_;
    std::map<Key, std::shared_ptr<LedShare>> shares_;
    Scope scope_;
};

}  // namespace millrace::broker
