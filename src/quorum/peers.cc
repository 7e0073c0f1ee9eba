#include "quorum/peers.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>
#include <variant>

#include "core/metadata/topic_names.h"
#include "env/refusal.h"
#include "quorum/quorum_log.h"
#include "quorum/raft_wire.h"
#include "quorum/voter_wire.h"

namespace millrace::quorum {
namespace {

Duration request_timeout(const config::BrokerConfig& config) {
    return Duration::milliseconds(config.controller_quorum_request_timeout_ms());
}

}  // namespace

Result<client::PoolOptions> controller_pool_options(const config::BrokerConfig& config,
                                                    std::string client_id) {
    client::PoolOptions options;
    options.kind = "controller";
    options.connection.client_id = std::move(client_id);
    options.connection.setup_timeout = request_timeout(config);
    options.max_setup_timeout = request_timeout(config);
    options.reconnect = {Duration::milliseconds(20), Duration::milliseconds(500)};
    std::int64_t idle = config.connections_max_idle_ms();
    if (idle > 0) options.connection.max_idle = Duration::milliseconds(idle);
    if (!config::uses_tls(config.controller_protocol())) return options;
    const std::string& listener = config.controller_listener();
    auto settings = tls::Settings::parse(
        [&](std::string_view key) { return config.listener_text(listener, key); });
    if (!settings) {
        return fail(ErrorCode::invalid_config,
                    fmt::format("listener {}: {}", listener, settings.error().message));
    }
    options.tls = *std::move(settings);
    return options;
}

Peers::Peers(env::Shard& shard, Scope& scope, std::string cluster_id,
             const config::BrokerConfig& config, client::PoolOptions options)
    : shard_(shard),
      cluster_id_(std::move(cluster_id)),
      listener_(config.controller_listener()),
      request_timeout_(request_timeout(config)),
      refusal_(Duration::milliseconds(config.controller_quorum_refusal_ms())),
      fetch_max_bytes_(config.controller_quorum_fetch_max_bytes()),
      snapshot_max_bytes_(config.controller_quorum_fetch_snapshot_max_bytes()),
      pool_(std::make_unique<client::ConnectionPool>(shard, scope, std::move(options))) {}

Result<Peers> Peers::make(env::Shard& shard, Scope& scope, std::string cluster_id,
                          const config::BrokerConfig& config) {
    ASSIGN_OR_RETURN(auto options, controller_pool_options(
                                       config, fmt::format("raft-client-{}", config.node_id())));
    options.connection.request_timeout = request_timeout(config);
    return Peers(shard, scope, std::move(cluster_id), config, std::move(options));
}

Task<raft::Event> Peers::ask(raft::Send send) {
    std::int32_t to = send.to;
    std::uint64_t correlation = send.correlation;
    auto answered = co_await env::with_deadline(shard_, shard_.now() + request_timeout_,
                                                exchange(std::move(send)));
    if (answered && *answered) {
        noted_.erase(to);
        co_return raft::ResponseArrived{to, correlation, **answered};
    }
    if (answered) note(to, answered->error());
    co_return raft::SendFailed{to, correlation};
}

// Once, however often it is tried again. What ends by itself is told by the pool.
void Peers::note(std::int32_t to, const Error& error) {
    if (is_retriable(error.code) || std::exchange(noted_[to], error.message) == error.message)
        return;
    LOG_ERROR("controller {} cannot take part in the quorum with this node: {} ({})", to,
              error.message, name_of(error.code));
}

Task<Result<Peers::Connection>> Peers::connect(std::int32_t to,
                                               const std::vector<raft::Endpoint>& endpoints,
                                               client::Lane lane) {
    auto endpoint = std::ranges::find(endpoints, listener_, &raft::Endpoint::listener);
    if (endpoint == endpoints.end()) {
        co_return fail(ErrorCode::broker_not_available,
                       fmt::format("controller {} has no address for listener {}", to, listener_));
    }
    co_return co_await pool_->get(to, {endpoint->host, endpoint->port}, lane);
}

Task<bool> Peers::refuses(const std::vector<raft::Endpoint>& endpoints) {
    std::vector<env::Address> addresses;
    for (const raft::Endpoint& each : endpoints) {
        if (each.listener == listener_) addresses.push_back({each.host, each.port});
    }
    if (refusal_ == Duration()) co_return false;
    co_return co_await env::all_refuse(shard_, std::move(addresses), refusal_);
}

template <typename Wire>
Task<Result<raft::Response>> Peers::call(Connection connection, Wire wire) {
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(wire));
    ASSIGN_OR_CO_RETURN(auto response, from_wire(reply.response, listener_));
    co_return raft::Response(std::move(response));
}

