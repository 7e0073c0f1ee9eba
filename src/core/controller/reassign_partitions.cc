#include "core/controller/reassign_partitions.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "core/controller/elections.h"
#include "core/controller/new_partitions.h"
#include "core/controller/state.h"

namespace millrace::controller {
namespace {

using metadata::BrokerIds;
using metadata::contains;
using Change = Result<std::optional<metadata::VersionedRecord>>;

// Those of `brokers` that are not among `others`.
BrokerIds without(const BrokerIds& brokers, const BrokerIds& others) {
    BrokerIds left;
    for (std::int32_t id : brokers) {
        if (!contains(others, id)) left.push_back(id);
    }
    return left;
}

BrokerIds sorted(BrokerIds brokers) {
    std::ranges::sort(brokers);
    return brokers;
}

// Replicas that were added go, those that were to be removed stay. Where the new ones alone are in
// sync, the first of the old ones has to lead with what it has.
Change cancel(const State& state, const metadata::Topic& topic, std::int32_t index,
              const metadata::Partition& partition) {
    if (!partition.is_reassigning()) {
        return fail(ErrorCode::no_reassignment_in_progress);
    }
    BrokerIds replicas = without(partition.replicas, partition.adding);
    BrokerIds isr = without(partition.isr, partition.adding);
    bool unclean = state.elects_unclean_leaders(topic.name);
    if (isr.empty()) {
        if (replicas.empty()) {
            return fail(ErrorCode::invalid_replica_assignment,
                        "Invalid replica assignment: addingReplicas contains all replicas.");
        }
        if (!unclean) {
            return fail(ErrorCode::invalid_replica_assignment,
                        fmt::format("Unable to revert partition assignment for {}:{} because it "
                                    "would require an unclean leader election.",
                                    topic.name, index));
        }
        isr = {replicas.front()};
    }
    PartitionChange change = partition_change(state, topic, index, partition);
    if (unclean) change.set_election(Election::unclean);
    change.set_isr(std::move(isr));
    change.set_replicas(std::move(replicas));
    change.set_removing({});
    change.set_adding({});
    return change.build();
}

// How many replicas there are once a reassignment that is under way has ended.
std::size_t replication_factor(const metadata::Partition& partition) {
    return partition.replicas.size() - partition.removing.size();
}

Change begin(const State& state, const metadata::Topic& topic, std::int32_t index,
             const metadata::Partition& partition, const BrokerIds& target,
             bool may_change_factor) {
    RETURN_IF_ERROR(check_assignment(state, target));
    if (!may_change_factor && target.size() != replication_factor(partition)) {
        return fail(ErrorCode::invalid_replication_factor,
                    fmt::format("The replication factor is changed from {} to {}",
                                replication_factor(partition), target.size()));
    }
    BrokerIds removing = sorted(without(partition.replicas, target));
    BrokerIds adding = sorted(without(target, partition.replicas));
    // The new ones first, so that the preferred leader is right from now on.
    BrokerIds replicas = target;
    replicas.insert(replicas.end(), removing.begin(), removing.end());
    PartitionChange change = partition_change(state, topic, index, partition);
    change.set_replicas(std::move(replicas));
    // A target that takes over what is under way keeps it: the replicas are the same.
    if (!removing.empty()) change.set_removing(std::move(removing));
    if (!adding.empty()) change.set_adding(std::move(adding));
    return change.build();
}

Change reassign(const State& state, const std::string& name,
                const AlterPartitionReassignmentsRequest::ReassignablePartition& wanted,
                bool may_change_factor) {
    auto unknown = [](std::string message) {
        return fail(ErrorCode::unknown_topic_or_partition, std::move(message));
    };
    std::int32_t index = wanted.partition_index;
    const metadata::Topic* topic = state.image().topics.find(std::string_view(name));
    if (topic == nullptr) return unknown(fmt::format("Unable to find a topic named {}.", name));
    const metadata::Partition* partition = topic->partition(index);
    if (partition == nullptr) {
        return unknown(fmt::format("Unable to find partition {}:{}.", name, index));
    }
    if (!wanted.replicas) return cancel(state, *topic, index, *partition);
    return begin(state, *topic, index, *partition, *wanted.replicas, may_change_factor);
}

void list(const metadata::Topic& topic, std::span<const std::int32_t> indexes,
          ListPartitionReassignmentsResponse& response) {
    ListPartitionReassignmentsResponse::OngoingTopicReassignment ongoing;
    ongoing.name = topic.name;
    for (std::int32_t index : indexes) {
        const metadata::Partition* partition = topic.partition(index);
        if (partition == nullptr || !partition->is_reassigning()) continue;
        ongoing.partitions.push_back({.partition_index = index,
                                      .replicas = partition->replicas,
                                      .adding_replicas = partition->adding,
                                      .removing_replicas = partition->removing});
    }
    if (!ongoing.partitions.empty()) response.topics.push_back(std::move(ongoing));
}

}  // namespace

Decision<AlterPartitionReassignmentsResponse> decide(const ReassignPartitions& command,
                                                     const State& state, Inputs) {
    const auto& request = command.request;
    Decision<AlterPartitionReassignmentsResponse> decision;
    if (request.topics.empty()) return decision;
    decision.response.error_message = std::nullopt;
    decision.response.allow_replication_factor_change = request.allow_replication_factor_change;
    std::set<std::pair<std::string_view, std::int32_t>> named;
    for (const auto& topic : request.topics) {
        auto& results = decision.response.responses.emplace_back();
        results.name = topic.name;
        for (const auto& wanted : topic.partitions) {
            auto& answer = results.partitions.emplace_back();
            answer.partition_index = wanted.partition_index;
            answer.error_message = std::nullopt;
            Change change =
                reassign(state, topic.name, wanted, request.allow_replication_factor_change);
            if (!named.insert({topic.name, wanted.partition_index}).second) {
                change = fail(ErrorCode::invalid_request,
                              fmt::format("Partition {}:{} is named more than once.", topic.name,
                                          wanted.partition_index));
            }
            if (change && *change && decision.records.size() == max_records_per_decision) {
                change = fail(ErrorCode::policy_violation,
                              "Unable to perform excessively large batch operation.");
            }
            if (!change) {
                answer.error_code = change.error().code;
                if (!change.error().message.empty()) answer.error_message = change.error().message;
            } else if (*change) {
                decision.records.push_back(**std::move(change));
            }
        }
    }
    return decision;
}

Decision<ListPartitionReassignmentsResponse> decide(const ListReassignments& command,
                                                    const State& state, Inputs) {
    Decision<ListPartitionReassignmentsResponse> decision;
    decision.response.error_message = std::nullopt;
    const metadata::Topics& topics = state.image().topics;
    if (command.request.topics) {
        for (const auto& wanted : *command.request.topics) {
            const metadata::Topic* topic = topics.find(std::string_view(wanted.name));
            if (topic != nullptr) list(*topic, wanted.partition_indexes, decision.response);
        }
        return decision;
    }
    for (const auto& [name, topic] : topics.by_name()) {
        std::vector<std::int32_t> indexes;
        for (const auto& [index, partition] : topic->partitions) {
            if (partition->is_reassigning()) indexes.push_back(index);
        }
        list(*topic, indexes, decision.response);
    }
    return decision;
}

}  // namespace millrace::controller
