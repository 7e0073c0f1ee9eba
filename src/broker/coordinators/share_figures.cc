#include "broker/coordinators/share_figures.h"

#include "broker/coordinators/hosts_by_stage.h"
#include "broker/coordinators/share_host.h"
#include "metrics/declared.h"

namespace millrace::broker {

namespace declared = metrics::declared;

ShareFigures::ShareFigures(env::Shard& shard, metrics::Registry& registry, const Hosts& hosts)
    : writes(shard, registry, declared::share_coordinator_metrics_write_total,
             declared::share_coordinator_metrics_write_rate),
      loads(registry,
            {declared::share_coordinator_metrics_num_partitions,
             declared::share_coordinator_metrics_partition_load_time_avg,
             declared::share_coordinator_metrics_partition_load_time_max},
            count_by_stage(hosts)),
      registry_(registry) {
    readings_.push_back(
        registry.read_average(declared::share_coordinator_metrics_write_latency_avg, {}, latency_));
    readings_.push_back(
        registry.read_maximum(declared::share_coordinator_metrics_write_latency_max, {}, latency_));
}

void ShareFigures::pruned(const Partition::Identity& partition, std::int64_t offset) {
    registry_
        .gauge(declared::share_coordinator_metrics_last_pruned_offset,
               {partition.topic, std::to_string(partition.index)})
        .set(static_cast<double>(offset));
}

}  // namespace millrace::broker
