#include "client/admin_elections.h"

#include <fmt/format.h>

#include "client/admin_calls.h"
#include "protocol/elect_leaders.h"

namespace millrace::client {

Task<Result<Outcomes<TopicPartition>>> elect_leaders(
    Admin& admin, ElectionType type, const std::optional<std::vector<TopicPartition>>& partitions) {
    ElectLeadersRequest request;
    request.election_type = static_cast<std::int8_t>(type);
    request.timeout_ms = ms_until(admin, admin.deadline());
    request.topic_partitions.reset();
    if (partitions) {
        auto& topics = request.topic_partitions.emplace();
        for (auto& [topic, indexes] : by_topic(*partitions)) {
            topics.push_back({.topic = topic, .partitions = indexes});
        }
    }
    auto connect = [&admin] { return admin.cluster().controller(); };
    auto check = [](const ElectLeadersResponse& response) {
        return verdict_about("electing leaders", response.error_code);
    };
    ASSIGN_OR_CO_RETURN(
        auto reply, co_await ask(admin, "electing leaders", connect, std::move(request), check));
    Outcomes<TopicPartition> outcomes;
    for (const auto& topic : reply.response.replica_election_results) {
        for (const auto& result : topic.partition_result) {
            TopicPartition partition{topic.topic, result.partition_id};
            outcomes.insert_or_assign(
                partition,
                verdict_about(fmt::format("electing a leader of {}", to_string(partition)),
                              result.error_code, result.error_message));
        }
    }
    co_return outcomes;
}

}  // namespace millrace::client
