#include "client/admin_reassignments.h"

#include "client/admin_calls.h"
#include "protocol/alter_partition_reassignments.h"
#include "protocol/list_partition_reassignments.h"

namespace millrace::client {

Task<Result<Reassignments>> list_reassignments(
    Admin& admin, const std::optional<std::vector<TopicPartition>>& partitions) {
    ListPartitionReassignmentsRequest request;
    request.timeout_ms = ms_until(admin, admin.deadline());
    auto names = by_topic(partitions.value_or(std::vector<TopicPartition>()));
    if (partitions) {
        auto& topics = request.topics.emplace();
        for (auto& [topic, indexes] : names)
            topics.push_back({.name = topic, .partition_indexes = indexes});
    }
    auto connect = [&admin] { return admin.cluster().controller(); };
    auto check = [](const ListPartitionReassignmentsResponse& response) {
        return verdict_about("listing reassignments", response.error_code, response.error_message);
    };
    ASSIGN_OR_CO_RETURN(auto reply, co_await ask(admin, "listing reassignments", connect,
                                                 std::move(request), check));
    Reassignments found;
    for (const auto& topic : reply.response.topics) {
        for (const auto& partition : topic.partitions) {
            found[{topic.name, partition.partition_index}] = {
                partition.replicas, partition.adding_replicas, partition.removing_replicas};
        }
    }
    co_return found;
}

Task<Result<Outcomes<TopicPartition>>> alter_reassignments(Admin& admin, NewReplicas replicas,
                                                           bool may_change_factor) {
    AlterPartitionReassignmentsRequest request;
    request.timeout_ms = ms_until(admin, admin.deadline());
    request.allow_replication_factor_change = may_change_factor;
    for (const auto& [partition, wanted] : replicas) {
        auto& topics = request.topics;
        if (topics.empty() || topics.back().name != partition.topic)
            topics.emplace_back().name = partition.topic;
        topics.back().partitions.push_back(
            {.partition_index = partition.partition, .replicas = wanted});
    }
    auto connect = [&admin] { return admin.cluster().controller(); };
    auto check = [](const AlterPartitionReassignmentsResponse& response) {
        return verdict_about("reassigning partitions", response.error_code, response.error_message);
    };
    ASSIGN_OR_CO_RETURN(auto reply, co_await ask(admin, "reassigning partitions", connect,
                                                 std::move(request), check));
    Outcomes<TopicPartition> outcomes;
    for (const auto& topic : reply.response.responses) {
        for (const auto& told : topic.partitions) {
            TopicPartition partition{topic.name, told.partition_index};
            outcomes.insert_or_assign(
                partition,
                verdict_about(to_string(partition), told.error_code, told.error_message));
        }
    }
    co_return outcomes;
}

}  // namespace millrace::client
