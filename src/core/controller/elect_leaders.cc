#include "core/controller/elect_leaders.h"

#include <fmt/format.h>
#include <optional>
#include <string_view>

#include "core/controller/elections.h"
#include "core/controller/standard_message.h"
#include "core/controller/state.h"

namespace millrace::controller {
namespace {

using Response = ElectLeadersResponse;

constexpr std::size_t max_elections_at_once = 1'000;

std::optional<Election> election_of(std::int8_t type) {
    if (type == 0) return Election::preferred;
    if (type == 1) return Election::unclean;
    return std::nullopt;
}

// The change of one partition; error election_not_needed where the wanted leader leads.
Result<metadata::VersionedRecord> elect(const State& state, const metadata::Topic& topic,
                                        std::int32_t index, const metadata::Partition& partition,
                                        Election election) {
    bool needless = election == Election::preferred
                        ? partition.leader == partition.preferred_leader()
                        : partition.has_leader();
    if (needless) return fail(standard_error(ErrorCode::election_not_needed));
    PartitionChange change = partition_change(state, topic, index, partition);
    change.set_election(election);
    if (auto record = change.build()) return *std::move(record);
    return fail(standard_error(election == Election::preferred
                                   ? ErrorCode::preferred_leader_not_available
                                   : ErrorCode::eligible_leaders_not_available));
}

Result<metadata::VersionedRecord> elect(const State& state, std::string_view name,
                                        std::int32_t index, Election election) {
    auto unknown = [](std::string message) {
        return fail(ErrorCode::unknown_topic_or_partition, std::move(message));
    };
    const metadata::Topic* topic = state.image().topics.find(name);
    if (topic == nullptr) return unknown(fmt::format("No such topic as {}", name));
    const metadata::Partition* partition = topic->partition(index);
    if (partition == nullptr)
        return unknown(fmt::format("No such partition as {}-{}", name, index));
    return elect(state, *topic, index, *partition, election);
}

void add(Response::ReplicaElectionResult& results, std::int32_t index,
         Result<metadata::VersionedRecord> elected, metadata::Records& records) {
    auto& answer = results.partition_result.emplace_back();
    answer.partition_id = index;
    answer.error_message = std::nullopt;
    if (elected) {
        records.push_back(*std::move(elected));
    } else {
        answer.error_code = elected.error().code;
        answer.error_message = elected.error().message;
    }
}

// What has its leader already is not named in the answer.
void elect_everywhere(const State& state, Election election, Decision<Response>& decision) {
    for (const auto& [name, topic] : state.image().topics.by_name()) {
        auto& results = decision.response.replica_election_results.emplace_back();
        results.topic = name;
        for (const auto& [index, partition] : topic->partitions) {
            auto elected = elect(state, *topic, index, *partition, election);
            if (!elected && elected.error().code == ErrorCode::election_not_needed) continue;
            add(results, index, std::move(elected), decision.records);
        }
    }
}

// Of the topics that `may` names.
template <typename May>
Decision<ElectedLeaders> elect_some(const State& state, Election election, May may) {
    Decision<ElectedLeaders> decision{.records = {}, .response = {}, .atomic = false};
    for (const auto& [name, topic] : state.image().topics.by_name()) {
        if (!may(*topic)) continue;
        for (const auto& [index, partition] : topic->partitions) {
            auto elected = elect(state, *topic, index, *partition, election);
            if (!elected) continue;
            if (decision.records.size() == max_elections_at_once) {
                decision.response.more = true;
                return decision;
            }
            decision.records.push_back(*std::move(elected));
        }
    }
    return decision;
}

}  // namespace

Response refuse(const ElectLeadersRequest& request, const Error& error) {
    Response response;
    response.error_code = error.code;
    if (!request.topic_partitions) return response;
    for (const auto& topic : *request.topic_partitions) {
        auto& results = response.replica_election_results.emplace_back();
        results.topic = topic.topic;
        for (std::int32_t index : topic.partitions) {
            results.partition_result.push_back(
                {.partition_id = index, .error_code = error.code, .error_message = error.message});
        }
    }
    return response;
}

Decision<Response> decide(const ElectLeaders& command, const State& state, Inputs) {
    Decision<Response> decision{.records = {}, .response = {}, .atomic = false};
    const auto& wanted = command.request.topic_partitions;
    if (wanted && wanted->empty()) return decision;
    std::optional<Election> election = election_of(command.request.election_type);
    if (!election) {
        decision.response =
            refuse(command.request,
                   {ErrorCode::invalid_request,
                    fmt::format("Unknown election type {}", int{command.request.election_type})});
        return decision;
    }
    if (!wanted) {
        elect_everywhere(state, *election, decision);
    } else {
        for (const auto& topic : *wanted) {
            auto& results = decision.response.replica_election_results.emplace_back();
            results.topic = topic.topic;
            for (std::int32_t index : topic.partitions) {
                add(results, index, elect(state, topic.topic, index, *election), decision.records);
            }
        }
    }
    return decision;
}

Decision<ElectedLeaders> decide(const BalanceLeaders&, const State& state, Inputs) {
    return elect_some(state, Election::preferred, [](const metadata::Topic&) { return true; });
}

Decision<ElectedLeaders> decide(const ElectUncleanLeaders&, const State& state, Inputs) {
    return elect_some(state, Election::unclean, [&](const metadata::Topic& topic) {
        return state.elects_unclean_leaders(topic.name);
    });
}

}  // namespace millrace::controller
