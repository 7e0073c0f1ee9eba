// Features and the metadata quorum.

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "client/admin_calls.h"
#include "client/admin_cluster.h"
#include "client/software.h"
#include "protocol/api_versions.h"
#include "protocol/describe_quorum.h"
#include "protocol/update_features.h"

namespace millrace::client {
namespace {

constexpr std::string_view metadata_topic = "__cluster_metadata";

FeatureDescription description_of(const ApiVersionsResponse& response) {
    FeatureDescription made;
    for (const auto& feature : response.supported_features) {
        made.supported[feature.name] = {feature.min_version, feature.max_version};
    }
    if (response.finalized_features_epoch >= 0) {
        made.finalized_epoch = response.finalized_features_epoch;
        for (const auto& feature : response.finalized_features) {
            made.finalized[feature.name] = feature.max_version_level;
        }
    }
    return made;
}

QuorumReplica replica_of(const DescribeQuorumResponse::ReplicaState& state) {
    return {state.replica_id, state.replica_directory_id, state.log_end_offset,
            state.last_fetch_timestamp, state.last_caught_up_timestamp};
}

// The one partition that was asked for; nullptr where the answer is of something else.
const DescribeQuorumResponse::PartitionData* partition_of(const DescribeQuorumResponse& response) {
    if (response.topics.size() != 1 || response.topics[0].topic_name != metadata_topic ||
        response.topics[0].partitions.size() != 1) {
        return nullptr;
    }
    return response.topics[0].partitions.data();
}

Result<> verdict_of(const DescribeQuorumResponse& response) {
    constexpr std::string_view what = "describing the metadata quorum";
    RETURN_IF_ERROR(verdict_about(what, response.error_code, response.error_message));
    const auto* partition = partition_of(response);
    if (partition == nullptr) {
        return fail(ErrorCode::unknown_server_error,
                    "describing the metadata quorum: the answer is not about the metadata log");
    }
    return verdict_about(what, partition->error_code, partition->error_message);
}

}  // namespace

Task<Result<FeatureDescription>> describe_features(Admin& admin, std::optional<std::int32_t> node) {
    ApiVersionsRequest request{.client_software_name = std::string(software_name),
                               .client_software_version = std::string(software_version)};
    auto connect = [&admin, node] {
        return node ? admin.cluster().broker(*node) : admin.cluster().any();
    };
    auto check = [](const ApiVersionsResponse& response) {
        return verdict_about("describing features", response.error_code);
    };
    ASSIGN_OR_CO_RETURN(auto reply,
                        co_await ask(admin, "describing features", connect, request, check));
    co_return description_of(reply.response);
}

Task<Outcomes<std::string>> update_features(Admin& admin,
                                            std::map<std::string, FeatureUpdate> updates,
                                            bool validate_only) {
    using Names = std::vector<std::string>;
    Time deadline = admin.deadline();
    auto attempt = [&](Names pending) -> Task<Outcomes<std::string>> {
        UpdateFeaturesRequest request;
        request.timeout_ms = ms_until(admin, deadline);
        request.validate_only = validate_only;
        for (const std::string& name : pending) {
            auto& update = request.feature_updates.emplace_back();
            update.feature = name;
            update.max_version_level = updates[name].level;
            update.upgrade_type = static_cast<std::int8_t>(updates[name].change);
        }
        auto reply = co_await call_over(admin.cluster().controller(), std::move(request));
        if (!reply) co_return all_failed<void>(pending, reply.error());
        const UpdateFeaturesResponse& response = reply->response;
        if (response.error_code != ErrorCode::none) {
            co_return all_failed<void>(
                pending,
                error_about("updating features", response.error_code, response.error_message));
        }
        // From version 2 on all were updated, and none is named.
        Outcomes<std::string> updated;
        for (const std::string& name : pending) updated.emplace(name, Result<>{});
        for (const auto& result : response.results) {
            std::string what = fmt::format("feature {}", result.feature);
            updated.insert_or_assign(result.feature,
                                     verdict_about(what, result.error_code, result.error_message));
        }
        co_return updated;
    };
    co_return co_await settle<void>(admin, "updating features", keys_of(updates), deadline,
                                    attempt);
}

Task<Result<QuorumDescription>> describe_metadata_quorum(Admin& admin) {
    DescribeQuorumRequest request;
    auto& topic = request.topics.emplace_back();
    topic.topic_name = metadata_topic;
    topic.partitions.push_back({.partition_index = 0});
    // A broker passes it on to the leader; a controller has to be the leader itself.
    auto connect = [&admin] {
        Cluster& cluster = admin.cluster();
        return cluster.options().controllers ? cluster.controller() : cluster.any();
    };
    auto check = [&admin](const DescribeQuorumResponse& response) {
        Result<> verdict = verdict_of(response);
        if (!verdict && is_retriable(verdict.error().code)) admin.cluster().request_refresh();
        return verdict;
    };
    ASSIGN_OR_CO_RETURN(auto reply, co_await ask(admin, "describing the metadata quorum", connect,
                                                 std::move(request), check));
    const auto& partition = *partition_of(reply.response);
    QuorumDescription described;
    described.leader_id = partition.leader_id;
    described.leader_epoch = partition.leader_epoch;
    described.high_watermark = partition.high_watermark;
    for (const auto& state : partition.current_voters) {
        described.voters.push_back(replica_of(state));
    }
    for (const auto& state : partition.observers) described.observers.push_back(replica_of(state));
    for (const auto& node : reply.response.nodes) {
        auto& listeners = described.nodes[node.node_id];
        for (const auto& listener : node.listeners) {
            listeners.push_back({listener.name, {listener.host, listener.port}});
        }
    }
    co_return described;
}

}  // namespace millrace::client
