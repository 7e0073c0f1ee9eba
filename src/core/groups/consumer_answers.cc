// What groups of the consumer protocol say to commits and fetches of offsets, and what others are
// told of them.

#include <fmt/core.h>

#include "core/groups/consumer_groups.h"

namespace millrace::groups {
namespace {

using Told = ConsumerGroupDescribeResponse;

template <typename Partitions>
void add_topics(const std::map<Uuid, Partitions>& assignment, const metadata::Image& image,
                std::map<Uuid, Told::TopicPartitions>& told) {
    for (const auto& [topic_id, partitions] : assignment) {
        const metadata::Topic* topic = image.topics.find(topic_id);
        if (topic == nullptr) continue;
        Told::TopicPartitions& entry = told[topic_id];
        entry.topic_id = topic_id;
        entry.topic_name = topic->name;
        for (const auto& each : partitions) {
            if constexpr (std::is_same_v<Partitions, std::vector<std::int32_t>>) {
                entry.partitions.push_back(each);
            } else {
                entry.partitions.push_back(each.first);
            }
        }
    }
}

Told::Assignment as_told(std::map<Uuid, Told::TopicPartitions> topics) {
    Told::Assignment assignment;
    for (auto& [id, topic] : topics) assignment.topic_partitions.push_back(std::move(topic));
    return assignment;
}

}  // namespace

CommitCheck ConsumerGroups::check_commit(const ConsumerGroup& group, const std::string& member_id,
                                         const std::optional<std::string>& instance_id,
                                         std::int32_t epoch, std::int16_t version,
                                         bool transactional) const {
    if (epoch < 0 && group.members().empty()) return {};
    // A transactional producer without a consumer.
    if (transactional && epoch == -1 && member_id.empty() && !instance_id) return {};
    const ConsumerMember* member = group.find(member_id);
    if (member == nullptr) return {.whole = ErrorCode::unknown_member_id};
    if (!transactional && !member->classic && version < 9)
        return {.whole = ErrorCode::unsupported_version};
    if (epoch == member->epoch) return {};
    // Transactional producers know of no other code.
    ErrorCode stale = member->classic || transactional ? ErrorCode::illegal_generation
                                                       : ErrorCode::stale_member_epoch;
    if (epoch > member->epoch) return {.whole = stale};
    // An older epoch will do for what the member has had since then.
    return {.partition = [member, epoch, stale](const std::string&, const Uuid& topic,
                                                std::int32_t partition) {
        for (const EpochAssignment* had : {&member->assigned, &member->pending_revocation}) {
            auto of_topic = had->find(topic);
            if (of_topic == had->end()) continue;
            auto since = of_topic->second.find(partition);
            if (since != of_topic->second.end())
                return since->second <= epoch ? ErrorCode::none : stale;
        }
        return stale;
    }};
}

Result<> ConsumerGroups::check_fetch(const ConsumerGroup& group,
                                     const std::optional<std::string>& member_id,
                                     std::int32_t epoch) const {
    if (!member_id && epoch < 0) return {};
    const ConsumerMember* member = group.find(member_id.value_or(""));
    if (member == nullptr) return fail(ErrorCode::unknown_member_id);
    if (member->epoch == epoch) return {};
    return fail(member->classic ? ErrorCode::illegal_generation : ErrorCode::stale_member_epoch);
}

Told::DescribedGroup ConsumerGroups::describe(const ConsumerGroup& group) const {
    Told::DescribedGroup told;
    told.group_id = group.id();
    told.group_state = to_string(group.state());
    told.group_epoch = group.epoch().epoch;
    told.assignment_epoch = group.target_epoch().epoch;
    told.assignor_name = group.preferred_assignor().value_or(options_.consumer.assignors.front());
    for (const auto& [id, member] : group.members()) {
        auto& entry = told.members.emplace_back();
        entry.member_id = id;
        entry.instance_id = member.instance_id;
        entry.rack_id = member.rack;
        entry.member_epoch = member.epoch;
        entry.client_id = member.client.id;
        entry.client_host = member.client.host;
        entry.subscribed_topic_names = {member.topics.begin(), member.topics.end()};
        entry.subscribed_topic_regex = member.regex;
        std::map<Uuid, Told::TopicPartitions> assigned;
        add_topics(member.assigned, *image_, assigned);
        add_topics(member.pending_revocation, *image_, assigned);
        entry.assignment = as_told(std::move(assigned));
        std::map<Uuid, Told::TopicPartitions> target;
        add_topics(group.target_of(id), *image_, target);
        entry.target_assignment = as_told(std::move(target));
        entry.member_type = member.classic ? 0 : 1;
    }
    return told;
}

}  // namespace millrace::groups
