#pragma once

#include <fmt/format.h>
#include <memory>
#include <string>
#include <utility>

#include "core/metadata/features.h"
#include "metrics/registry.h"
#include "net/server.h"
#include "protocol/describe_cluster.h"
#include "protocol/frame.h"
#include "quorum/metadata_quorum.h"
#include "quorum/quorum_for_tests.h"

// A controller's listener that answers the quorum's requests, for the tests of this room.
namespace millrace::quorum {

class ControllerListener final : private net::RequestHandler {
  public:
    // `quorum` may come later; until then nothing is answered.
    explicit ControllerListener(env::Shard& shard)
        : metrics_(shard.now()), server_(shard, *this, {}, 64 << 20, counts_, metrics_) {
        info_.name = "CONTROLLER";
        info_.bind = {"", 9093};
        info_.is_controller = true;
        Result<> listening = server_.listen(info_);
        CHECK(listening);
    }
    std::string cluster_id = std::string(cluster_for_tests);  // as DescribeCluster tells it
    void serve(MetadataQuorum* quorum) { quorum_ = quorum; }
    Task<void> stop(Time deadline) { return server_.stop(deadline); }

  private:
    Task<net::Reply> answer(net::Request request) override {
        switch (request.api->key) {
            case ApiKey::api_versions:
                co_return encode(request, versions());
            case ApiKey::vote:
                co_return co_await answer_as<VoteRequest>(request);
            case ApiKey::begin_quorum_epoch:
                co_return co_await answer_as<BeginQuorumEpochRequest>(request);
            case ApiKey::end_quorum_epoch:
                co_return co_await answer_as<EndQuorumEpochRequest>(request);
            case ApiKey::fetch:
                co_return co_await answer_as<FetchRequest>(request);
            case ApiKey::fetch_snapshot:
                co_return co_await answer_as<FetchSnapshotRequest>(request);
            case ApiKey::add_raft_voter:
                co_return co_await answer_as<AddRaftVoterRequest>(request);
            case ApiKey::remove_raft_voter:
                co_return co_await answer_as<RemoveRaftVoterRequest>(request);
            case ApiKey::update_raft_voter:
                co_return co_await answer_as<UpdateRaftVoterRequest>(request);
            case ApiKey::describe_cluster:
                co_return encode(request, cluster());
            default:
                co_return net::Reply{.close = true};
        }
    }
    static ApiVersionsResponse versions() {
        ApiVersionsResponse response;
        for (ApiKey key :
             {ApiKey::fetch, ApiKey::api_versions, ApiKey::vote, ApiKey::begin_quorum_epoch,
              ApiKey::end_quorum_epoch, ApiKey::fetch_snapshot, ApiKey::add_raft_voter,
              ApiKey::remove_raft_voter, ApiKey::update_raft_voter, ApiKey::describe_cluster}) {
            const ApiInfo* api = find_api(key);
            response.api_keys.push_back({.api_key = static_cast<std::int16_t>(key),
                                         .min_version = api->min_version,
                                         .max_version = api->max_version});
        }
        for (const auto& [name, range] : metadata::supported_features()) {
            response.supported_features.push_back(
                {.name = name, .min_version = range.min, .max_version = range.max});
        }
        return response;
    }
    // The leader, as far as this node knows where it is heard.
    DescribeClusterResponse cluster() const {
        DescribeClusterResponse response;
        response.endpoint_type = 2;
        response.cluster_id = cluster_id;
        response.controller_id = quorum_ == nullptr ? -1 : quorum_->leader_id();
        if (response.controller_id >= 0) {
            response.brokers.push_back({.broker_id = response.controller_id,
                                        .host = fmt::format("n{}", response.controller_id),
                                        .port = 9093});
        }
        return response;
    }
    template <typename Response>
    static net::Reply encode(const net::Request& request, const Response& response) {
        auto bytes =
            encode_response(request.correlation_id, request.api->key, request.version, response);
        CHECK(bytes);
        return {.bytes = *std::move(bytes)};
    }
    template <typename Wire>
    static net::Reply encode(const net::Request& request, const QuorumAnswer<Wire>& answer) {
        return encode(request, answer.response);
    }
    template <typename Request>
    Task<net::Reply> answer_as(const net::Request& request) {
        if (quorum_ == nullptr) co_return net::Reply{.close = true};
        Reader reader(request.body);
        auto decoded = Request::decode(reader, request.version);
        CHECK(decoded);
        Asker asker{request.peer->listener->name, request.version};
        co_return encode(request, co_await quorum_->answer(*decoded, asker));
    }

    MetadataQuorum* quorum_ = nullptr;
    net::ListenerInfo info_;
    net::ConnectionCounts counts_{{}};
    metrics::Registry metrics_;
    net::Server server_;
};

}  // namespace millrace::quorum
