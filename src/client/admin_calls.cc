#include "client/admin_calls.h"

#include <algorithm>
#include <fmt/core.h>

namespace millrace::client {

Error error_about(std::string_view what, ErrorCode code, const std::optional<std::string>& told) {
    std::string_view name = name_of(code);
    std::string number = name.empty() ? fmt::format("error {}", static_cast<int>(code)) : "";
    if (name.empty()) name = number;
    if (is_about_unknown(code)) return {code, fmt::format("{} does not exist ({})", what, name)};
    if (told && !told->empty()) return {code, fmt::format("{}: {} ({})", what, *told, name)};
    return {code, fmt::format("{}: {} ({})", what, meaning_of(code), name)};
}

std::int32_t ms_until(Admin& admin, Time deadline) {
    Duration most = admin.cluster().options().pool.connection.request_timeout;
    Duration left = std::min(deadline - admin.shard().now(), most);
    return static_cast<std::int32_t>(std::max<std::int64_t>(left.ms(), 1));
}

Task<ByLeader> by_leader(Cluster& cluster, std::vector<TopicPartition> partitions) {
    bool complete = true;
    for (const TopicPartition& partition : partitions) {
        cluster.track(partition.topic);
        const PartitionInfo* info =
            cluster.metadata()->partition(partition.topic, partition.partition);
        complete = complete && info != nullptr && info->leader_id >= 0;
    }
    ByLeader found;
    Result<> refreshed;
    if (!complete) {
        refreshed = co_await cluster.refresh(cluster.shard().now() +
                                             cluster.options().pool.connection.request_timeout);
    }
    const ClusterMetadata& metadata = *cluster.metadata();
    for (TopicPartition& partition : partitions) {
        const TopicInfo* topic = metadata.topic(partition.topic);
        const PartitionInfo* info =
            topic == nullptr ? nullptr : topic->partition(partition.partition);
        std::string what = fmt::format("partition {}", to_string(partition));
        if (info != nullptr && info->leader_id >= 0) {
            found.leaders[info->leader_id].push_back(std::move(partition));
        } else if (!refreshed) {
            found.failed.emplace(std::move(partition), refreshed.error());
        } else if (info != nullptr) {
            found.failed.emplace(std::move(partition),
                                 error_about(what, ErrorCode::leader_not_available));
        } else {
            bool told = topic != nullptr && topic->error != ErrorCode::none;
            ErrorCode code = told ? topic->error : ErrorCode::unknown_topic_or_partition;
            found.failed.emplace(std::move(partition), error_about(what, code));
        }
    }
    co_return found;
}

bool is_about_coordinator(ErrorCode code) {
    return code == ErrorCode::not_coordinator || code == ErrorCode::coordinator_not_available ||
           code == ErrorCode::coordinator_load_in_progress ||
           code == ErrorCode::network_exception || code == ErrorCode::request_timed_out;
}

Task<ByCoordinator> by_coordinator(Cluster& cluster, std::vector<std::string> groups) {
    std::vector<Task<Result<std::int32_t>>> lookups;
    lookups.reserve(groups.size());
    for (const std::string& group : groups) {
        lookups.push_back(cluster.coordinator_id(CoordinatorType::group, group));
    }
    auto ids = co_await gather(std::move(lookups));
    ByCoordinator found;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        if (ids[i]) {
            found.coordinators[*ids[i]].push_back(std::move(groups[i]));
        } else {
            found.failed.emplace(std::move(groups[i]), std::move(ids[i]).error());
        }
    }
    co_return found;
}

std::map<std::string, std::vector<std::int32_t>> by_topic(
    const std::vector<TopicPartition>& partitions) {
    std::map<std::string, std::vector<std::int32_t>> topics;
    for (const TopicPartition& partition : partitions) {
        topics[partition.topic].push_back(partition.partition);
    }
    return topics;
}

}  // namespace millrace::client
