#include "broker/broker.h"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>

#include "broker/log.h"
#include "net/excess_connections.h"

namespace millrace::broker {
namespace {

net::ConnectionCounts::Limits connection_limits(const config::BrokerConfig& config) {
    net::ConnectionCounts::Limits limits{
        .total = static_cast<std::size_t>(config.max_connections()),
        .per_ip = static_cast<std::size_t>(config.max_connections_per_ip()),
    };
    if (config.broker_endpoints().size() > 1) limits.of_brokers = config.inter_broker_listener();
    for (const auto* endpoints : {&config.broker_endpoints(), &config.controller_endpoints()}) {
        for (const config::Endpoint& each : *endpoints) {
            auto text = config.listener_text(each.listener, "max.connections");
            std::size_t count = 0;
            if (!text) continue;
            std::from_chars(text->data(), text->data() + text->size(), count);
            limits.per_listener.insert_or_assign(each.listener, count);
        }
    }
    std::string_view rest = config.max_connections_per_ip_overrides();  // ADDRESS:COUNT,…
    while (!rest.empty()) {
        std::string_view entry = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
        std::size_t colon = entry.rfind(':');
        std::size_t count = 0;
        if (colon == std::string_view::npos) continue;
        std::from_chars(entry.data() + colon + 1, entry.data() + entry.size(), count);
        limits.per_ip_overrides.insert_or_assign(std::string(entry.substr(0, colon)), count);
    }
    return limits;
}

env::SocketBuffers socket_buffers(const config::BrokerConfig& config) {
    auto size = [](std::int32_t bytes) {
        return bytes < 0 ? std::optional<int>() : std::optional<int>(bytes);
    };
    env::SocketBuffers buffers{.send = size(config.socket_send_buffer_bytes())};
    // Kafka's default of 100 KiB makes large produces cost twice what they do without it.
    if (config.file_values().contains("socket.receive.buffer.bytes")) {
        buffers.receive = size(config.socket_receive_buffer_bytes());
    }
    return buffers;
}

}  // namespace

Broker::Broker(env::Shard& shard, Node node, config::BrokerConfig config, Parts parts,
               std::function<void(Error)> end_node)
    : shard_(shard),
      node_(std::move(node)),
      config_(std::move(config)),
      directories_(parts.directories),
      quorum_(parts.quorum),
      end_node_(std::move(end_node)),
      store_(parts.store),
      replication_quotas_(config_),
      remote_quotas_(config_),
      clock_(std::move(parts.clock)),
      resolve_(std::move(parts.resolve)),
      connections_(connection_limits(config_),
                   [this](const net::ListenerInfo& listener, const std::string& host) {
                       return connection_rates_->admit(listener, host, shard_.now());
                   }),
      channel_(shard, parts.quorum, config_),
      scope_(shard) {}

Broker::~Broker() = default;

template <typename Function>
Task<void> Broker::on_all(Function function) {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (int id = 0; id < shard_.shards().count(); ++id) {
            // Stopping goes through on shards whose guests are cancelled already, too.
            auto shielded = [&function](env::Shard& there) -> Task<void> {
                Cancellation shield(there);
                co_await function(there).under(shield);
            };
            scope.spawn(env::call_on(shard_, id, shielded));
        }
        co_await scope.join();
    });
}

// Starting -------------------------------------------------------------------------------------

Task<void> Broker::make_shards() {
    auto count = static_cast<std::size_t>(shard_.shards().count());
    states_.resize(count);
    fronts_.resize(count);
    co_await on_all([this](env::Shard& there) -> Task<void> {
        states_[static_cast<std::size_t>(there.id())] =
            std::make_unique<ShardState>(there, node_, config_);
        co_return;
    });
    connection_rates_ = std::make_unique<ConnectionRates>(
        shard_, states_[0]->metadata, states_[0]->config, states_[0]->metrics, resolve_);
    connection_rates_->start();
    moves_ = std::make_unique<ReplicaMoves>(shard_, directories_, states_[0]->config);
    if (store_ != nullptr) remote_indexes_.emplace(shard_, *store_, states_[0]->config);
    ShardFront::Shared shared{node_,   directories_, *moves_,      replication_quotas_,
                              quorum_, channel_,     connections_, share_sessions_,
                              {},      {},           {},           {},
                              clock_,  {},           {},           {}};
    if (store_ != nullptr) {
        shared.remote.emplace(node_.id, *store_, *remote_indexes_, remote_quotas_);
    }
    for (auto& state : states_) {
        shared.partitions.push_back(&state->partitions);
        shared.groups.push_back(&state->groups);
        shared.transactions.push_back(&state->transactions);
        shared.client_rates.push_back(&state->client_rates);
        shared.share_states.push_back(&state->share_states);
        shared.share_partitions.push_back(&state->share_partitions);
    }
    co_await on_all([this, &shared](env::Shard& there) -> Task<void> {
        auto id = static_cast<std::size_t>(there.id());
        fronts_[id] = std::make_unique<ShardFront>(*states_[id], shared);
        co_return;
    });
}

