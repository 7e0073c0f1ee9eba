// The groups as the log and the image have them, and what is due by itself; decisions about
// members are in consumer_heartbeat.cc, classic members in consumer_migration.cc.

#include "core/groups/consumer_groups.h"

#include <algorithm>

#include "core/groups/groups_by_id.h"
#include "core/groups/topic_regex.h"

namespace millrace::groups {
namespace {

// A member that could not be fenced because the log was not written is tried again.
constexpr Duration fence_retry = Duration::milliseconds(500);

bool subscribes(const ConsumerGroup& group, const std::set<std::string>& topics) {
    return std::ranges::any_of(group.topics(),
                               [&](const auto& entry) { return topics.contains(entry.first); });
}

}  // namespace

ConsumerGroups::ConsumerGroups(const GroupOptions& options) : options_(options) {}

// The log --------------------------------------------------------------------------------------

void ConsumerGroups::apply(ConsumerEntry entry) {
    if (std::holds_alternative<GroupEpochGone>(entry.change)) {
        groups_.erase(entry.group);
        soft_.erase(entry.group);
        return;
    }
    ConsumerGroup* group = group_of(groups_, entry.group, entry.change);
    if (group == nullptr) return;
    if (auto* left = std::get_if<MemberSubscriptionGone>(&entry.change)) {
        forget_member(entry.group, left->member_id);
    }
    group->apply(std::move(entry.change));
}

void ConsumerGroups::loaded(Time now) {
    for (const auto& [id, group] : groups_) {
        GroupTimes times = options_.consumer.times(*image_, id);
        for (const auto& [member_id, member] : group.members()) {
            set_session(id, member_id, now + times.session_timeout);
            if (member.state != MemberState::unrevoked_partitions || member.classic) continue;
            Deadlines& due = deadlines(id, member_id);
            due.rebalance = now + Duration::milliseconds(member.rebalance_timeout_ms);
            due.rebalance_epoch = member.epoch;
            wake_by(due.rebalance);
        }
    }
}

void ConsumerGroups::clear() {
    groups_.clear();
    soft_.clear();
    unresolved_.clear();
    wake_at_ = Time::never();
}

const ConsumerGroup* ConsumerGroups::find(const std::string& group_id) const {
    return find_group(groups_, group_id);
}

void ConsumerGroups::add_tombstones(const ConsumerGroup& group, const ConsumerMember* replaced,
                                    const ConsumerMember* by, std::vector<GroupRecord>& records) {
    const std::string& group_id = group.id();
    for (const auto& [id, member] : group.members()) {
        const std::string& member_id = &member == replaced ? by->id : id;
        records.push_back(current_tombstone(group_id, member_id));
        records.push_back(target_tombstone(group_id, member_id));
        records.push_back(subscription_tombstone(group_id, member_id));
    }
    records.push_back(target_epoch_tombstone(group_id));
    for (const auto& [regex, resolved] : group.resolved())
        records.push_back(regex_tombstone(group_id, regex));
    records.push_back(old_subscription_metadata_tombstone(group_id));
    records.push_back(group_epoch_tombstone(group_id));
}

// The image ------------------------------------------------------------------------------------

void ConsumerGroups::set_image(metadata::ImagePtr image) {
    metadata::ImagePtr before = std::exchange(image_, std::move(image));
    refresh_groups_of(*before);
}

void ConsumerGroups::refresh_groups_of(const metadata::Image& before) {
    std::set<std::string> changed;
    bool added = topics_added_at_ < 0;
    const auto& old_topics = before.topics.by_name();
    const auto& new_topics = image_->topics.by_name();
    auto a = old_topics.begin();
    auto b = new_topics.begin();
    while (a != old_topics.end() || b != new_topics.end()) {
        if (a != old_topics.end() && b != new_topics.end() && a.whole_chunk() != nullptr &&
            a.whole_chunk() == b.whole_chunk()) {
            a.skip_chunk();
            b.skip_chunk();
        } else if (b == new_topics.end() || (a != old_topics.end() && a->key < b->key)) {
            changed.emplace(a->key);
            ++a;
        } else if (a == old_topics.end() || b->key < a->key) {
            changed.emplace(b->key);
            added = true;
            ++b;
        } else {
            if (a->value != b->value) {
                changed.emplace(a->key);
                added = added || a->value->id != b->value->id;
            }
            ++a;
            ++b;
        }
    }
    if (added) topics_added_at_ = image_->offset;
    if (changed.empty()) return;
    for (const std::string& topic : changed) hashes_.forget(topic);
    for (auto& [id, soft] : soft_) {
        const ConsumerGroup* group = find(id);
        if (group != nullptr && subscribes(*group, changed)) soft.topics_known_at.reset();
    }
}

// Deadlines ------------------------------------------------------------------------------------

ConsumerGroups::Deadlines& ConsumerGroups::deadlines(const std::string& group_id,
                                                     const std::string& member_id) {
    return soft_[group_id].members[member_id];
}

void ConsumerGroups::set_session(const std::string& group_id, const std::string& member_id,
                                 Time until) {
    deadlines(group_id, member_id).session = until;
    wake_by(until);
}

void ConsumerGroups::forget_member(const std::string& group_id, const std::string& member_id) {
    auto soft = soft_.find(group_id);
    if (soft != soft_.end()) soft->second.members.erase(member_id);
}

// Null when there is none.
const ConsumerMember* ConsumerGroups::expired_member(const ConsumerGroup& group, Soft& soft,
                                                     Time now) {
    std::erase_if(soft.members, [&](const auto& entry) {
        return entry.second.first() <= now && group.find(entry.first) == nullptr;
    });
    for (auto& [id, due] : soft.members) {
        if (due.first() > now) continue;
        const ConsumerMember* member = group.find(id);
        bool only_rebalance = std::min({due.session, due.join, due.sync}) > now;
        if (only_rebalance && member->epoch != due.rebalance_epoch) {
            due.rebalance = Time::never();  // it has gone on since
            continue;
        }
        due = {.session = now + fence_retry};
        return member;
    }
    return nullptr;
}

std::optional<ConsumerGroups::Due> ConsumerGroups::next_expired(Moment now) {
    if (now.time < wake_at_) return std::nullopt;
    for (auto& [id, soft] : soft_) {
        const ConsumerGroup* group = find(id);
        if (group == nullptr) continue;
        const ConsumerMember* expired = expired_member(*group, soft, now.time);
        if (expired == nullptr) continue;
        Due due{.group_id = id};
        fence(*group, {expired}, now, due.records, due.migration);
        return due;
    }
    std::erase_if(soft_, [&](const auto& entry) { return find(entry.first) == nullptr; });
    wake_at_ = Time::never();
    for (const auto& [id, soft] : soft_) {
        for (const auto& [member, due] : soft.members) wake_by(due.first());
    }
    return std::nullopt;
}

// Expressions ----------------------------------------------------------------------------------

std::optional<ConsumerGroups::Due> ConsumerGroups::next_resolved(Moment now) {
    while (!unresolved_.empty()) {
        std::string id = std::move(unresolved_.extract(unresolved_.begin()).value());
        const ConsumerGroup* group = find(id);
        if (group == nullptr) continue;
        Soft& soft = soft_[id];
        std::set<std::string> regexes = std::exchange(soft.regexes, {});
        Due due{.group_id = id};
        SubscribedTopics topics = group->topics();
        bool bump = false;
        for (auto& [regex, meaning] : resolve_regexes(regexes, *image_, now.wall_ms)) {
            if (group->subscribers_of(regex) == 0) continue;
            auto known = group->resolved().find(regex);
            static const std::set<std::string> none;
            const auto& before = known == group->resolved().end() ? none : known->second.topics;
            if (before != meaning.topics) {
                bump = true;
                for (const std::string& topic : before) --topics[topic].by_regex;
                for (const std::string& topic : meaning.topics) ++topics[topic].by_regex;
                std::erase_if(topics, [](const auto& entry) {
                    return entry.second.by_name <= 0 && entry.second.by_regex <= 0;
                });
            }
            due.records.push_back(regex_record(id, regex, meaning));
        }
        std::int64_t hash = hashes_.of(topics, *image_);
        if (bump || hash != group->epoch().metadata_hash) {
            std::int32_t epoch = group->epoch().epoch + 1;
            due.records.push_back(group_epoch_record(id, {epoch, hash}));
            soft.topics_known_at = epoch;
            ++rebalances_;
        }
        if (!due.records.empty()) return due;
    }
    return std::nullopt;
}

}  // namespace millrace::groups
