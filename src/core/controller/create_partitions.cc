#include "core/controller/create_partitions.h"

#include <fmt/format.h>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "core/controller/new_partitions.h"
#include "core/controller/state.h"
#include "core/metadata/snapshot.h"

namespace millrace::controller {
namespace {

using Wanted = CreatePartitionsRequest::CreatePartitionsTopic;

Result<> check_count(const Wanted& wanted, const metadata::Topic& topic) {
    std::size_t current = topic.partitions.size();
    auto count = static_cast<std::int64_t>(wanted.count);
    if (count == static_cast<std::int64_t>(current)) {
        return fail(ErrorCode::invalid_partitions,
                    fmt::format("Topic already has {} partition(s).", current));
    }
    if (count < static_cast<std::int64_t>(current)) {
        return fail(ErrorCode::invalid_partitions,
                    fmt::format("The topic {} currently has {} partition(s); {} would not be an "
                                "increase.",
                                wanted.name, current, wanted.count));
    }
    return {};
}

Result<NewPartitions> extend(const Wanted& wanted, const metadata::Topic& topic,
                             const MutationQuotaPtr& quota, const State& state, Inputs in) {
    auto first = static_cast<std::int32_t>(topic.partitions.size());
    std::int32_t additional = wanted.count - first;
    std::size_t replication_factor = topic.partitions.begin()->value->replicas.size();
    if (wanted.assignments && wanted.assignments->size() != static_cast<std::size_t>(additional)) {
        return fail(ErrorCode::invalid_replica_assignment,
                    fmt::format("Attempted to add {} additional partition(s), but only {} "
                                "assignment(s) were specified.",
                                additional, wanted.assignments->size()));
    }
    if (!takes(quota, static_cast<std::size_t>(additional), in.now))
        return fail(ErrorCode::throttling_quota_exceeded);
    if (!wanted.assignments) {
        return assign_by_placement(state, first, additional,
                                   static_cast<std::int32_t>(replication_factor), in.random);
    }
    std::vector<metadata::BrokerIds> assignments;
    for (const auto& assignment : *wanted.assignments) assignments.push_back(assignment.broker_ids);
    return assign_manually(state, first, assignments, replication_factor);
}

Result<metadata::Records> create(const Wanted& wanted, const CreatePartitions& command,
                                 const State& state, Inputs in, bool twice) {
    if (twice) return fail(ErrorCode::invalid_request, "Duplicate topic name.");
    if (!permits(command.may_alter, wanted.name))
        return fail(ErrorCode::topic_authorization_failed);
    const metadata::Topic* topic = state.image().topics.find(std::string_view(wanted.name));
    if (topic == nullptr) return fail(ErrorCode::unknown_topic_or_partition);
    RETURN_IF_ERROR(check_count(wanted, *topic));
    if (wanted.count - static_cast<std::int64_t>(topic->partitions.size()) >
        max_partitions_per_request) {
        return fail(ErrorCode::policy_violation,
                    "Unable to perform excessively large batch operation.");
    }
    ASSIGN_OR_RETURN(NewPartitions made, extend(wanted, *topic, command.quota, state, in));
    metadata::Records records;
    std::int32_t index = made.first;
    for (const metadata::Partition& partition : made.partitions) {
        records.push_back(metadata::partition_record(
            topic->id, index++, partition, state.metadata_version(), state.elr_enabled()));
    }
    return records;
}

}  // namespace

Decision<CreatePartitionsResponse> decide(const CreatePartitions& command, const State& state,
                                          Inputs in) {
    std::map<std::string_view, int> times;
    for (const Wanted& wanted : command.request.topics) ++times[wanted.name];

    Decision<CreatePartitionsResponse> decision;
    for (const Wanted& wanted : command.request.topics) {
        int& left = times[wanted.name];
        if (left == 0) continue;  // a name given twice is answered once
        Result<metadata::Records> records = create(wanted, command, state, in, left > 1);
        left = left > 1 ? 0 : left;
        if (records && decision.records.size() + records->size() > max_records_per_decision) {
            records = fail(ErrorCode::policy_violation,
                           "Unable to perform excessively large batch operation.");
        }
        auto& answer = decision.response.results.emplace_back();
        answer.name = wanted.name;
        if (records) {
            std::ranges::move(*records, std::back_inserter(decision.records));
        } else {
            answer.error_code = records.error().code;
            if (!records.error().message.empty()) answer.error_message = records.error().message;
        }
    }
    decision.response.throttle_time_ms = throttle_time_ms(command.quota);
    if (command.request.validate_only) decision.records.clear();
    return decision;
}

}  // namespace millrace::controller
