#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/groups/consumer_group.h"
#include "core/groups/group_options.h"
#include "core/groups/reconciliation.h"
#include "core/groups/target_assignment.h"
#include "core/groups/topic_hash.h"
#include "core/metadata/image.h"
#include "protocol/consumer_group_describe.h"
#include "protocol/consumer_group_heartbeat.h"
#include "protocol/heartbeat.h"
#include "protocol/join_group.h"
#include "protocol/leave_group.h"
#include "protocol/sync_group.h"

namespace millrace::groups {

// A group goes over to the other protocol when the records of its decision are in the log.
struct Migration {
    bool ends_classic = false;                 // whose requests that wait are told to join again
    std::unique_ptr<ClassicGroup> to_classic;  // takes the place of the consumer group
    bool rebalance = false;                    // it begins with one
};

template <typename Response>
struct GroupDecision {
    Response response;
    std::vector<GroupRecord> records;
    Migration migration;
};

// What time it is, for what runs out and for what is written.
struct Moment {
    Time time;
    Timestamp wall_ms = 0;
};

// What a group says to a commit of offsets: one code for each partition, of a member, or from
// outside.
struct CommitCheck {
    ErrorCode whole = ErrorCode::none;
    std::function<ErrorCode(const std::string& topic, const Uuid& id, std::int32_t partition)>
        partition;
};

// The groups of the consumer protocol (KIP-848) of one partition of __consumer_offsets. Decisions
// name records, and only applying them changes a group; they must be appended and applied before
// the next decision. Sessions and other deadlines lie beside the groups and begin anew with a load.
class ConsumerGroups {
  public:
    explicit ConsumerGroups(const GroupOptions& options);

    void apply(ConsumerEntry entry);
    void loaded(Time now);
    void clear();
    // The topics of the moment. Groups whose topics have changed are looked at with the next
    // heartbeat.
    void set_image(metadata::ImagePtr image);
    const metadata::Image& image() const { return *image_; }

    const ConsumerGroup* find(const std::string& group_id) const;
    const std::map<std::string, ConsumerGroup>& all() const { return groups_; }
    // How many times the epoch of a group has grown.
    std::uint64_t rebalances() const { return rebalances_; }

    // Error of a heartbeat that no group could answer: of its form, or for an unknown assignor.
    Result<> check(const ConsumerGroupHeartbeatRequest& request, std::int16_t version) const;
    // A member joins, leaves, or tells that it lives and what it has. `new_id` is the id of a
    // member that has none.
    using HeartbeatDecision = GroupDecision<ConsumerGroupHeartbeatResponse>;
    Result<HeartbeatDecision> heartbeat(const ConsumerGroup& group,
                                        const ConsumerGroupHeartbeatRequest& request,
                                        const Client& client, const std::string& new_id,
                                        Moment now);
    Result<HeartbeatDecision> leave(const ConsumerGroup& group,
                                    const ConsumerGroupHeartbeatRequest& request, Moment now);

    // Members of the classic protocol in a consumer group (KIP-848, migration).
    Result<GroupDecision<JoinGroupResponse>> join(const ConsumerGroup& group,
                                                  const JoinGroupRequest& request,
                                                  std::int16_t version, const Client& client,
                                                  const std::string& new_id, Moment now);
    SyncGroupResponse sync(const ConsumerGroup& group, const SyncGroupRequest& request, Time now);
    ErrorCode heartbeat(const ConsumerGroup& group, const HeartbeatRequest& request, Time now);
    GroupDecision<LeaveGroupResponse> leave(const ConsumerGroup& group,
                                            const LeaveGroupRequest& request, Moment now);
    // The consumer group that a classic one becomes, when it may.
    struct Upgrade {
        ConsumerGroup group;
        std::vector<GroupRecord> records;
    };
    Result<Upgrade> upgrade(const ClassicGroup& group);
    // Its members' sessions begin.
    void upgraded(const std::string& group_id, Time now);

    CommitCheck check_commit(const ConsumerGroup& group, const std::string& member_id,
                             const std::optional<std::string>& instance_id, std::int32_t epoch,
                             std::int16_t version, bool transactional) const;
    Result<> check_fetch(const ConsumerGroup& group, const std::optional<std::string>& member_id,
                         std::int32_t epoch) const;