Task<Result<raft::Response>> Peers::exchange(raft::Send send) {
    const auto* fetch = std::get_if<raft::FetchRequest>(&send.request);
    client::Lane lane = fetch != nullptr ? client::Lane::fetch : client::Lane::general;
    ASSIGN_OR_CO_RETURN(Connection connection, co_await connect(send.to, send.endpoints, lane));
    if (fetch != nullptr) {
        ASSIGN_OR_CO_RETURN(std::int16_t version, connection->version_of(ApiKey::fetch));
        co_return co_await call(connection,
                                to_wire(*fetch, cluster_id_, version, fetch_max_bytes_));
    }
    if (const auto* vote = std::get_if<raft::VoteRequest>(&send.request))
        co_return co_await call(connection, to_wire(*vote, cluster_id_));
    if (const auto* begin = std::get_if<raft::BeginEpochRequest>(&send.request))
        co_return co_await call(connection, to_wire(*begin, cluster_id_));
    if (const auto* end = std::get_if<raft::EndEpochRequest>(&send.request))
        co_return co_await call(connection, to_wire(*end, cluster_id_));
    co_return co_await exchange_of_voters(std::move(connection), std::move(send.request));
}

Task<Result<raft::Response>> Peers::exchange_of_voters(Connection connection,
                                                       raft::Request request) {
    if (const auto* add = std::get_if<raft::AddVoterRequest>(&request)) {
        auto wire = to_wire(*add, cluster_id_, request_timeout_);
        // Before version 1 the answer comes with the commit, whatever is asked for.
        ASSIGN_OR_CO_RETURN(std::int16_t version, connection->version_of(ApiKey::add_raft_voter));
        if (version < 1) wire.ack_when_committed = true;
        co_return co_await call(std::move(connection), std::move(wire));
    }
    if (const auto* remove = std::get_if<raft::RemoveVoterRequest>(&request))
        co_return co_await call(std::move(connection), to_wire(*remove, cluster_id_));
    if (const auto* update = std::get_if<raft::UpdateVoterRequest>(&request)) {
        if (!connection->version_of(ApiKey::update_raft_voter)) {
            co_return raft::UpdateVoterResponse{
                {.error = ErrorCode::unsupported_version, .epoch = update->epoch}};
        }
        co_return co_await call(std::move(connection), to_wire(*update, cluster_id_));
    }
    co_return co_await call(std::move(connection), versions_request());
}

Task<Result<Peers::SnapshotPiece>> Peers::fetch_snapshot(raft::FetchSnapshot wanted,
                                                         raft::ReplicaKey self, std::int32_t epoch,
                                                         std::int64_t position) {
    ASSIGN_OR_CO_RETURN(Connection connection,
                        co_await connect(wanted.from, wanted.endpoints, client::Lane::fetch));
    FetchSnapshotRequest request;
    request.cluster_id = cluster_id_;
    request.replica_id = self.id;
    request.max_bytes = snapshot_max_bytes_;
    auto& topic = request.topics.emplace_back();
    topic.name = metadata::cluster_metadata_topic;
    auto& asked = topic.partitions.emplace_back();
    asked.current_leader_epoch = epoch;
    asked.snapshot_id = {wanted.snapshot.offset, wanted.snapshot.epoch};
    asked.position = position;
    asked.replica_directory_id = self.directory;
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request));
    const FetchSnapshotResponse& response = reply.response;
    ErrorCode error = response.error_code;
    bool whole = response.topics.size() == 1 && response.topics.front().partitions.size() == 1;
    if (error == ErrorCode::none && !whole) error = ErrorCode::invalid_record;
    if (error == ErrorCode::none) error = response.topics.front().partitions.front().error_code;
    if (error != ErrorCode::none) co_return fail(error, std::string(meaning_of(error)));
    const auto& piece = response.topics.front().partitions.front();
    const auto& id = piece.snapshot_id;
    bool expected = id.end_offset == wanted.snapshot.offset && id.epoch == wanted.snapshot.epoch &&
                    piece.position == position && piece.unaligned_records &&
                    !piece.unaligned_records->empty();
    if (!expected) {
        co_return fail(ErrorCode::invalid_record,
                       "the leader sent another piece of a snapshot than the one asked for");
    }
    co_return SnapshotPiece{piece.size, piece.unaligned_records->in_memory()};
}

}  // namespace millrace::quorum