void Broker::make_parts() {
    logs_ = std::make_unique<NodeLogs>(front().router, states_[0]->metrics);
    checkpoints_ = std::make_unique<Checkpoints>(front().router, directories_, config_);
    cleaner_ = std::make_unique<LogCleaner>(front().router, *checkpoints_, states_[0]->config,
                                            states_[0]->metrics);
    lifecycle_ = std::make_unique<Lifecycle>(shard_, front().controllers, states_[0]->metadata,
                                             node_, states_[0]->config, directories_);
    failures_ = std::make_unique<DirectoryFailures>(front().router, directories_, *lifecycle_,
                                                    config_, end_node_);
    assignments_ = std::make_unique<Assignments>(shard_, front().controllers, states_[0]->metadata,
                                                 node_.id, states_[0]->metrics);
    cluster_metrics_ = std::make_unique<ClusterMetrics>(shard_, states_[0]->metrics,
                                                        states_[0]->metadata, quorum_, config_);
    directory_metrics_ = std::make_unique<LogDirectoryMetrics>(states_[0]->metrics, directories_,
                                                               states_[0]->config);
    std::vector<ShardFollower> followers;
    for (auto& state : states_) {
        followers.push_back({&state->partitions, &state->metadata, &state->groups,
                             &state->share_states, &state->config});
    }
    publisher_ = std::make_unique<MetadataPublisher>(front().router, directories_, config_,
                                                     node_.id, std::move(followers), *logs_);
}

// Controllers are listened for first: without them there may be no leader, and no metadata.
Task<Result<>> Broker::start() {
    CO_RETURN_IF_ERROR(channel_.start());
    co_await make_shards();
    make_parts();
    std::vector<net::Server*> servers;
    for (auto& each : fronts_) servers.push_back(&each->server);
    scope_.spawn(net::close_excess_connections(shard_, connections_, std::move(servers)));
    CO_RETURN_IF_ERROR(co_await start_tls());
    CO_RETURN_IF_ERROR(co_await listen(config_.controller_endpoints(), true));
    front().failure_detector.start();
    if (config_.is_broker()) co_return co_await start_broker();
    co_await publisher_->start_without_partitions(co_await quorum_.caught_up());
    scope_.spawn(follow_metadata());
    scope_.spawn(register_controller());
    co_return Result<>{};
}

Task<Result<>> Broker::start_broker() {
    failures_->start();
    if (remote_indexes_) CO_RETURN_IF_ERROR(co_await remote_indexes_->start());
    CO_RETURN_IF_ERROR(co_await open_partitions());
    co_await moves_->start({.router = front().router,
                            .metadata = states_[0]->metadata,
                            .publisher = *publisher_,
                            .assignments = *assignments_,
                            .checkpoints = *checkpoints_});
    assign_directories();
    CO_RETURN_IF_ERROR(co_await tls_->start(Listeners::all));
    scope_.spawn(follow_metadata());
    CO_RETURN_IF_ERROR(co_await listen(config_.broker_endpoints(), false));
    co_await begin_replication();
    if (config_.is_controller()) scope_.spawn(register_controller());
    CO_RETURN_IF_ERROR(co_await lifecycle_->start(told(config_.advertised_broker_endpoints())));
    CO_RETURN_IF_ERROR(begin_remote_storage());
    checkpoints_->start();
    assignments_->start();
    cleaner_->start();
    co_await begin_upkeep();
    co_return Result<>{};
}

// Until it is known where this node's controller is heard; nothing waits for that.
Task<void> Broker::register_controller() {
    std::vector<config::Endpoint> advertised = told(config_.advertised_controller_endpoints());
    for (std::string told;;) {
        Result<> registered = co_await lifecycle_->register_controller(advertised);
        if (registered) co_return;
        if (std::exchange(told, registered.error().message) != registered.error().message)
            LOG_WARN("{}; trying again", registered.error().message);
        co_await env::sleep_for(shard_, Duration::seconds(1));
    }
}

// Partitions are read from remote storage already; what they need is made now that the controller
// knows this node.
Result<> Broker::begin_remote_storage() {
    if (store_ == nullptr) return {};
    ASSIGN_OR_RETURN(auto topic, RemoteLogMetadataTopic::parse(config_));
    front().remote->create_topic(topic);
    return {};
}

