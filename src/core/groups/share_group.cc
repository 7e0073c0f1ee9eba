#include "core/groups/share_group.h"

#include <algorithm>

namespace millrace::groups {
namespace {

void add_topics(SubscribedTopics& topics, const ShareMember* member, int by) {
    if (member == nullptr) return;
    for (const std::string& topic : member->topics) {
        SubscriptionCount& count = topics[topic];
        count.by_name += by;
        if (count.by_name <= 0) topics.erase(topic);
    }
}

}  // namespace

void ShareGroup::apply(ShareChange change) {
    std::visit([this](auto& each) { on(each); }, change);
}

const ShareMember* ShareGroup::find(const std::string& member_id) const {
    auto found = members_.find(member_id);
    return found == members_.end() ? nullptr : &found->second;
}

const Assignment& ShareGroup::target_of(const std::string& member_id) const {
    static const Assignment none;
    auto found = targets_.find(member_id);
    return found == targets_.end() ? none : found->second;
}

SubscribedTopics ShareGroup::topics_with(const ShareMember* before,
                                         const ShareMember* after) const {
    SubscribedTopics topics = topics_;
    add_topics(topics, before, -1);
    add_topics(topics, after, 1);
    return topics;
}

bool ShareGroup::has_unassigned() const {
    if (members_.empty()) return false;
    std::map<Uuid, std::set<std::int32_t>> given;
    for (const auto& [member, partitions] : targets_) {
        for (const auto& [topic, of_topic] : partitions)
            given[topic].insert(of_topic.begin(), of_topic.end());
    }
    return std::ranges::any_of(state_topics_.initialized, [&](const auto& entry) {
        return topics_.contains(entry.second.name) && given[entry.first] != entry.second.partitions;
    });
}

void ShareGroup::update(ShareMember member) {
    add_topics(topics_, find(member.id), -1);
    add_topics(topics_, &member, 1);
    std::string id = member.id;
    members_.insert_or_assign(std::move(id), std::move(member));
}

ShareMember ShareGroup::known_or_new(const std::string& member_id) const {
    const ShareMember* known = find(member_id);
    return known != nullptr ? *known : ShareMember{.id = member_id};
}

void ShareGroup::on(ShareSubscription& change) {
    ShareMember next = known_or_new(change.member.id);
    next.rack = std::move(change.member.rack);
    next.client = std::move(change.member.client);
    next.topics = std::move(change.member.topics);
    update(std::move(next));
}

void ShareGroup::on(MemberSubscriptionGone& change) {
    add_topics(topics_, find(change.member_id), -1);
    members_.erase(change.member_id);
}

void ShareGroup::on(ShareCurrent& change) {
    ShareMember next = known_or_new(change.member.id);
    next.epoch = change.member.epoch;
    next.previous_epoch = change.member.previous_epoch;
    next.assigned = std::move(change.member.assigned);
    update(std::move(next));
}

void ShareGroup::on(MemberCurrentGone& change) {
    const ShareMember* known = find(change.member_id);
    if (known == nullptr) return;
    ShareMember next = *known;
    next.epoch = leave_epoch;
    next.previous_epoch = leave_epoch;
    next.assigned.clear();
    update(std::move(next));
}

}  // namespace millrace::groups
