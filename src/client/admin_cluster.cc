#include "client/admin_cluster.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>
#include <utility>

#include "client/admin_calls.h"
#include "protocol/alter_replica_log_dirs.h"
#include "protocol/describe_cluster.h"
#include "protocol/describe_log_dirs.h"
#include "protocol/metadata.h"
#include "protocol/unregister_broker.h"

namespace millrace::client {
namespace {

constexpr std::int32_t not_told = std::numeric_limits<std::int32_t>::min();
constexpr std::int8_t brokers_wanted = 1;
constexpr std::int8_t controllers_wanted = 2;

env::Address address_of(const std::string& host, std::int32_t port) {
    return {host, static_cast<std::uint16_t>(port)};
}

// Of a broker older than DescribeCluster (KIP-700).
Task<Result<ClusterDescription>> describe_by_metadata(std::shared_ptr<BrokerConnection> connection,
                                                      DescribeClusterOptions options) {
    MetadataRequest request;
    request.allow_auto_topic_creation = false;
    request.include_cluster_authorized_operations = options.authorized_operations;
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request));
    ClusterDescription described;
    described.cluster_id = reply.response.cluster_id.value_or("");
    described.controller_id = reply.response.controller_id;
    for (const auto& broker : reply.response.brokers) {
        described.nodes.push_back(
            {broker.node_id, address_of(broker.host, broker.port), broker.rack});
    }
    if (reply.response.cluster_authorized_operations != not_told) {
        described.authorized_operations = reply.response.cluster_authorized_operations;
    }
    co_return described;
}

Task<Result<ClusterDescription>> describe_once(Cluster& cluster, DescribeClusterOptions options) {
    ASSIGN_OR_CO_RETURN(auto connection, co_await cluster.any());
    auto version = connection->version_of(ApiKey::describe_cluster);
    bool controllers = cluster.options().controllers;
    if (!version && !controllers) co_return co_await describe_by_metadata(connection, options);
    CO_RETURN_IF_ERROR(version);
    constexpr std::int16_t first_with_controllers = 1;
    constexpr std::int16_t first_with_fenced = 2;
    if ((controllers && *version < first_with_controllers) ||
        (options.fenced_brokers && *version < first_with_fenced)) {
        co_return fail(ErrorCode::unsupported_version,
                       fmt::format("{} is too old to tell {}", connection->name(),
                                   controllers ? "controllers" : "fenced brokers"));
    }
    DescribeClusterRequest request;
    request.include_cluster_authorized_operations = options.authorized_operations;
    request.endpoint_type = controllers ? controllers_wanted : brokers_wanted;
    request.include_fenced_brokers = options.fenced_brokers;
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request));
    CO_RETURN_IF_ERROR(verdict_about("describing the cluster", reply.response.error_code,
                                     reply.response.error_message));
    ClusterDescription described;
    described.cluster_id = reply.response.cluster_id;
    described.controller_id = reply.response.controller_id;
    for (const auto& broker : reply.response.brokers) {
        described.nodes.push_back({broker.broker_id, address_of(broker.host, broker.port),
                                   broker.rack, broker.is_fenced});
    }
    if (reply.response.cluster_authorized_operations != not_told) {
        described.authorized_operations = reply.response.cluster_authorized_operations;
    }
    co_return described;
}

LogDirDescription description_of(const DescribeLogDirsResponse::DescribeLogDirsResult& result) {
    LogDirDescription made;
    made.status = verdict_about(fmt::format("log directory {}", result.log_dir), result.error_code);
    made.total_bytes = result.total_bytes;
    made.usable_bytes = result.usable_bytes;
    made.cordoned = result.is_cordoned;
    for (const auto& topic : result.topics) {
        for (const auto& partition : topic.partitions) {
            made.replicas.insert_or_assign(
                {topic.name, partition.partition_index},
                ReplicaSize{partition.partition_size, partition.offset_lag,
                            partition.is_future_key});
        }
    }
    return made;
}

using LogDirs = std::map<std::string, LogDirDescription>;

Task<Result<LogDirs>> log_dirs_of(Cluster& cluster, std::int32_t broker) {
    DescribeLogDirsRequest request;
    request.topics.reset();
    ASSIGN_OR_CO_RETURN(auto reply, co_await call_over(cluster.broker(broker), std::move(request)));
    CO_RETURN_IF_ERROR(verdict_about(fmt::format("log directories of broker {}", broker),
                                     reply.response.error_code));
    LogDirs described;
    for (const auto& result : reply.response.results) {
        described.insert_or_assign(result.log_dir, description_of(result));
    }
    co_return described;
}

}  // namespace