Task<Result<>> Broker::open_partitions() {
    // Else a topic of the same name would be taken to begin where the deleted one did.
    publisher_->after_removals([this]() -> Task<void> {
        (void)co_await checkpoints_->write(storage::CheckpointKind::log_start);
        (void)co_await checkpoints_->write(storage::CheckpointKind::recovery_point);
    });
    metadata::ImagePtr image = co_await quorum_.caught_up();
    logs_opened_ = true;
    CO_RETURN_IF_ERROR(co_await publisher_->start(std::move(image)));
    if (directories_.offline_count() < config_.log_directories().size()) co_return Result<>{};
    co_return fail(ErrorCode::kafka_storage_error,
                   fmt::format("none of log.dirs can be used: {}",
                               directories_.all().back()->health().failure()->message));
}

Task<void> Broker::follow_metadata() {
    cluster_metrics_->follow();
    for (;;) {
        metadata::ImagePtr image = co_await quorum_.image_after(publisher_->published_offset());
        co_await publisher_->publish(std::move(image));
        cluster_metrics_->follow();
        connections_.limit(connection_limits(states_[0]->config));
        co_await tls_->reconfigure();
        if (!config_.is_broker()) continue;
        lifecycle_->tell_cordons();
        assign_directories();
    }
}

void Broker::assign_directories() {
    metadata::ImagePtr image = states_[0]->metadata.image();
    const auto& version = image->features.metadata_version;
    auto changed = publisher_->take_changed();
    if (!version || !version->supports_directories()) return;
    for (const auto& id : changed) {
        const storage::LogDirectory* lies_in = publisher_->placement(id);
        const metadata::Partition* state = image->topics.find(id.topic_id, id.partition);
        if (lies_in == nullptr || state == nullptr) continue;
        const Uuid& directory = *lies_in->meta()->directory_id;
        Uuid assigned = state->directory_of(node_.id);
        if (assigned == directory || moves_->is_moving_to(id, assigned)) continue;
        assignments_->assign(id, directory);
    }
}

Task<void> Broker::begin_upkeep() {
    return on_all([this](env::Shard& there) -> Task<void> {
        auto save_log_starts = [this, &there] {
            return env::call_on(there, shard_.id(), [this](env::Shard&) {
                return checkpoints_->write(storage::CheckpointKind::log_start);
            });
        };
        states_[static_cast<std::size_t>(there.id())]->upkeep.start(save_log_starts);
        co_return;
    });
}

Task<void> Broker::begin_replication() {
    return on_all([this](env::Shard& there) -> Task<void> {
        ShardFront& front = *fronts_[static_cast<std::size_t>(there.id())];
        front.isr_changes.start();
        front.fetchers.start([this, &there] {
            return env::call_on(there, shard_.id(), [this](env::Shard&) {
                return checkpoints_->write(storage::CheckpointKind::recovery_point);
            });
        });
        co_return;
    });
}

Task<Result<>> Broker::listen(const std::vector<config::Endpoint>& endpoints,
                              bool for_controllers) {
    const auto& advertised = for_controllers ? config_.advertised_controller_endpoints()
                                             : config_.advertised_broker_endpoints();
    for (const config::Endpoint& bind : endpoints) {
        auto info = std::make_unique<net::ListenerInfo>();
        info->name = bind.listener;
        info->bind = {bind.host, bind.port};
        info->buffers = socket_buffers(config_);
        info->is_controller = for_controllers;
        info->tls = config::uses_tls(bind.protocol);
        for (const config::Endpoint& each : advertised) {
            if (each.listener == bind.listener) info->advertised = {each.host, each.port};
        }
        listeners_.push_back(std::move(info));
        CO_RETURN_IF_ERROR(co_await listen_on(*listeners_.back()));
    }
    co_return Result<>{};
}

Task<Result<>> Broker::start_tls() {
    auto publish = [this](const net::TlsProfiles& profiles) {
        return on_all([this, &profiles](env::Shard& there) -> Task<void> {
            states_[static_cast<std::size_t>(there.id())]->tls_profiles = profiles;
            co_return;
        });
    };
    tls_ = std::make_unique<TlsListeners>(shard_, states_[0]->config, std::move(publish));
    return tls_->start(Listeners::of_controllers);
}

// Shard by shard: the first one finds out the port, where the OS chooses it.
Task<Result<>> Broker::listen_on(net::ListenerInfo& info) {
    for (int id = 0; id < shard_.shards().count(); ++id) {
        Result<> listening = co_await env::call_on(shard_, id, [&](env::Shard&) -> Task<Result<>> {
            auto shard = static_cast<std::size_t>(id);
            co_return fronts_[shard]->server.listen(info, &states_[shard]->tls_profiles);
        });
        if (!listening) {
            co_return fail(listening.error().code,
                           fmt::format("cannot listen on {}://{}: {}", info.name,
                                       info.bind.to_string(), listening.error().message));
        }
    }
    LOG_INFO("listening on {}://{}", info.name, info.bind.to_string());
    co_return Result<>{};
}

