#include "broker/broker_shard.h"

#include "base/random.h"
#include "config/group_config.h"
#include "config/text.h"
#include "core/controller/alter_partition.h"

namespace millrace::broker {
namespace {

// Kafka takes an assignor's class for its name.
std::vector<std::string> assignor_names(const std::vector<std::string>& assignors) {
    std::vector<std::string> names;
    for (const std::string& each : assignors) {
        bool is_class = each.find('.') != std::string::npos;
        names.push_back(!is_class ? each : each.ends_with("RangeAssignor") ? "range" : "uniform");
    }
    return names;
}

groups::MigrationPolicy migration_policy(const std::string& policy) {
    std::string name = config::lower_case(policy);
    if (name == "disabled") return groups::MigrationPolicy::disabled;
    if (name == "upgrade") return groups::MigrationPolicy::upgrade;
    if (name == "downgrade") return groups::MigrationPolicy::downgrade;
    return groups::MigrationPolicy::bidirectional;
}

// What a group's own configs say, or else the broker's. `config` is read for as long as the groups
// live: some of its values change.
template <auto session, auto heartbeat, auto assignment>
auto times_of(const config::BrokerConfig& config) {
    return [&config](const metadata::Image& image, const std::string& group) {
        auto own = config::GroupConfig::effective(
            config, image.configs_of(config::ResourceType::group, group));
        return groups::GroupTimes{Duration::milliseconds((own.*session)()),
                                  Duration::milliseconds((own.*heartbeat)()),
                                  Duration::milliseconds((own.*assignment)())};
    };
}

groups::ConsumerGroupOptions consumer_group_options(const config::BrokerConfig& config) {
    using Own = config::GroupSettings;
    return {
        .assignors = assignor_names(config.group_consumer_assignors()),
        .max_size = static_cast<std::size_t>(config.group_consumer_max_size()),
        .migration = migration_policy(config.group_consumer_migration_policy()),
        .regex_refresh_interval =
            Duration::milliseconds(config.group_consumer_regex_refresh_interval_ms()),
        .times = times_of<&Own::consumer_session_timeout_ms, &Own::consumer_heartbeat_interval_ms,
                          &Own::consumer_assignment_interval_ms>(config),
    };
}

groups::ShareGroupOptions share_group_options(const config::BrokerConfig& config) {
    using Own = config::GroupSettings;
    return {
        .max_size = static_cast<std::size_t>(config.group_share_max_size()),
        .initialize_retry_interval =
            Duration::milliseconds(config.group_share_initialize_retry_interval_ms()),
        .times = times_of<&Own::share_session_timeout_ms, &Own::share_heartbeat_interval_ms,
                          &Own::share_assignment_interval_ms>(config),
    };
}

groups::StreamsGroupOptions streams_group_options(const config::BrokerConfig& config) {
    return {
        .max_size = static_cast<std::size_t>(config.group_streams_max_size()),
        .settings =
            [&config](const metadata::Image& image, const std::string& group) {
                auto own = config::GroupConfig::effective(
                    config, image.configs_of(config::ResourceType::group, group));
                return groups::StreamsSettings{
                    .times = {Duration::milliseconds(own.streams_session_timeout_ms()),
                              Duration::milliseconds(own.streams_heartbeat_interval_ms()),
                              Duration::milliseconds(own.streams_assignment_interval_ms())},
                    .initial_rebalance_delay =
                        Duration::milliseconds(own.streams_initial_rebalance_delay_ms()),
                    .num_standby_replicas = own.streams_num_standby_replicas()};
            },
    };
}

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
        .consumer = consumer_group_options(config),
        .share = share_group_options(config),
        .streams = streams_group_options(config),
    };
}

GroupHostOptions group_host_options(const config::BrokerConfig& config) {
    return {
        .groups = group_options(config),
        .log = {.load_bytes = static_cast<std::uint64_t>(config.offsets_load_buffer_size()),
                .base_sequence = 0,
                .codec =
                    codec_of_id(config.offsets_topic_compression_codec()).value_or(Codec::none),
                .linger = Duration::milliseconds(config.group_coordinator_append_linger_ms()),
                .patience = Duration::milliseconds(config.offsets_commit_timeout_ms())},
    };
}

