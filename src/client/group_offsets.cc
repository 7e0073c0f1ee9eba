#include "client/group_offsets.h"

#include <fmt/format.h>
#include <map>

#include "protocol/offset_commit.h"
#include "protocol/offset_fetch.h"

namespace millrace::client {
namespace {

// The last versions that name topics by name.
constexpr std::int16_t last_commit_with_names = 9;
constexpr std::int16_t last_fetch_with_names = 9;
constexpr std::int16_t first_fetch_of_groups = 8;

bool is_lost_coordinator(ErrorCode code) {
    return code == ErrorCode::not_coordinator || code == ErrorCode::coordinator_not_available ||
           code == ErrorCode::network_exception || code == ErrorCode::request_timed_out;
}

// The error in words, with what follows from it.
Error refused(Cluster& cluster, const std::string& group, std::string_view doing, ErrorCode code) {
    if (is_lost_coordinator(code)) cluster.forget_coordinator(CoordinatorType::group, group);
    std::string_view advice;
    if (code == ErrorCode::rebalance_in_progress || code == ErrorCode::illegal_generation ||
        code == ErrorCode::unknown_member_id)
        advice = "; the partitions may be another member's by now: go on with poll()";
    return {code, fmt::format("{} of group {}: {} ({}){}", doing, group, meaning_of(code),
                              name_of(code), advice)};
}

// The errors that waiting does not mend come first.
void note(Result<>& outcome, Error error) {
    if (outcome || (is_retriable(outcome.error().code) && !is_retriable(error.code)))
        outcome = fail(std::move(error));
}

OffsetCommitRequest commit_request(const Committer& as, const PartitionOffsets& offsets) {
    OffsetCommitRequest request;
    request.group_id = as.group_id;
    request.generation_id_or_member_epoch = as.generation;
    request.member_id = as.member_id;
    request.group_instance_id = as.instance_id;
    for (const auto& [partition, offset] : offsets) {
        if (request.topics.empty() || request.topics.back().name != partition.topic)
            request.topics.push_back({partition.topic, Uuid(), {}});
        request.topics.back().partitions.push_back(
            {partition.partition, offset.offset, offset.leader_epoch, offset.metadata});
    }
    return request;
}

OffsetFetchRequest fetch_request(const std::string& group_id, const Partitions& partitions,
                                 bool stable, std::int16_t version) {
    std::map<std::string, std::vector<std::int32_t>> topics;
    for (const TopicPartition& partition : partitions)
        topics[partition.topic].push_back(partition.partition);
    OffsetFetchRequest request;
    request.require_stable = stable && version >= 7;
    if (version < first_fetch_of_groups) {
        request.group_id = group_id;
        for (auto& [topic, indexes] : topics)
            request.topics->push_back({topic, std::move(indexes)});
        return request;
    }
    OffsetFetchRequest::OffsetFetchRequestGroup group;
    group.group_id = group_id;
    for (auto& [topic, indexes] : topics)
        group.topics->push_back({topic, Uuid(), std::move(indexes)});
    request.groups.push_back(std::move(group));
    return request;
}

// Of either shape of the response.
template <typename Topics>
void take_offsets(const Topics& topics, PartitionOffsets& offsets, ErrorCode& worst) {
    for (const auto& topic : topics) {
        for (const auto& told : topic.partitions) {
            if (told.error_code != ErrorCode::none) {
                if (worst == ErrorCode::none || is_retriable(worst)) worst = told.error_code;
            } else if (told.committed_offset >= 0) {
                offsets[{topic.name, told.partition_index}] = {
                    told.committed_offset, told.committed_leader_epoch, told.metadata.value_or("")};
            }
        }
    }
}

}  // namespace

Task<Result<>> commit_offsets_once(Cluster& cluster, Committer as, PartitionOffsets offsets) {
    Cluster::Connected connection =
        co_await cluster.coordinator(CoordinatorType::group, as.group_id);
    CO_RETURN_IF_ERROR(connection);
    OffsetCommitRequest request = commit_request(as, offsets);
    CallOptions options;
    options.max_version = last_commit_with_names;
    auto reply = co_await (*connection)->call(request, options);
    if (!reply) {
        cluster.forget_coordinator(CoordinatorType::group, as.group_id);
        co_return fail(std::move(reply).error());
    }
    Result<> outcome;
    for (const auto& topic : reply->response.topics) {
        for (const auto& told : topic.partitions) {
            if (told.error_code == ErrorCode::none) continue;
            TopicPartition partition{topic.name, told.partition_index};
            note(outcome, refused(cluster, as.group_id,
                                  fmt::format("Offset {} of {} was not committed as an offset",
                                              offsets[partition].offset, to_string(partition)),
                                  told.error_code));
        }
    }
    co_return outcome;
}

Task<Result<PartitionOffsets>> fetch_offsets_once(Cluster& cluster, std::string group_id,
                                                  Partitions partitions, bool stable) {
    Cluster::Connected connection = co_await cluster.coordinator(CoordinatorType::group, group_id);
    CO_RETURN_IF_ERROR(connection);
    ASSIGN_OR_CO_RETURN(std::int16_t version,
                        (*connection)->version_of(ApiKey::offset_fetch, last_fetch_with_names));
    OffsetFetchRequest request = fetch_request(group_id, partitions, stable, version);
    CallOptions options;
    options.max_version = version;
    auto reply = co_await (*connection)->call(request, options);
    if (!reply) {
        cluster.forget_coordinator(CoordinatorType::group, group_id);
        co_return fail(std::move(reply).error());
    }
    PartitionOffsets offsets;
    ErrorCode worst = reply->response.error_code;
    take_offsets(reply->response.topics, offsets, worst);
    for (const auto& group : reply->response.groups) {
        if (worst == ErrorCode::none) worst = group.error_code;
        take_offsets(group.topics, offsets, worst);
    }
    if (worst != ErrorCode::none)
        co_return fail(refused(cluster, group_id, "Committed offsets could not be read", worst));
    co_return offsets;
}

}  // namespace millrace::client
