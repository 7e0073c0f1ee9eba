#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/groups/consumer_group.h"

namespace millrace::groups {

// A member of a share group (KIP-932). Members share partitions: what one has others may have, too,
// so that it is led to its target at once.
struct ShareMember {
    std::string id;
    std::optional<std::string> rack;
    Client client;
    std::set<std::string> topics;

    std::int32_t epoch = 0;
    std::int32_t previous_epoch = -1;
    Assignment assigned;

    bool operator==(const ShareMember&) const = default;
};

// Whose partitions have their state with the share coordinator.
struct ShareStateTopics {
    struct Topic {
        std::string name;
        std::set<std::int32_t> partitions;
        bool operator==(const Topic&) const = default;
    };
    using Topics = std::map<Uuid, Topic>;
    Topics initializing;
    Topics initialized;
    std::map<Uuid, std::string> deleting;

    bool operator==(const ShareStateTopics&) const = default;
};

struct ShareSubscription {  // of a ShareMember: all but its epochs and partitions
    ShareMember member;
};
struct ShareCurrent {  // of a ShareMember: its epochs and partitions
    ShareMember member;
};
struct ShareStateTopicsGone {
    using is_tombstone = void;
};

using ShareChange =
    std::variant<ShareSubscription, MemberSubscriptionGone, GroupEpoch, GroupEpochGone, TargetEpoch,
                 TargetEpochGone, MemberTarget, MemberTargetGone, ShareCurrent, MemberCurrentGone,
                 ShareStateTopics, ShareStateTopicsGone>;

// What the log says of one share group. Changed by its records alone.
class ShareGroup {
  public:
    explicit ShareGroup(std::string id) : id_(std::move(id)) {}

    void apply(ShareChange change);

    const std::string& id() const { return id_; }
    std::string_view state() const { return members_.empty() ? "Empty" : "Stable"; }
    const GroupEpoch& epoch() const { return epoch_; }
    const TargetEpoch& target_epoch() const { return target_epoch_; }
    const std::map<std::string, ShareMember>& members() const { return members_; }
    const ShareMember* find(const std::string& member_id) const;
    const Assignment& target_of(const std::string& member_id) const;
    const std::map<std::string, Assignment>& targets() const { return targets_; }
    const ShareStateTopics& state_topics() const { return state_topics_; }
    const SubscribedTopics& topics() const { return topics_; }
    // Those that come of a member's change; `before` or `after` is null for one that joins or
    // leaves.
    SubscribedTopics topics_with(const ShareMember* before, const ShareMember* after) const;
    // What is initialized is not what the target gives out: it is to be made anew.
    bool has_unassigned() const;

  private:
    void update(ShareMember member);
    ShareMember known_or_new(const std::string& member_id) const;

    void on(ShareSubscription& change);
    void on(MemberSubscriptionGone& change);
    void on(GroupEpoch& change) { epoch_ = change; }
    void on(GroupEpochGone&) {}
    void on(TargetEpoch& change) { target_epoch_ = change; }
    void on(TargetEpochGone&) { target_epoch_ = {.epoch = -1}; }
    void on(MemberTarget& change) { targets_[change.member_id] = std::move(change.partitions); }
    void on(MemberTargetGone& change) { targets_.erase(change.member_id); }
    void on(ShareCurrent& change);
    void on(MemberCurrentGone& change);
    void on(ShareStateTopics& change) { state_topics_ = std::move(change); }
    void on(ShareStateTopicsGone&) { state_topics_ = {}; }

    std::string id_;
    GroupEpoch epoch_{.epoch = 1};
    TargetEpoch target_epoch_;
    std::map<std::string, ShareMember> members_;
    std::map<std::string, Assignment> targets_;
    ShareStateTopics state_topics_;
    SubscribedTopics topics_;  // what follows from the members
};

}  // namespace millrace::groups