    // What is due by itself, a group at a time; none when nothing is.
    struct Due {
        std::string group_id;
        std::vector<GroupRecord> records;
        Migration migration;
    };
    // A member whose session or rebalance has taken too long is fenced.
    std::optional<Due> next_expired(Moment now);
    // Expressions whose topics are to be looked up.
    std::optional<Due> next_resolved(Moment now);
    bool has_unresolved() const { return !unresolved_.empty(); }
    Time wake_at() const { return wake_at_; }

    ConsumerGroupDescribeResponse::DescribedGroup describe(const ConsumerGroup& group) const;
    // What deletes the group: an empty one, or one that goes over to the other protocol.
    static void add_tombstones(const ConsumerGroup& group, std::vector<GroupRecord>& records) {
        add_tombstones(group, nullptr, nullptr, records);
    }

  private:
    // What runs out for a member.
    struct Deadlines {
        Time session = Time::never();
        Time rebalance = Time::never();  // to give partitions back
        std::int32_t rebalance_epoch = 0;
        Time join = Time::never();  // of a classic member
        Time sync = Time::never();
        Time first() const { return std::min({session, rebalance, join, sync}); }
    };
    // What is not in the log.
    struct Soft {
        std::optional<std::int32_t> topics_known_at;  // the group's epoch; none: look again
        std::map<std::string, Deadlines> members;
        std::set<std::string> regexes;  // to be resolved
    };
    // A member on its way through a decision.
    struct Draft {
        const ConsumerGroup& group;
        ConsumerMember before;
        ConsumerMember now;
        std::vector<GroupRecord>& records;
        Moment moment;
        std::int32_t group_epoch = 0;
        SubscriptionType type = SubscriptionType::homogeneous;
        bool subscription_changed = false;
    };
    struct Target {
        std::int32_t epoch = 0;
        Assignment partitions;
    };
    enum class RegexChange : std::uint8_t { none, updated, updated_and_resolved };

    // Who takes part: a member of the group, a new one, or one that takes another's place.
    Result<ConsumerMember> seat(const ConsumerGroup& group,
                                const ConsumerGroupHeartbeatRequest& request,
                                const std::string& member_id,
                                std::vector<GroupRecord>& records) const;
    Result<ConsumerMember> seat_classic(const ConsumerGroup& group, const JoinGroupRequest& request,
                                        const std::string& member_id,
                                        std::vector<GroupRecord>& records) const;
    // Epoch of the group and its target, as the member's change asks for.
    Result<> update_group(Draft& draft);
    Result<RegexChange> update_regexes(Draft& draft);
    void update_epoch(Draft& draft, bool bump);
    Target update_target(Draft& draft);
    Result<> reconcile_member(Draft& draft, const Target& target, const Owned& owned);
    std::set<std::string> regexes_to_resolve(const Draft& draft, bool needed) const;
    // The same where a member's records are those of another that has taken its place.
    static void add_tombstones(const ConsumerGroup& group, const ConsumerMember* replaced,
                               const ConsumerMember* by, std::vector<GroupRecord>& records);
    Result<> check_size(const ConsumerGroup& group, const std::string& member_id) const;

    void fence(const ConsumerGroup& group, const std::vector<const ConsumerMember*>& members,
               Moment now, std::vector<GroupRecord>& records, Migration& migration);
    bool may_downgrade(const ConsumerGroup& group,
                       const std::vector<const ConsumerMember*>& without, bool replaced) const;
    void downgrade(const ConsumerGroup& group, const std::vector<const ConsumerMember*>& leaving,
                   const ConsumerMember* joining, bool rebalance, Moment now,
                   std::vector<GroupRecord>& records, Migration& migration) const;

    void set_session(const std::string& group_id, const std::string& member_id, Time until);
    Deadlines& deadlines(const std::string& group_id, const std::string& member_id);
    void wake_by(Time time) { wake_at_ = std::min(wake_at_, time); }
    void forget_member(const std::string& group_id, const std::string& member_id);
    const ConsumerMember* expired_member(const ConsumerGroup& group, Soft& soft, Time now);
    void refresh_groups_of(const metadata::Image& before);

    const GroupOptions& options_;
    std::map<std::string, ConsumerGroup> groups_;
    std::map<std::string, Soft> soft_;
    std::set<std::string> unresolved_;  // groups with expressions to be resolved
    metadata::ImagePtr image_ = std::make_shared<const metadata::Image>();
    std::int64_t topics_added_at_ = -1;  // the offset of the image that last had new ones
    TopicHashes hashes_;
    std::uint64_t rebalances_ = 0;
    Time wake_at_ = Time::never();
};

}  // namespace millrace::groups
