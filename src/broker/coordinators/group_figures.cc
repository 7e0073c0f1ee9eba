#include "broker/coordinators/group_figures.h"

#include <algorithm>

#include "broker/coordinators/group_host.h"
#include "broker/coordinators/hosts_by_stage.h"
#include "metrics/declared.h"

namespace millrace::broker {

namespace declared = metrics::declared;

namespace {

// Of a map from ids to groups.
std::size_t in_state(const auto& groups, const auto& state) {
    return static_cast<std::size_t>(std::ranges::count_if(
        groups, [&](const auto& group) { return group.second.state() == state; }));
}

}  // namespace

GroupFigures::GroupFigures(env::Shard& shard, metrics::Registry& registry, const Hosts& hosts)
    : consumer_rebalances(shard, registry,
                          declared::group_coordinator_metrics_consumer_group_rebalance_count,
                          declared::group_coordinator_metrics_consumer_group_rebalance_rate),
      share_rebalances(shard, registry,
                       declared::group_coordinator_metrics_share_group_rebalance_count,
                       declared::group_coordinator_metrics_share_group_rebalance_rate),
      streams_rebalances(shard, registry,
                         declared::group_coordinator_metrics_streams_group_rebalance_count,
                         declared::group_coordinator_metrics_streams_group_rebalance_rate),
      classic_rebalances(shard, registry,
                         declared::group_coordinator_metrics_group_completed_rebalance_count,
                         declared::group_coordinator_metrics_group_completed_rebalance_rate),
      commits(shard, registry, declared::group_coordinator_metrics_offset_commit_count,
              declared::group_coordinator_metrics_offset_commit_rate),
      expirations(shard, registry, declared::group_coordinator_metrics_offset_expiration_count,
                  declared::group_coordinator_metrics_offset_expiration_rate),
      deletions(shard, registry, declared::group_coordinator_metrics_offset_deletion_count,
                declared::group_coordinator_metrics_offset_deletion_rate),
      loads(registry,
            {declared::group_coordinator_metrics_num_partitions,
             declared::group_coordinator_metrics_partition_load_time_avg,
             declared::group_coordinator_metrics_partition_load_time_max},
            count_by_stage(hosts)),
      hosts_(hosts) {
    count(registry, declared::group_metadata_manager_num_offsets, {},
          [](const Coordinator& host) { return host.offset_count(); });
    count_classic(registry);
    count_others(registry);
}

void GroupFigures::count(metrics::Registry& registry, const metrics::GaugeDeclaration& declaration,
                         metrics::Labels labels,
                         std::function<std::size_t(const Coordinator&)> of_host) {
    readings_.push_back(
        registry.read_gauge(declaration, std::move(labels), [this, of_host = std::move(of_host)] {
            std::size_t total = 0;
            for (const auto& [partition, host] : hosts_) total += of_host(host->coordinator());
            return static_cast<double>(total);
        }));
}

void GroupFigures::count_classic(metrics::Registry& registry) {
    auto all = [](const Coordinator& host) { return host.classic_count(); };
    count(registry, declared::group_metadata_manager_num_groups, {}, all);
    count(registry, declared::group_coordinator_metrics_group_count, {"classic"}, all);
    auto by_state = [&](const metrics::GaugeDeclaration& declaration, groups::GroupState state) {
        count(registry, declaration, {},
              [state](const Coordinator& host) { return host.classic_count(state); });
    };
    using State = groups::GroupState;
    by_state(declared::group_metadata_manager_num_groups_preparing_rebalance,
             State::preparing_rebalance);
    by_state(declared::group_metadata_manager_num_groups_completing_rebalance,
             State::completing_rebalance);
    by_state(declared::group_metadata_manager_num_groups_stable, State::stable);
    by_state(declared::group_metadata_manager_num_groups_empty, State::empty);
    by_state(declared::group_metadata_manager_num_groups_dead, State::dead);
}

void GroupFigures::count_others(metrics::Registry& registry) {
    const auto& by_protocol = declared::group_coordinator_metrics_group_count;
    count(registry, by_protocol, {"consumer"},
          [](const Coordinator& host) { return host.consumers().all().size(); });
    count(registry, by_protocol, {"share"},
          [](const Coordinator& host) { return host.shares().all().size(); });
    count(registry, by_protocol, {"streams"},
          [](const Coordinator& host) { return host.streams().all().size(); });
    for (std::string_view state :
         {"Empty", "NotReady", "Assigning", "Reconciling", "Stable", "Dead"}) {
        count(registry, declared::group_coordinator_metrics_streams_group_count,
              {std::string(state)},
              [state](const Coordinator& host) { return in_state(host.streams().all(), state); });
    }
    for (std::string_view state : {"Empty", "Stable", "Dead"}) {
        count(registry, declared::group_coordinator_metrics_share_group_count, {std::string(state)},
              [state](const Coordinator& host) { return in_state(host.shares().all(), state); });
    }
    using State = groups::ConsumerGroupState;
    for (State state :
         {State::empty, State::assigning, State::reconciling, State::stable, State::dead}) {
        count(registry, declared::group_coordinator_metrics_consumer_group_count,
              {std::string(to_string(state))},
              [state](const Coordinator& host) { return in_state(host.consumers().all(), state); });
    }
}

}  // namespace millrace::broker
