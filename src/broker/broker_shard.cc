#include "broker/broker_shard.h"

#include "base/random.h"
#include "core/controller/alter_partition.h"

namespace millrace::broker {
namespace {

groups::GroupOptions group_options(const config::BrokerConfig& config) {
    return {
        .min_session_timeout = Duration::milliseconds(config.group_min_session_timeout_ms()),
        .max_session_timeout = Duration::milliseconds(config.group_max_session_timeout_ms()),
        .initial_rebalance_delay =
            Duration::milliseconds(config.group_initial_rebalance_delay_ms()),
        .max_size = static_cast<std::size_t>(config.group_max_size()),
        .max_offset_metadata_bytes = static_cast<std::size_t>(config.offset_metadata_max_bytes()),
        .offsets_retention =
            Duration::seconds(std::int64_t{60} * config.offsets_retention_minutes()),
        .offsets_retention_check_interval =
            Duration::milliseconds(config.offsets_retention_check_interval_ms()),
    };
}

net::SessionLimits session_limits(const config::BrokerConfig& config) {
    std::int64_t idle = config.connections_max_idle_ms();
    return {
        .max_request_bytes = static_cast<std::size_t>(config.socket_request_max_bytes()),
        .max_idle = idle < 0 ? Duration::max() : Duration::milliseconds(idle),
        .refusal_delay = Duration::milliseconds(config.connection_failed_authentication_delay_ms()),
    };
}

// queued.max.request.bytes of this shard; Kafka's default is no bound, ours is 256 MiB a node.
std::size_t queued_bytes(const config::BrokerConfig& config, int shards) {
    std::int64_t bytes = config.queued_max_request_bytes();
    return static_cast<std::size_t>(bytes < 0 ? 256LL << 20 : bytes) /
           static_cast<std::size_t>(shards);
}

}  // namespace

ShardState::ShardState(env::Shard& s, const Node& node, const config::BrokerConfig& c)
    : shard(s),
      config(c),
      metrics(s.now()),
      partitions(s, node.id, metrics),
      upkeep(s, partitions, config),
      groups(s, group_options(c), metrics) {
    partitions.listen(groups);
}

ShardFront::ShardFront(ShardState& state, const Shared& shared)
    : router(state.shard, shared.partitions),
      fetch_sessions(
          state.shard.random().fork(), state.shard.id(),
          static_cast<std::size_t>(state.config.max_incremental_fetch_session_cache_slots()),
          Duration::seconds(120)),
      groups(router, state.metadata, shared.groups),
      controllers(state.shard, shared.quorum, shared.channel, state.metadata, state.config),
      producer_ids(controllers, state.metadata, shared.node.id),
      replication_metrics(state.metrics),
      isr_changes({state.partitions, state.metadata, state.config, replication_metrics,
                   [this](AlterPartitionRequest request) {
                       return controllers.submit(controller::AlterPartition{std::move(request)});
                   }},
                  shared.node.id),
      fetchers({state.shard, shared.node, state.metadata, state.config, replication_metrics},
               state.metrics),
      quorum_member(state.shard, shared.quorum),
      services{state.shard,
               shared.node,
               state.config,
               state.metadata,
               fetch_sessions,
               router,
               groups,
               controllers,
               producer_ids,
               quorum_member,
               shared.directories,
               shared.moves,
               state.tls_profiles},
      dispatcher(services),
      server(state.shard, dispatcher, session_limits(state.config),
             queued_bytes(state.config, router.shards()), shared.connections, state.metrics) {
    state.partitions.listen(fetchers);
    if (!shared.remote) return;
    remote.emplace(*shared.remote, RemoteStorage::Ways{state.partitions, router, state.metadata,
                                                       controllers, state.config, state.metrics});
    state.partitions.listen(*remote);
}

}  // namespace millrace::broker
