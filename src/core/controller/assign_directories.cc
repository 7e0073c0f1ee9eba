#include "core/controller/assign_directories.h"

#include <utility>

#include "core/controller/elections.h"
#include "core/controller/state.h"

namespace millrace::controller {
namespace {

ErrorCode assign(const State& state, const metadata::Topic* topic, std::int32_t index,
                 std::int32_t broker, const Uuid& directory, metadata::Records& records) {
    if (topic == nullptr) return ErrorCode::unknown_topic_id;
    const metadata::Partition* partition = topic->partition(index);
    if (partition == nullptr) return ErrorCode::unknown_topic_or_partition;
    if (!metadata::contains(partition->replicas, broker)) return ErrorCode::not_leader_or_follower;
    PartitionChange change = partition_change(state, *topic, index, *partition);
    change.set_directory(broker, directory);
    if (auto record = change.build()) records.push_back(*std::move(record));
    return ErrorCode::none;
}

}  // namespace

Decision<AssignReplicasToDirsResponse> decide(const AssignDirectories& command, const State& state,
                                              Inputs) {
    const AssignReplicasToDirsRequest& request = command.request;
    Decision<AssignReplicasToDirsResponse> decision{.records = {}, .response = {}, .atomic = false};
    if (!state.metadata_version().supports_directories()) {
        decision.response.error_code = ErrorCode::unsupported_version;
        return decision;
    }
    if (Result<> known = state.check_broker_epoch(request.broker_id, request.broker_epoch);
        !known) {
        decision.response.error_code = known.error().code;
        return decision;
    }
    const metadata::Broker& broker = *state.broker(request.broker_id);
    PartitionKeys in_failed_directories;
    for (const auto& directory : request.directories) {
        auto& directory_answer = decision.response.directories.emplace_back();
        directory_answer.id = directory.id;
        bool failed = !broker.has_online_directory(directory.id);
        for (const auto& wanted : directory.topics) {
            auto& topic_answer = directory_answer.topics.emplace_back();
            topic_answer.topic_id = wanted.topic_id;
            const metadata::Topic* topic = state.image().topics.find(wanted.topic_id);
            for (const auto& partition : wanted.partitions) {
                std::int32_t index = partition.partition_index;
                auto& answer = topic_answer.partitions.emplace_back();
                answer.partition_index = index;
                answer.error_code =
                    assign(state, topic, index, request.broker_id, directory.id, decision.records);
                if (failed && answer.error_code == ErrorCode::none)
                    in_failed_directories.insert({wanted.topic_id, index});
            }
        }
    }
    append_partition_changes(state, {.removed = request.broker_id}, in_failed_directories,
                             decision.records);
    return decision;
}

}  // namespace millrace::controller
