#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/groups/consumer_member.h"
#include "core/groups/consumer_records.h"
#include "core/groups/java_order.h"

namespace millrace::groups {

enum class ConsumerGroupState : std::uint8_t { empty, assigning, reconciling, stable, dead };
std::string_view to_string(ConsumerGroupState state);  // "Reconciling"

// How many members name a topic, and how many of the subscribed regular expressions mean it.
struct SubscriptionCount {
    int by_name = 0;
    int by_regex = 0;
};
using SubscribedTopics = std::map<std::string, SubscriptionCount>;
using SubscribedRegexes = std::map<std::string, int>;  // by how many members

// All members subscribe to the same topics, or not: assignors have it easier when they do.
enum class SubscriptionType : std::uint8_t { homogeneous, heterogeneous };
SubscriptionType subscription_type(const SubscribedRegexes& regexes, const SubscribedTopics& topics,
                                   std::size_t members);

// What the log says of one group of the consumer protocol (KIP-848). Changed by its records alone.
class ConsumerGroup {
  public:
    explicit ConsumerGroup(std::string id) : id_(std::move(id)) {}

    void apply(ConsumerChange change);

    const std::string& id() const { return id_; }
    ConsumerGroupState state() const;
    const GroupEpoch& epoch() const { return epoch_; }
    const TargetEpoch& target_epoch() const { return target_epoch_; }
    bool has_old_subscription_metadata() const { return old_subscription_metadata_; }

    const std::map<std::string, ConsumerMember>& members() const { return members_; }
    std::size_t size() const { return members_.size(); }
    // Their ids in the order in which Apache Kafka goes through them: who comes first gets more.
    std::vector<std::string> member_order() const { return seats_.keys(); }
    // Null when there is none.
    const ConsumerMember* find(const std::string& member_id) const;
    const ConsumerMember* find_static(const std::optional<std::string>& instance_id) const;

    // What the member is to have in the end.
    const Assignment& target_of(const std::string& member_id) const;
    // The same for one whose place under this instance id may be another member's still.
    const Assignment& target_of(const ConsumerMember& member) const;
    const std::map<std::string, Assignment>& targets() const { return targets_; }
    // The epoch of the member that has the partition, or must give it back; -1 when nobody has.
    std::int32_t partition_epoch(const Uuid& topic, std::int32_t partition) const;
    // Others have something still that is to be the member's.
    bool waits_for_partitions(const ConsumerMember& member) const;

    const SubscribedTopics& topics() const { return topics_; }
    const SubscribedRegexes& regexes() const { return regexes_; }
    const std::map<std::string, ResolvedRegex>& resolved() const { return resolved_; }
    int subscribers_of(const std::string& regex) const;
    SubscriptionType subscription_type() const;
    // Those that come of a member's change; `before` or `after` is null for one that joins or
    // leaves.
    SubscribedTopics topics_with(const ConsumerMember* before, const ConsumerMember* after) const;
    SubscribedRegexes regexes_with(const ConsumerMember* before, const ConsumerMember* after) const;
    SubscribedTopics topics_without(const std::vector<const ConsumerMember*>& leaving) const;
    // Of the subscribed expressions, those that nobody else subscribes to.
    std::vector<std::string> regexes_only_of(
        const std::vector<const ConsumerMember*>& leaving) const;

    // The assignor that most members ask for; none where none asks.
    std::optional<std::string> preferred_assignor(const ConsumerMember* before = nullptr,
                                                  const ConsumerMember* after = nullptr) const;
    std::size_t classic_members() const { return classic_members_; }
    // A classic member with these protocols has one in common with all others.
    bool supports(std::string_view protocol_type, const std::vector<std::string>& protocols) const;

  private:
    void update(ConsumerMember member);
    void remove(const std::string& member_id);
    void count(const ConsumerMember& member, int by);
    void count_regex_topics(const std::set<std::string>& topics, int by);
    void hold(const EpochAssignment& partitions, std::int32_t epoch);
    void release(const EpochAssignment& partitions, std::int32_t epoch);
    ConsumerMember known_or_new(const std::string& member_id) const;

    void on(MemberSubscription& change);
    void on(MemberSubscriptionGone& change) { remove(change.member_id); }
    void on(GroupEpoch& change) { epoch_ = change; }
    void on(GroupEpochGone&) {}
    void on(OldSubscriptionMetadata&) { old_subscription_metadata_ = true; }
    void on(OldSubscriptionMetadataGone&) { old_subscription_metadata_ = false; }
    void on(TargetEpoch& change) { target_epoch_ = change; }
    void on(TargetEpochGone&) { target_epoch_ = {.epoch = -1}; }
    void on(MemberTarget& change);
    void on(MemberTargetGone& change) { targets_.erase(change.member_id); }
    void on(MemberCurrent& change);
    void on(MemberCurrentGone& change);
    void on(RegexEntry& change);
    void on(RegexGone& change);

    std::string id_;
    GroupEpoch epoch_{.epoch = 1};
    TargetEpoch target_epoch_;
    bool old_subscription_metadata_ = false;
    std::map<std::string, ConsumerMember> members_;
    std::map<std::string, Assignment> targets_;
    std::map<std::string, ResolvedRegex> resolved_;

    // What follows from the members.
    TimelineTable seats_;
    std::map<std::string, std::string> static_members_;  // instance id -> member id
    std::map<Uuid, std::map<std::int32_t, std::int32_t>> partition_epochs_;
    std::map<std::int32_t, std::size_t> stable_at_;  // members in state stable, by epoch
    SubscribedTopics topics_;
    SubscribedRegexes regexes_;
    std::map<std::string, int> assignors_;
    TimelineTable assignor_order_;
    std::map<std::string, int> classic_protocols_;
    std::size_t classic_members_ = 0;
};

}  // namespace millrace::groups
