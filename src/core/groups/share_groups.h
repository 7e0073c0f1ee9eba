#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/groups/consumer_groups.h"
#include "core/groups/share_group.h"
#include "core/groups/share_group_records.h"
#include "protocol/alter_share_group_offsets.h"
#include "protocol/delete_share_group_offsets.h"
#include "protocol/share_group_describe.h"
#include "protocol/share_group_heartbeat.h"

namespace millrace::groups {

// What the share coordinators of its partitions are to be asked for a group.
struct ShareStateRequest {
    std::string group_id;
    std::int32_t state_epoch = 0;
    struct Partition {
        std::int32_t partition = 0;
        std::int64_t start_offset = -1;
    };
    std::map<Uuid, std::vector<Partition>> topics;
};

// A decision about a share group. `initialize` and `remove` are asked of the share coordinators
// once its records are committed; the outcome is told by initialized(), not_initialized(),
// removed().
template <typename Response>
struct ShareDecision {
    Response response;
    std::vector<GroupRecord> records;
    std::optional<ShareStateRequest> initialize;
    std::optional<ShareStateRequest> remove;
};

// The share groups (KIP-932) of one partition of __consumer_offsets. Decisions name records, and
// only applying them changes a group; they must be appended and applied before the next decision.
// Sessions lie beside the groups and begin anew with a load.
class ShareGroups {
  public:
    explicit ShareGroups(const GroupOptions& options) : options_(options) {}

    void apply(ShareGroupEntry entry);
    void loaded(Time now);
    void clear();
    void set_image(metadata::ImagePtr image);

    const ShareGroup* find(const std::string& group_id) const;
    const std::map<std::string, ShareGroup>& all() const { return groups_; }
    std::uint64_t rebalances() const { return rebalances_; }

    static Result<> check(const ShareGroupHeartbeatRequest& request);
    // A member joins, or tells that it lives.
    using HeartbeatDecision = ShareDecision<ShareGroupHeartbeatResponse>;
    Result<HeartbeatDecision> heartbeat(const ShareGroup& group,
                                        const ShareGroupHeartbeatRequest& request,
                                        const Client& client, Moment now);
    Result<HeartbeatDecision> leave(const ShareGroup& group,
                                    const ShareGroupHeartbeatRequest& request);
    // Members whose sessions are over are gone, a group at a time.
    std::optional<std::vector<GroupRecord>> next_expired(Time now);
    Time wake_at() const { return wake_at_; }

    // What became of states that share coordinators were asked for.
    std::vector<GroupRecord> initialized(const ShareStateRequest& request) const;
    std::vector<GroupRecord> not_initialized(const ShareStateRequest& request) const;
    std::vector<GroupRecord> removed(const ShareStateRequest& request) const;

    using AlterDecision = ShareDecision<AlterShareGroupOffsetsResponse>;
    Result<AlterDecision> alter_offsets(const ShareGroup& group,
                                        const AlterShareGroupOffsetsRequest& request, Time now);
    // Of the topics whose state is to go the answer is given when it is gone.
    using DeleteDecision = ShareDecision<DeleteShareGroupOffsetsResponse>;
    DeleteDecision delete_offsets(const ShareGroup& group,
                                  const DeleteShareGroupOffsetsRequest& request) const;
    // All its states are to go before it is deleted itself.
    ShareDecision<ErrorCode> begin_deletion(const ShareGroup& group) const;
    static std::vector<GroupRecord> tombstones(const ShareGroup& group);
    std::vector<GroupRecord> forget_topics(const std::set<Uuid>& topics) const;

    ShareGroupDescribeResponse::DescribedGroup describe(const ShareGroup& group) const;
    // Of those that there are.
    std::map<Uuid, std::string> topic_names(const ShareStateRequest& request) const;

  private:
    // What is not in the log.
    struct Soft {
        std::optional<std::int32_t> topics_known_at;  // the group's epoch; none: look again
        std::map<std::string, Time> sessions;
        std::map<Uuid, Time> initializing_since;
    };
    // A member on its way through a decision.
    struct Draft {
        const ShareGroup& group;
        ShareMember before;
        ShareMember now;
        std::vector<GroupRecord>& records;
        Moment moment;
        std::int32_t group_epoch = 0;
        SubscribedTopics topics;
        bool changed = false;  // the group's epoch has grown
    };
    struct Target {
        std::int32_t epoch = 0;
        Assignment partitions;
    };

    Result<ShareMember> seat(const ShareGroup& group,
                             const ShareGroupHeartbeatRequest& request) const;
    void update_group(Draft& draft);
    Target update_target(Draft& draft) const;
    void reconcile(Draft& draft, const Target& target) const;
    Assignment subscribed_of(const ShareMember& member, const Assignment& target) const;
    std::optional<ShareStateRequest> initialize(Draft& draft);
    std::vector<GroupRecord> begin_initializing(const ShareGroup& group,
                                                const ShareStateTopics::Topics& topics, Time now);
    void remove(const ShareGroup& group, const std::vector<const ShareMember*>& members,
                std::vector<GroupRecord>& records);
    void set_session(const std::string& group_id, const std::string& member_id, Time until);

    const GroupOptions& options_;
    std::map<std::string, ShareGroup> groups_;
    std::map<std::string, Soft> soft_;
    metadata::ImagePtr image_ = std::make_shared<const metadata::Image>();
    TopicHashes hashes_;
    std::uint64_t rebalances_ = 0;
    Time wake_at_ = Time::never();
};

}  // namespace millrace::groups
