#include "core/controller/alter_partition.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/controller/elections.h"
#include "core/controller/state.h"

namespace millrace::controller {
namespace {

using metadata::BrokerIds;
using metadata::LeaderRecovery;
using Wanted = AlterPartitionRequest::PartitionData;
using Answer = AlterPartitionResponse::PartitionData;

// Before version 3 the members' epochs are not known.
std::vector<AlterPartitionRequest::BrokerState> members_of(const Wanted& wanted) {
    if (!wanted.new_isr_with_epochs.empty()) return wanted.new_isr_with_epochs;
    std::vector<AlterPartitionRequest::BrokerState> members;
    for (std::int32_t id : wanted.new_isr) members.emplace_back().broker_id = id;
    return members;
}

bool is_isr_of(const metadata::Partition& partition, const BrokerIds& isr) {
    BrokerIds sorted = isr;
    std::ranges::sort(sorted);
    return !sorted.empty() && std::ranges::adjacent_find(sorted) == sorted.end() &&
           std::ranges::all_of(
               sorted, [&](std::int32_t id) { return metadata::contains(partition.replicas, id); });
}

bool may_join(const AlterPartitionRequest::BrokerState& member, const State& state) {
    return state.is_active(member.broker_id) &&
           (member.broker_epoch == -1 ||
            member.broker_epoch == state.broker(member.broker_id)->epoch);
}

ErrorCode check(const Wanted& wanted, const BrokerIds& isr, std::int32_t leader,
                const metadata::Partition& partition, const State& state) {
    // A leader that knows more than this controller talks to one that was replaced.
    if (wanted.leader_epoch > partition.leader_epoch || wanted.partition_epoch > partition.epoch) {
        return ErrorCode::not_controller;
    }
    if (wanted.leader_epoch < partition.leader_epoch) return ErrorCode::fenced_leader_epoch;
    if (leader != partition.leader) return ErrorCode::invalid_request;
    if (wanted.partition_epoch < partition.epoch) return ErrorCode::invalid_update_version;
    if (!is_isr_of(partition, isr) || !metadata::contains(isr, leader))
        return ErrorCode::invalid_request;
    if (wanted.leader_recovery_state != 0 && wanted.leader_recovery_state != 1)
        return ErrorCode::invalid_request;
    auto recovery = static_cast<LeaderRecovery>(wanted.leader_recovery_state);
    if (recovery == LeaderRecovery::recovering &&
        (isr.size() > 1 || partition.recovery == LeaderRecovery::recovered)) {
        return ErrorCode::invalid_request;
    }
    auto members = members_of(wanted);
    bool all_may =
        std::ranges::all_of(members, [&](const auto& member) { return may_join(member, state); });
    return all_may ? ErrorCode::none : ErrorCode::ineligible_replica;
}

Answer describe(std::int32_t index, const metadata::Partition& partition) {
    Answer answer;
    answer.partition_index = index;
    answer.leader_id = partition.leader;
    answer.leader_epoch = partition.leader_epoch;
    answer.isr = partition.isr;
    answer.leader_recovery_state = static_cast<std::int8_t>(partition.recovery);
    answer.partition_epoch = partition.epoch;
    return answer;
}

Answer refused(std::int32_t index, ErrorCode code) {
    Answer answer;
    answer.partition_index = index;
    answer.error_code = code;
    return answer;
}

Answer alter(const Wanted& wanted, std::int32_t leader, const metadata::Topic& topic,
             const State& state, metadata::Records& records) {
    const metadata::Partition* partition = topic.partition(wanted.partition_index);
    if (partition == nullptr)
        return refused(wanted.partition_index, ErrorCode::unknown_topic_or_partition);
    BrokerIds isr;
    for (const auto& member : members_of(wanted)) isr.push_back(member.broker_id);
    ErrorCode code = check(wanted, isr, leader, *partition, state);
    if (code != ErrorCode::none) return refused(wanted.partition_index, code);

    PartitionChange change = partition_change(state, topic, wanted.partition_index, *partition);
    if (state.elects_unclean_leaders(topic.name)) change.set_election(Election::unclean);
    change.set_isr(std::move(isr));
    change.set_recovery(static_cast<LeaderRecovery>(wanted.leader_recovery_state));
    std::optional<metadata::VersionedRecord> record = change.build();
    if (!record) return describe(wanted.partition_index, *partition);

    const auto& changed = std::get<PartitionChangeRecord>(record->message);
    Result<metadata::Partition> next = partition->changed_by(changed);
    CHECK(next.has_value());
    std::int32_t elected = changed.leader;
    records.push_back(*std::move(record));
    if (elected != metadata::leader_unchanged && elected != leader)
        return refused(wanted.partition_index, ErrorCode::new_leader_elected);
    return describe(wanted.partition_index, *next);
}

}  // namespace

Decision<AlterPartitionResponse> decide(const AlterPartition& command, const State& state, Inputs) {
    const AlterPartitionRequest& request = command.request;
    Decision<AlterPartitionResponse> decision{.records = {}, .response = {}, .atomic = false};
    if (Result<> known = state.check_broker_epoch(request.broker_id, request.broker_epoch);
        !known) {
        decision.response.error_code = known.error().code;
        return decision;
    }
    for (const auto& wanted_topic : request.topics) {
        auto& answer = decision.response.topics.emplace_back();
        answer.topic_id = wanted_topic.topic_id;
        const metadata::Topic* topic = state.image().topics.find(wanted_topic.topic_id);
        for (const Wanted& wanted : wanted_topic.partitions) {
            answer.partitions.push_back(
                topic == nullptr
                    ? refused(wanted.partition_index, ErrorCode::unknown_topic_id)
                    : alter(wanted, request.broker_id, *topic, state, decision.records));
        }
    }
    return decision;
}

}  // namespace millrace::controller
