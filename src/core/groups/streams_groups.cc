// The streams groups as the log and the image have them, and what is due by itself; decisions about
// members are in streams_heartbeat.cc, answers to others in streams_answers.cc.

#include "core/groups/streams_groups.h"

#include "core/groups/groups_by_id.h"

namespace millrace::groups {
namespace {

// A member that could not be fenced because the log was not written is tried again.
constexpr Duration fence_retry = Duration::milliseconds(500);

}  // namespace

void StreamsGroups::apply(StreamsEntry entry) {
    if (std::holds_alternative<GroupEpochGone>(entry.change)) {
        groups_.erase(entry.group);
        soft_.erase(entry.group);
        return;
    }
    StreamsGroup* group = group_of(groups_, entry.group, entry.change);
    if (group == nullptr) return;
    auto soft = soft_.find(entry.group);
    if (auto* left = std::get_if<MemberSubscriptionGone>(&entry.change)) {
        if (soft != soft_.end()) soft->second.members.erase(left->member_id);
    }
    group->apply(std::move(entry.change));
    if (soft != soft_.end() && group->members().empty()) soft->second.shutdown_by.reset();
}

void StreamsGroups::loaded(Time now) {
    for (const auto& [id, group] : groups_) {
        StreamsSettings settings = options_.streams.settings(*image_, id);
        for (const auto& [member_id, member] : group.members()) {
            Deadlines& due = soft_[id].members[member_id];
            due.session = now + settings.times.session_timeout;
            if (member.state == StreamsMemberState::unrevoked_tasks) {
                due.rebalance = now + Duration::milliseconds(member.rebalance_timeout_ms);
                due.rebalance_epoch = member.epoch;
            }
            wake_by(due.first());
        }
    }
}

void StreamsGroups::clear() {
    groups_.clear();
    soft_.clear();
    wake_at_ = Time::never();
}

const StreamsGroup* StreamsGroups::find(const std::string& group_id) const {
    return find_group(groups_, group_id);
}

// Streams groups are few: each looks again at the topics that it needs.
void StreamsGroups::set_image(metadata::ImagePtr image) {
    metadata::ImagePtr before = std::exchange(image_, std::move(image));
    for (const auto& [id, group] : groups_) {
        if (!group.topology()) continue;
        for (const std::string& name : required_topics(*group.topology())) {
            std::string_view topic = name;
            if (before->topics.find(topic) == image_->topics.find(topic)) continue;
            hashes_.forget(name);
            auto soft = soft_.find(id);
            if (soft != soft_.end()) soft->second.topics_known = false;
        }
    }
}

std::int64_t StreamsGroups::hash_of(const StreamsTopology& topology) {
    SubscribedTopics topics;
    for (const std::string& topic : required_topics(topology)) topics[topic].by_name = 1;
    return hashes_.of(topics, *image_);
}

void StreamsGroups::add_tombstones(const StreamsGroup& group, std::vector<GroupRecord>& records) {
    const std::string& id = group.id();
    for (const auto& [member_id, member] : group.members())
        records.push_back(streams_current_tombstone(id, member_id));
    for (const auto& [member_id, member] : group.members())
        records.push_back(streams_target_tombstone(id, member_id));
    records.push_back(streams_target_epoch_tombstone(id));
    for (const auto& [member_id, member] : group.members())
        records.push_back(streams_member_tombstone(id, member_id));
    records.push_back(streams_epoch_tombstone(id));
    records.push_back(streams_topology_tombstone(id));
}

void StreamsGroups::remove(const StreamsGroup& group, const StreamsMember& member,
                           std::vector<GroupRecord>& records) const {
    records.push_back(streams_current_tombstone(group.id(), member.id));
    records.push_back(streams_target_tombstone(group.id(), member.id));
    records.push_back(streams_member_tombstone(group.id(), member.id));
    StreamsEpoch epoch = group.epoch();
    ++epoch.epoch;
    records.push_back(streams_epoch_record(group.id(), epoch));
}

// Deadlines ------------------------------------------------------------------------------------

std::optional<std::vector<GroupRecord>> StreamsGroups::fence_expired(const StreamsGroup& group,
                                                                     Soft& soft, Time now) const {
    for (auto& [id, due] : soft.members) {
        if (due.first() > now) continue;
        const StreamsMember* member = group.find(id);
        if (due.session > now && member->epoch != due.rebalance_epoch) {
            due.rebalance = Time::never();  // it has gone on since
            continue;
        }
        due = {.session = now + fence_retry};
        std::vector<GroupRecord> records;
        remove(group, *member, records);
        return records;
    }
    return std::nullopt;
}

std::optional<std::vector<GroupRecord>> StreamsGroups::first_assignment(const StreamsGroup& group,
                                                                        Soft& soft,
                                                                        Moment now) const {
    soft.first_assignment = Time::never();
    const StreamsEpoch& epoch = group.epoch();
    const TargetEpoch& last = group.target_epoch();
    Duration interval = options_.streams.settings(*image_, group.id()).times.assignment_interval;
    if (group.members().empty() || !soft.configured || epoch.epoch <= last.epoch ||
        last.stands_at(now.wall_ms, interval)) {
        return std::nullopt;
    }
    std::vector<GroupRecord> records;
    compute_target(group, nullptr, *soft.configured, epoch, now.wall_ms, records);
    return records;
}

std::optional<std::vector<GroupRecord>> StreamsGroups::next_due(Moment now) {
    if (now.time < wake_at_) return std::nullopt;
    std::erase_if(soft_, [&](const auto& entry) {
        return find(entry.first) == nullptr && entry.second.first_assignment == Time::never();
    });
    for (auto& [id, soft] : soft_) {
        const StreamsGroup* group = find(id);
        if (group == nullptr) {
            if (soft.first_assignment <= now.time) soft.first_assignment = Time::never();
            continue;
        }
        std::erase_if(soft.members,
                      [&](const auto& entry) { return group->find(entry.first) == nullptr; });
        if (auto records = fence_expired(*group, soft, now.time)) return records;
        if (soft.first_assignment > now.time) continue;
        if (auto records = first_assignment(*group, soft, now)) return records;
    }
    wake_at_ = Time::never();
    for (const auto& [id, soft] : soft_) {
        wake_by(soft.first_assignment);
        for (const auto& [member, due] : soft.members) wake_by(due.first());
    }
    return std::nullopt;
}

}  // namespace millrace::groups
