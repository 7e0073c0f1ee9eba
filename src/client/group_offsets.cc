#include "client/group_offsets.h"

#include <fmt/format.h>
#include <map>

#include "protocol/offset_commit.h"
#include "protocol/offset_fetch.h"

namespace millrace::client {
namespace {

// The last version of either API that names topics by name.
constexpr std::int16_t last_with_names = 9;
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
        code == ErrorCode::unknown_member_id || code == ErrorCode::stale_member_epoch)
        advice = "; the partitions may be another member's by now: go on with poll()";
    return {code, fmt::format("{} of group {}: {} ({}){}", doing, group, meaning_of(code),
                              name_of(code), advice)};
}

// Ids of topics, where all of them are known, and their names.
class TopicIds {
  public:
    template <typename Names>
    TopicIds(const ClusterMetadata& metadata, const Names& partitions) {
        for (const auto& each : partitions) {
            const TopicPartition& partition = name_in(each);
            const TopicInfo* info = metadata.topic(std::string_view(partition.topic));
            if (info == nullptr || info->id.is_zero()) {
                complete_ = false;
                return;
            }
            ids_.emplace(partition.topic, info->id);
            names_.emplace(info->id, partition.topic);
        }
    }
    // The highest version that can name them all.
    std::int16_t max_version() const {
        return complete_ ? CallOptions{}.max_version : last_with_names;
    }
    Uuid id_of(const std::string& name) const {
        auto found = ids_.find(name);
        return found == ids_.end() ? Uuid() : found->second;
    }
    template <typename Topic>
    std::string name_of(const Topic& topic) const {
        if (!topic.name.empty()) return std::string(topic.name);
        auto found = names_.find(topic.topic_id);
        return found == names_.end() ? topic.topic_id.to_string() : found->second;
    }

  private:
    static const TopicPartition& name_in(const TopicPartition& partition) { return partition; }
    static const TopicPartition& name_in(
        const std::pair<const TopicPartition, OffsetAndMetadata>& entry) {
        return entry.first;
    }

    bool complete_ = true;
    std::map<std::string, Uuid> ids_;
    std::map<Uuid, std::string> names_;
};

// The errors that waiting does not mend come first.
void note(Result<>& outcome, Error error) {
    if (outcome || (is_retriable(outcome.error().code) && !is_retriable(error.code)))
        outcome = fail(std::move(error));
}

OffsetCommitRequest commit_request(const Committer& as, const PartitionOffsets& offsets,
                                   const TopicIds& ids) {
    OffsetCommitRequest request;
    request.group_id = as.group_id;
    request.generation_id_or_member_epoch = as.generation;
    request.member_id = as.member_id;
    request.group_instance_id = as.instance_id;
    for (const auto& [partition, offset] : offsets) {
        if (request.topics.empty() || request.topics.back().name != partition.topic)
            request.topics.push_back({partition.topic, ids.id_of(partition.topic), {}});
        request.topics.back().partitions.push_back(
            {partition.partition, offset.offset, offset.leader_epoch, offset.metadata});
    }
    return request;
}

OffsetFetchRequest fetch_request(const Committer& as, const Partitions& partitions, bool stable,
                                 std::int16_t version, const TopicIds& ids) {
    std::map<std::string, std::vector<std::int32_t>> topics;
    for (const TopicPartition& partition : partitions)
        topics[partition.topic].push_back(partition.partition);
    OffsetFetchRequest request;
    request.require_stable = stable && version >= 7;
    if (version < first_fetch_of_groups) {
        request.group_id = as.group_id;
        for (auto& [topic, indexes] : topics)
            request.topics->push_back({topic, std::move(indexes)});
        return request;
    }
    OffsetFetchRequest::OffsetFetchRequestGroup group;
    group.group_id = as.group_id;
    if (!as.member_id.empty()) {
        group.member_id = as.member_id;
        group.member_epoch = as.generation;
    }
    for (auto& [topic, indexes] : topics)
        group.topics->push_back({topic, ids.id_of(topic), std::move(indexes)});
    request.groups.push_back(std::move(group));
    return request;
}

// Of either shape of the response.
template <typename Topics, typename NameOf>
void take_offsets(const Topics& topics, const NameOf& name_of, PartitionOffsets& offsets,
                  ErrorCode& worst) {
    for (const auto& topic : topics) {
        std::string name = name_of(topic);
        for (const auto& told : topic.partitions) {
            if (told.error_code != ErrorCode::none) {
                if (worst == ErrorCode::none || is_retriable(worst)) worst = told.error_code;
            } else if (told.committed_offset >= 0) {
                offsets[{name, told.partition_index}] = {
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
    TopicIds ids(*cluster.metadata(), offsets);
    OffsetCommitRequest request = commit_request(as, offsets, ids);
    CallOptions options;
    options.max_version = ids.max_version();
    auto reply = co_await (*connection)->call(request, options);
    if (!reply) {
        cluster.forget_coordinator(CoordinatorType::group, as.group_id);
        co_return fail(std::move(reply).error());
    }
    Result<> outcome;
    for (const auto& topic : reply->response.topics) {
        for (const auto& told : topic.partitions) {
            if (told.error_code == ErrorCode::none) continue;
            TopicPartition partition{ids.name_of(topic), told.partition_index};
            note(outcome, refused(cluster, as.group_id,
                                  fmt::format("Offset {} of {} was not committed as an offset",
                                              offsets[partition].offset, to_string(partition)),
                                  told.error_code));
        }
    }
    co_return outcome;
}

Task<Result<PartitionOffsets>> fetch_offsets_once(Cluster& cluster, Committer as,
                                                  Partitions partitions, bool stable) {
    Cluster::Connected connection =
        co_await cluster.coordinator(CoordinatorType::group, as.group_id);
    CO_RETURN_IF_ERROR(connection);
    TopicIds ids(*cluster.metadata(), partitions);
    ASSIGN_OR_CO_RETURN(std::int16_t version,
                        (*connection)->version_of(ApiKey::offset_fetch, ids.max_version()));
    OffsetFetchRequest request = fetch_request(as, partitions, stable, version, ids);
    CallOptions options;
    options.max_version = version;
    auto reply = co_await (*connection)->call(request, options);
    if (!reply) {
        cluster.forget_coordinator(CoordinatorType::group, as.group_id);
        co_return fail(std::move(reply).error());
    }
    PartitionOffsets offsets;
    ErrorCode worst = reply->response.error_code;
    take_offsets(
        reply->response.topics, [](const auto& topic) { return std::string(topic.name); }, offsets,
        worst);
    for (const auto& group : reply->response.groups) {
        if (worst == ErrorCode::none) worst = group.error_code;
        take_offsets(
            group.topics, [&](const auto& topic) { return ids.name_of(topic); }, offsets, worst);
    }
    if (worst != ErrorCode::none)
        co_return fail(refused(cluster, as.group_id, "Committed offsets could not be read", worst));
    co_return offsets;
}

}  // namespace millrace::client
