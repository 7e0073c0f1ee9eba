#pragma once

#include <functional>
#include <map>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/fetchers/replication_metrics.h"
#include "broker/metadata_cache.h"
#include "broker/partitions/partitions.h"
#include "protocol/alter_partition.h"

namespace millrace::broker {

// The leaders of one shard as they ask the controller for other ISRs (AlterPartition): what is
// wanted at one time goes in one request, one request at a time. Looks for followers that have
// fallen behind.
class IsrChanges final : public ReplicationHost {
  public:
    // Brings a request to the active controller.
    using Ask = std::function<Task<Result<AlterPartitionResponse>>(AlterPartitionRequest)>;
    struct Parts {
        Partitions& partitions;
        MetadataCache& metadata;
        const config::BrokerConfig& config;
        ReplicationMetrics& metrics;
        Ask ask;
    };
    IsrChanges(Parts parts, std::int32_t node_id);

    void start();
    Task<void> stop() { return scope_.close(); }

  private:
    using Batch = std::map<TopicIdPartition, replication::IsrChange>;

    const metadata::Image& image() const override { return *parts_.metadata.image(); }
    Duration max_lag() const override {
        return Duration::milliseconds(parts_.config.replica_lag_time_max_ms());
    }
    void isr_wanted(Partition& partition, replication::IsrChange change, bool retry) override;
    void isr_settled(replication::LeaderActions::Outcome outcome) override;

    Task<void> check_lags();
    Task<void> ask_for_wanted();
    Task<void> ask_for(Batch batch);
    AlterPartitionRequest request_of(const Batch& batch) const;
    void answer_all(const Batch& batch);
    void answer(const TopicIdPartition& id, const replication::ChangeAnswered& answer);

    Parts parts_;
    std::int32_t node_id_;
    Batch wanted_;
    Condition changed_;
    bool failed_ = false;  // something of the last request is to be asked again
    int failures_ = 0;     // of requests in a row
    Scope scope_;
};

}  // namespace millrace::broker
