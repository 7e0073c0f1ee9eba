#include "cli/reset_targets.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <string>

#include "cli/output.h"
#include "client/admin_offsets.h"
#include "client/admin_topics.h"

namespace millrace::cli {

using client::TopicPartition;

Task<Result<>> ResetTargets::check_partitions(const std::vector<TopicPartition>& partitions) {
    std::set<std::string> topics;
    for (const auto& partition : partitions) topics.insert(partition.topic);
    std::vector<std::string> names(topics.begin(), topics.end());
    auto described = co_await client::describe_topics(admin_, std::move(names));
    std::vector<std::string> missing;
    std::vector<std::string> leaderless;
    for (const auto& partition : partitions) {
        auto& topic = described.at(partition.topic);
        if (!topic && topic.error().code != ErrorCode::unknown_topic_or_partition) {
            co_return fail(topic.error());
        }
        auto index = static_cast<std::size_t>(partition.partition);
        if (!topic || partition.partition < 0 || index >= topic->partitions.size()) {
            missing.push_back(to_string(partition));
        } else if (topic->partitions[index].leader < 0) {
            leaderless.push_back(to_string(partition));
        }
    }
    if (!missing.empty()) {
        co_return fail(ErrorCode::unknown_topic_or_partition,
                       fmt::format("The partitions \"{}\" do not exist", fmt::join(missing, ",")));
    }
    if (!leaderless.empty()) {
        co_return fail(
            ErrorCode::leader_not_available,
            fmt::format("The partitions \"{}\" have no leader", fmt::join(leaderless, ",")));
    }
    co_return Result<>();
}

Task<Result<ResetOffsets>> ResetTargets::listed(const std::vector<TopicPartition>& partitions,
                                                std::int64_t time) {
    ResetOffsets offsets;
    if (partitions.empty()) co_return offsets;
    ResetOffsets asked;
    for (const auto& partition : partitions) asked[partition] = time;
    auto outcomes = co_await client::list_offsets(admin_, std::move(asked));
    for (auto& [partition, offset] : outcomes) {
        if (!offset) co_return fail(std::move(offset).error());
        offsets[partition] = offset->offset;
    }
    co_return offsets;
}

Task<Result<ResetOffsets>> ResetTargets::within_log(ResetOffsets offsets) {
    std::vector<TopicPartition> partitions;
    for (const auto& [partition, offset] : offsets) partitions.push_back(partition);
    ASSIGN_OR_CO_RETURN(ResetOffsets first,
                        co_await listed(partitions, client::offset_at::earliest));
    ASSIGN_OR_CO_RETURN(ResetOffsets last, co_await listed(partitions, client::offset_at::latest));
    for (auto& [partition, offset] : offsets) {
        std::int64_t nearest = std::clamp(offset, first.at(partition),
                                          std::max(first.at(partition), last.at(partition)));
        if (nearest == offset) continue;
        output_.error(
            fmt::format("New offset ({}) is {} than {} offset for topic partition "
                        "{}. Value will be set to {}",
                        offset, offset < nearest ? "lower" : "higher",
                        offset < nearest ? "earliest" : "latest", to_string(partition), nearest));
        offset = nearest;
    }
    co_return offsets;
}

Task<Result<ResetOffsets>> ResetTargets::at_time(const std::vector<TopicPartition>& partitions,
                                                 Timestamp time) {
    ASSIGN_OR_CO_RETURN(ResetOffsets offsets, co_await listed(partitions, time));
    std::vector<TopicPartition> without;
    for (const auto& [partition, offset] : offsets) {
        if (offset >= 0) continue;
        without.push_back(partition);
        output_.error(
            fmt::format("\nWarn: Partition {} from topic {} is empty. Falling back "
                        "to latest known offset.",
                        partition.partition, partition.topic));
    }
    ASSIGN_OR_CO_RETURN(ResetOffsets ends, co_await listed(without, client::offset_at::latest));
    for (const auto& [partition, offset] : ends) offsets[partition] = offset;
    co_return offsets;
}

}  // namespace millrace::cli