Task<Result<ClusterDescription>> describe_cluster(Admin& admin, DescribeClusterOptions options) {
    auto attempt = [&]() { return describe_once(admin.cluster(), options); };
    auto described =
        co_await with_retries(admin.cluster(), "describing the cluster", admin.deadline(), attempt);
    if (described) std::ranges::sort(described->nodes, {}, &NodeDescription::id);
    co_return described;
}

Task<Result<std::vector<BrokerVersions>>> broker_api_versions(Admin& admin) {
    ASSIGN_OR_CO_RETURN(ClusterDescription cluster, co_await describe_cluster(admin));
    CO_RETURN_IF_ERROR(co_await admin.cluster().refresh(admin.deadline()));
    std::vector<Task<Cluster::Connected>> connecting;
    for (const NodeDescription& node : cluster.nodes) {
        connecting.push_back(admin.cluster().broker(node.id));
    }
    auto connections = co_await gather(std::move(connecting));
    std::vector<BrokerVersions> versions;
    for (std::size_t i = 0; i < cluster.nodes.size(); ++i) {
        if (!connections[i]) {
            versions.push_back({cluster.nodes[i], fail(std::move(connections[i]).error())});
            continue;
        }
        std::vector<ApiVersionRange> apis;
        for (const auto& api : (*connections[i])->versions().api_keys) {
            apis.push_back({api.api_key, api.min_version, api.max_version});
        }
        std::ranges::sort(apis, {}, &ApiVersionRange::key);
        versions.push_back({cluster.nodes[i], std::move(apis)});
    }
    co_return versions;
}

Task<Outcomes<std::int32_t, LogDirs>> describe_log_dirs(Admin& admin,
                                                        std::vector<std::int32_t> brokers) {
    Cluster& cluster = admin.cluster();
    auto one = [&](std::int32_t broker) -> Task<Result<LogDirs>> {
        co_return co_await log_dirs_of(cluster, broker);
    };
    auto attempt = [&](std::vector<std::int32_t> pending) -> Task<Outcomes<std::int32_t, LogDirs>> {
        std::vector<Task<Result<LogDirs>>> questions;
        for (std::int32_t broker : pending) questions.push_back(one(broker));
        auto answers = co_await gather(std::move(questions));
        Outcomes<std::int32_t, LogDirs> outcomes;
        for (std::size_t i = 0; i < pending.size(); ++i) {
            outcomes.insert_or_assign(pending[i], std::move(answers[i]));
        }
        co_return outcomes;
    };
    co_return co_await settle<LogDirs>(admin, "describing log directories", std::move(brokers),
                                       admin.deadline(), attempt);
}

Task<Outcomes<TopicPartition>> alter_replica_log_dirs(
    Admin& admin, std::int32_t broker, std::map<TopicPartition, std::string> directories) {
    std::map<std::string, std::map<std::string, std::vector<std::int32_t>>> sorted;
    for (const auto& [partition, path] : directories) {
        sorted[path][partition.topic].push_back(partition.partition);
    }
    AlterReplicaLogDirsRequest request;
    for (auto& [path, topics] : sorted) {
        auto& directory = request.dirs.emplace_back();
        directory.path = path;
        for (auto& [topic, partitions] : topics) {
            directory.topics.push_back({.name = topic, .partitions = std::move(partitions)});
        }
    }
    auto reply =
        co_await env::with_deadline(admin.shard(), admin.deadline(),
                                    call_over(admin.cluster().broker(broker), std::move(request)));
    Result<> called =
        reply ? Result<>() : fail(ErrorCode::request_timed_out, "moving replicas took too long");
    if (reply && !*reply) called = fail(reply->error());
    if (!called) co_return all_failed<void>(keys_of(directories), called.error());
    Outcomes<TopicPartition> outcomes;
    for (const auto& topic : (*reply)->response.results) {
        for (const auto& partition : topic.partitions) {
            TopicPartition key{topic.topic_name, partition.partition_index};
            outcomes.insert_or_assign(
                key, verdict_about(fmt::format("moving {}", to_string(key)), partition.error_code));
        }
    }
    co_return outcomes;
}

Task<Result<>> unregister_broker(Admin& admin, std::int32_t id) {
    std::string what = fmt::format("unregistering broker {}", id);
    UnregisterBrokerRequest request;
    request.broker_id = id;
    auto any = [&admin] { return admin.cluster().any(); };
    auto check = [what](const UnregisterBrokerResponse& response) {
        return verdict_about(what, response.error_code, response.error_message);
    };
    CO_RETURN_IF_ERROR(co_await ask(admin, what, any, request, check));
    co_return Result<>{};
}

}  // namespace millrace::client