std::vector<config::Endpoint> Broker::told(std::vector<config::Endpoint> endpoints) const {
    for (config::Endpoint& endpoint : endpoints) {
        if (endpoint.host.empty()) endpoint.host = shard_.network().host_name();
        for (const auto& info : listeners_) {
            if (info->name == endpoint.listener) endpoint.port = info->advertised.port;
        }
    }
    return endpoints;
}

Task<metrics::Snapshot> Broker::metrics() {
    metrics::Snapshot all;
    if (!logs_) co_return all;
    for (int id = 0; id < shard_.shards().count(); ++id) {
        ShardState& state = *states_[static_cast<std::size_t>(id)];
        metrics::Snapshot one =
            co_await env::call_on(shard_, id, [&](env::Shard& there) -> Task<metrics::Snapshot> {
                co_return state.metrics.snapshot(there.now());
            });
        all.merge(one);
    }
    co_return all;
}

// Stopping -------------------------------------------------------------------------------------

Task<Result<>> Broker::stop(bool hand_over) {
    const Duration patience = Duration::seconds(hand_over ? 30 : 1);
    if (states_.empty() || !lifecycle_) {
        co_await channel_.stop();
        co_return Result<>{};
    }
    if (hand_over) co_await lifecycle_->shut_down(shard_.now() + patience);
    co_await on_all([this, patience](env::Shard& there) -> Task<void> {
        auto& front = *fronts_[static_cast<std::size_t>(there.id())];
        co_await front.failure_detector.stop();
        co_await front.server.stop(there.now() + patience);
        co_await front.fetchers.stop();
        co_await front.isr_changes.stop();
        co_await front.controllers.close();
    });
    co_await lifecycle_->stop();
    co_await connection_rates_->stop();
    co_await cleaner_->stop();
    co_await on_all([this](env::Shard& there) {
        return states_[static_cast<std::size_t>(there.id())]->upkeep.stop();
    });
    co_await moves_->stop();
    co_await checkpoints_->stop();
    co_await assignments_->stop();
    if (tls_) co_await tls_->stop();
    co_await scope_.close();
    co_await channel_.stop();
    if (store_ != nullptr) store_->stop();
    co_await on_all([this](env::Shard& there) -> Task<void> {
        auto& remote = fronts_[static_cast<std::size_t>(there.id())]->remote;
        if (remote) co_await remote->close();
    });
    if (remote_indexes_) co_await remote_indexes_->stop();
    co_await on_all([this](env::Shard& there) -> Task<void> {
        ShardState& state = *states_[static_cast<std::size_t>(there.id())];
        ShardFront& front = *fronts_[static_cast<std::size_t>(there.id())];
        co_await front.share_sessions.stop();
        co_await state.share_partitions.close();
        co_await state.transactions.close();
        co_await front.markers.stop();
        co_await front.joins.stop();
        co_await state.groups.close();
        co_await state.share_states.close();
        co_await front.share_persister.stop();
        co_await state.partitions.stop();
    });
    Result<> closed = logs_opened_ ? co_await close_logs() : Result<>{};
    co_await failures_->stop();
    co_await destroy_shards();
    co_return closed;
}

Task<Result<>> Broker::close_logs() {
    Result<> closed = co_await logs_->close(states_[0]->config);
    Result<> written = co_await checkpoints_->write_all();
    for (const auto& directory : directories_.all()) {
        if (directory->health().failed()) continue;
        Result<> marked = directory->mark_clean_shutdown(lifecycle_->epoch());
        if (!marked) LOG_ERROR("{}", marked.error().message);
    }
    co_return closed ? written : closed;
}

Task<void> Broker::destroy_shards() {
    directory_metrics_.reset();
    cluster_metrics_.reset();
    publisher_.reset();
    logs_.reset();
    cleaner_.reset();
    checkpoints_.reset();
    assignments_.reset();
    failures_.reset();
    lifecycle_.reset();
    co_await on_all([this](env::Shard& there) -> Task<void> {
        fronts_[static_cast<std::size_t>(there.id())].reset();
        co_return;
    });
    moves_.reset();
    connection_rates_.reset();
    co_await on_all([this](env::Shard& there) -> Task<void> {
        states_[static_cast<std::size_t>(there.id())].reset();
        co_return;
    });
}

}  // namespace millrace::broker
