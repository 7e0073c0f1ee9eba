// The share groups as the log and the image have them, their members' sessions, and what others are
// told; decisions about members are in share_heartbeat.cc, those about offsets in share_offsets.cc.

#include "core/groups/share_groups.h"

#include <algorithm>

#include "core/groups/groups_by_id.h"

namespace millrace::groups {
namespace {

// A member that could not be removed because the log was not written is tried again.
constexpr Duration removal_retry = Duration::milliseconds(500);

}  // namespace

void ShareGroups::apply(ShareGroupEntry entry) {
    if (std::holds_alternative<GroupEpochGone>(entry.change)) {
        groups_.erase(entry.group);
        soft_.erase(entry.group);
        return;
    }
    ShareGroup* group = group_of(groups_, entry.group, entry.change);
    if (group == nullptr) return;
    if (auto* left = std::get_if<MemberSubscriptionGone>(&entry.change)) {
        auto soft = soft_.find(entry.group);
        if (soft != soft_.end()) soft->second.sessions.erase(left->member_id);
    }
    group->apply(std::move(entry.change));
}

void ShareGroups::loaded(Time now) {
    for (const auto& [id, group] : groups_) {
        GroupTimes times = options_.share.times(*image_, id);
        for (const auto& [member_id, member] : group.members())
            set_session(id, member_id, now + times.session_timeout);
    }
}

void ShareGroups::clear() {
    groups_.clear();
    soft_.clear();
    wake_at_ = Time::never();
}

const ShareGroup* ShareGroups::find(const std::string& group_id) const {
    return find_group(groups_, group_id);
}

// Share groups are few and small: each looks again at what it subscribes to.
void ShareGroups::set_image(metadata::ImagePtr image) {
    metadata::ImagePtr before = std::exchange(image_, std::move(image));
    for (auto& [id, soft] : soft_) {
        const ShareGroup* group = find(id);
        if (group == nullptr) continue;
        for (const auto& [name, count] : group->topics()) {
            std::string_view topic = name;
            const metadata::Topic* then = before->topics.find(topic);
            const metadata::Topic* now = image_->topics.find(topic);
            if (then == now) continue;
            hashes_.forget(name);
            soft.topics_known_at.reset();
        }
    }
}

void ShareGroups::set_session(const std::string& group_id, const std::string& member_id,
                              Time until) {
    soft_[group_id].sessions[member_id] = until;
    wake_at_ = std::min(wake_at_, until);
}

std::optional<std::vector<GroupRecord>> ShareGroups::next_expired(Time now) {
    if (now < wake_at_) return std::nullopt;
    for (auto& [id, soft] : soft_) {
        const ShareGroup* group = find(id);
        if (group == nullptr) continue;
        std::erase_if(soft.sessions,
                      [&](const auto& entry) { return group->find(entry.first) == nullptr; });
        std::vector<const ShareMember*> expired;
        for (auto& [member_id, until] : soft.sessions) {
            if (until > now) continue;
            expired.push_back(group->find(member_id));
            until = now + removal_retry;
        }
        if (expired.empty()) continue;
        std::vector<GroupRecord> records;
        remove(*group, expired, records);
        return records;
    }
    std::erase_if(soft_, [&](const auto& entry) { return find(entry.first) == nullptr; });
    wake_at_ = Time::never();
    for (const auto& [id, soft] : soft_) {
        for (const auto& [member, until] : soft.sessions) wake_at_ = std::min(wake_at_, until);
    }
    return std::nullopt;
}

std::vector<GroupRecord> ShareGroups::tombstones(const ShareGroup& group) {
    std::vector<GroupRecord> records;
    for (const auto& [id, member] : group.members()) {
        records.push_back(share_current_tombstone(group.id(), id));
        records.push_back(share_target_tombstone(group.id(), id));
        records.push_back(share_subscription_tombstone(group.id(), id));
    }
    records.push_back(share_target_epoch_tombstone(group.id()));
    records.push_back(share_state_topics_tombstone(group.id()));
    records.push_back(share_epoch_tombstone(group.id()));
    return records;
}

ShareGroupDescribeResponse::DescribedGroup ShareGroups::describe(const ShareGroup& group) const {
    ShareGroupDescribeResponse::DescribedGroup told;
    told.group_id = group.id();
    told.group_state = group.state();
    told.group_epoch = group.epoch().epoch;
    told.assignment_epoch = group.target_epoch().epoch;
    told.assignor_name = "simple";
    for (const auto& [id, member] : group.members()) {
        auto& entry = told.members.emplace_back();
        entry.member_id = id;
        entry.rack_id = member.rack;
        entry.member_epoch = member.epoch;
        entry.client_id = member.client.id;
        entry.client_host = member.client.host;
        entry.subscribed_topic_names = {member.topics.begin(), member.topics.end()};
        for (const auto& [topic_id, partitions] : member.assigned) {
            const metadata::Topic* topic = image_->topics.find(topic_id);
            if (topic == nullptr) continue;
            entry.assignment.topic_partitions.push_back({topic_id, topic->name, partitions});
        }
    }
    return told;
}

std::map<Uuid, std::string> ShareGroups::topic_names(const ShareStateRequest& request) const {
    std::map<Uuid, std::string> names;
    for (const auto& [id, partitions] : request.topics) {
        const metadata::Topic* topic = image_->topics.find(id);
        if (topic != nullptr) names[id] = topic->name;
    }
    return names;
}

}  // namespace millrace::groups