transactions::TransactionOptions transaction_options(const config::BrokerConfig& config) {
    return {.max_timeout_ms = config.transaction_max_timeout_ms(),
            .expiration_ms = config.transactional_id_expiration_ms(),
            .two_phase_commit = config.transaction_two_phase_commit_enable()};
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
      client_rates(s, c, metrics),
      partitions(s, node.id, metrics),
      upkeep(s, partitions, config),
      groups(s, group_host_options(config), metrics),
      transactions(s, transaction_options(c)),
      share_states(s, config, metrics),
      share_partitions(s, metrics) {
    partitions.listen(groups);
    partitions.listen(transactions);
    partitions.listen(share_states);
    partitions.listen(share_partitions);
}

ShardFront::ShardFront(ShardState& state, const Shared& shared)
    : router(state.shard, shared.partitions),
      fetch_sessions(
          state.shard.random().fork(), state.shard.id(),
          static_cast<std::size_t>(state.config.max_incremental_fetch_session_cache_slots()),
          Duration::seconds(120)),
      groups(router, state.metadata, shared.groups),
      transactions(router, state.metadata, shared.transactions),
      controllers(state.shard, shared.quorum, shared.channel, state.metadata, state.config),
      producer_ids(controllers, state.metadata, shared.node.id),
      share_states(router, state.metadata, shared.share_states),
      share_persister(state.shard, shared.node, {share_states, router, state.metadata, controllers},
                      state.config),
      share_leaders(router, shared.share_partitions),
      share_sessions(state.shard, share_leaders,
                     {shared.share_sessions,
                      static_cast<std::size_t>(state.config.group_share_max_share_sessions())},
                     state.share_partitions.metrics()),
      streams_topics(state.shard, controllers),
      joins(state.shard, shared.node, transactions, state.metadata, state.config, state.metrics),
      markers({state.shard, shared.node, router, groups, state.metadata, state.config},
              state.metrics),
      replication_metrics(state.metrics),
      isr_changes({state.partitions, state.metadata, state.config, replication_metrics,
                   [this](AlterPartitionRequest request) {
                       return controllers.submit(controller::AlterPartition{std::move(request)});
                   }},
                  shared.node.id),
      fetchers({state.shard, shared.node, state.metadata, state.config, replication_metrics,
                shared.replication_quotas.follower},
               state.metrics),
      quorum_member(state.shard, shared.quorum),
      failure_detector(state.shard, shared.quorum, state.metadata, state.config),
      client_quotas(state.shard, state.metadata, client_window(state.config), shared.client_rates),
      services{state.shard,
               shared.node,
               state.config,
               state.metadata,
               fetch_sessions,
               router,
               groups,
               transactions,
               share_states,
               share_persister,
               share_leaders,
               share_sessions,
               streams_topics,
               controllers,
               producer_ids,
               quorum_member,
               failure_detector,
               shared.directories,
               shared.moves,
               shared.replication_quotas,
               state.tls_profiles,
               client_quotas},
      dispatcher(services, shared.clock),
      server(state.shard, dispatcher, session_limits(state.config),
             queued_bytes(state.config, router.shards()), shared.connections, state.metrics) {
    state.partitions.verify_with(joins);
    state.groups.verify_with(joins);
    state.groups.persist_with(share_persister);
    state.share_partitions.use({share_persister, state.metadata, state.config});
    state.transactions.use({producer_ids, markers, state.metadata, state.config});
    state.partitions.listen(fetchers);
    if (!shared.remote) return;
    remote.emplace(*shared.remote, RemoteStorage::Ways{state.partitions, router, state.metadata,
                                                       controllers, state.config, state.metrics});
    state.partitions.listen(*remote);
}

}  // namespace millrace::broker
