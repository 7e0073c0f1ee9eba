#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/coordinator/record.h"
#include "core/groups/classic_group.h"
#include "core/groups/committed_offset.h"
#include "core/groups/consumer_groups.h"
#include "core/groups/share_groups.h"
#include "core/groups/streams_groups.h"
#include "core/groups/transactional_offsets.h"
#include "protocol/list_groups.h"
#include "protocol/offset_commit.h"
#include "protocol/offset_delete.h"
#include "protocol/offset_fetch.h"

namespace millrace::groups {

using coordinator::AppendedAs;
using coordinator::Decision;

// Records that must be committed together; the driver tells the outcome by committed().
struct Append {
    std::uint64_t id = 0;
    std::vector<GroupRecord> records;
};

// What the driver must do after a call.
struct Effects {
    std::vector<Reply> replies;
    std::vector<Append> appends;
};

// Who commits offsets, and for which partitions; topic ids are resolved to names already.
struct Commit {
    std::string group_id;
    std::string member_id;
    std::optional<std::string> instance_id;
    std::int32_t generation = -1;
    std::int16_t version = 0;    // of OffsetCommit: from 9 on an unknown group has its own error
    bool transactional = false;  // its offsets count when a transaction commits
    struct Partition {
        std::string topic;
        std::int32_t partition = 0;
        CommittedOffset offset;
    };
    std::vector<Partition> partitions;
};

// The groups of one partition of __consumer_offsets, and their offsets. Pure: the driver appends
// what the effects and decisions name, applies it when committed, and calls tick() when due.
class GroupCoordinator {
  public:
    explicit GroupCoordinator(const GroupOptions& options)
        : options_(options), consumers_(options), shares_(options), streams_(options) {}

    // One record of the log, in order; at loading, and for each that commits later. An offset of a
    // transaction counts when the transaction commits, unless a later commit has overtaken it.
    Result<> apply(const GroupRecord& record, const AppendedAs& as = {});
    // A transaction's marker.
    void end_transaction(std::int64_t producer_id, bool committed);
    // What the time is on the wall, which is what the log tells; before loaded(), and from time to
    // time.
    void set_wall_clock(Time now, Timestamp wall_ms) {
        wall_zero_ = wall_ms - now.ns() / 1'000'000;
    }
    // All records are applied: memberships come alive.
    void loaded(Time now);
    // The partition moves away: who waits is told `error`.
    void unload(ErrorCode error, Effects& effects);

    void join(const JoinGroupRequest& request, std::int16_t version, const Client& client,
              const std::string& new_id, Ticket ticket, Time now, Effects& effects);
    void sync(const SyncGroupRequest& request, Ticket ticket, Time now, Effects& effects);
    ErrorCode heartbeat(const HeartbeatRequest& request, Time now);
    LeaveGroupResponse leave(const LeaveGroupRequest& request, std::int16_t version, Time now,
                             Effects& effects);
    // Of classic groups; those of the consumer protocol have next_due().
    void tick(Time now, Effects& effects);
    Time wake_at() const;
    // An append that effects named is still wanted: its group has not changed its protocol.
    bool awaits(std::uint64_t append) const { return appends_.contains(append); }
    // The outcome of an append that effects named.
    void committed(std::uint64_t append, ErrorCode outcome, Time now, Effects& effects);

    // Groups of the consumer protocol (KIP-848). Their decisions are appended, and applied at once:
    // the next one rests on them. Classic members of such a group have theirs here, too.
    void set_image(metadata::ImagePtr image) {
        shares_.set_image(image);
        streams_.set_image(image);
        consumers_.set_image(std::move(image));
    }
    const ConsumerGroups& consumers() const { return consumers_; }
    GroupDecision<ConsumerGroupHeartbeatResponse> consumer_heartbeat(
        const ConsumerGroupHeartbeatRequest& request, std::int16_t version, const Client& client,
        const std::string& new_id, Time now);
    // None when the group is no consumer group with members: the classic way is right.
    std::optional<GroupDecision<JoinGroupResponse>> join_consumer_group(
        const JoinGroupRequest& request, std::int16_t version, const Client& client,
        const std::string& new_id, Time now);
    std::optional<SyncGroupResponse> sync_consumer_group(const SyncGroupRequest& request, Time now);
    std::optional<GroupDecision<LeaveGroupResponse>> leave_consumer_group(
        const LeaveGroupRequest& request, std::int16_t version, Time now);
    // An empty consumer or streams group is in the way of a classic one, and what removes it.
    bool needs_room_for_classic(const std::string& group_id) const;
    std::vector<GroupRecord> make_room_for_classic(const std::string& group_id) const;
    // What is due by itself, a group at a time: when consumers().wake_at() has come, and after each
    // decision, which may leave expressions to be resolved.
    std::optional<ConsumerGroups::Due> next_due(Time now);
    // The records of a decision are in the log, and applied.
    void conclude(const std::string& group_id, Migration migration, Time now, Effects& effects);
    ConsumerGroupDescribeResponse::DescribedGroup describe_consumer(
        const std::string& group_id) const;
    Result<> check_fetch(const std::string& group_id, const std::optional<std::string>& member_id,
                         std::int32_t epoch) const;

    // Share groups (KIP-932; group_coordinator_share.cc). Their decisions are appended, and applied
    // at once, too.
    const ShareGroups& shares() const { return shares_; }
    ShareDecision<ShareGroupHeartbeatResponse> share_heartbeat(
        const ShareGroupHeartbeatRequest& request, const Client& client, Time now);
    ShareDecision<AlterShareGroupOffsetsResponse> alter_share_offsets(
        const AlterShareGroupOffsetsRequest& request, Time now);
    ShareDecision<DeleteShareGroupOffsetsResponse> delete_share_offsets(
        const DeleteShareGroupOffsetsRequest& request) const;
    // Where the group is a share group whose states are to go before it may be deleted.
    ShareDecision<ErrorCode> begin_share_deletion(const std::string& group_id) const;
    // What is due by itself, a group at a time: when shares().wake_at() has come.
    std::optional<std::vector<GroupRecord>> next_share_due(Time now) {
        return shares_.next_expired(now);
    }
    ShareGroupDescribeResponse::DescribedGroup describe_share(const std::string& group_id) const;

    // Streams groups (KIP-1071; group_coordinator_streams.cc). Their decisions are appended, and
    // applied at once, too.
    const StreamsGroups& streams() const { return streams_; }
    StreamsDecision streams_heartbeat(const StreamsGroupHeartbeatRequest& request,
                                      const Client& client, Time now);
    // What is due by itself, one member or group at a time: when streams().wake_at() has come.
    std::optional<std::vector<GroupRecord>> next_streams_due(Time now) {
        return streams_.next_due(moment(now));
    }
    StreamsGroupDescribeResponse::DescribedGroup describe_streams(
        const std::string& group_id) const;

    // One code a partition of the commit, in its order; none where a record is made.
    Decision<std::vector<ErrorCode>> commit_offsets(const Commit& commit, Time now);
    // Null when the group or the partition has none.
    const CommittedOffset* offset(const std::string& group, const std::string& topic,
                                  std::int32_t partition) const;
    // An open transaction is about to commit another offset.
    bool is_unstable(const std::string& group, const std::string& topic,
                     std::int32_t partition) const {
        return transactional_.holds({group, topic, partition});
    }
    using Offsets = std::map<std::string, std::map<std::int32_t, CommittedOffset>>;
    const Offsets* offsets(const std::string& group) const;
    Decision<OffsetDeleteResponse> delete_offsets(const OffsetDeleteRequest& request) const;
    // The topics were deleted: so are their offsets.
    Decision<int> forget_topics(const std::set<std::string>& topics) const;
    // Offsets that nobody committed anew for offsets.retention.minutes, and groups that have none
    // left (KIP-211): of an empty group since it became empty, of a stable consumer group where it
    // does not subscribe, of offsets without a group since the commit. At most so many at once.
    static constexpr std::size_t max_expired = 1'000;
    Decision<int> expire_offsets(Time now) const;

    std::vector<ListGroupsResponse::ListedGroup> list(const std::vector<std::string>& states,
                                                      const std::vector<std::string>& types) const;
    DescribeGroupsResponse::DescribedGroup describe(const std::string& group_id) const;
    Decision<ErrorCode> delete_group(const std::string& group_id) const;
    std::size_t classic_count() const { return groups_.size(); }
    std::size_t classic_count(GroupState state) const;
    // That classic groups have completed.
    std::uint64_t classic_rebalances() const { return classic_rebalances_; }
    std::size_t offset_count() const;
    std::size_t group_count() const {
        return groups_.size() + consumers_.all().size() + shares_.all().size() +
               streams_.all().size();
    }

  private:
    struct GroupWrite {
        std::string group_id;
        std::uint64_t write = 0;
    };
    ClassicGroup* find(const std::string& group_id);
    const ClassicGroup* find(const std::string& group_id) const;
    ClassicGroup& find_or_create(const std::string& group_id);
    void take(ClassicGroup& group, Actions actions, Effects& effects);
    bool exists(const std::string& group_id) const;
    void remove_offset(const TransactionalOffsets::Key& key);
    Timestamp wall_of(Time time) const { return wall_zero_ + time.ns() / 1'000'000; }
    bool expire_group(const std::string& group_id, const Offsets& topics, Time now,
                      std::vector<GroupRecord>& records) const;

    Moment moment(Time now) const { return {now, wall_of(now)}; }
    Result<GroupDecision<ConsumerGroupHeartbeatResponse>> decide_heartbeat(
        const ConsumerGroupHeartbeatRequest& request, std::int16_t version, const Client& client,
        const std::string& new_id, Time now);
    const ConsumerGroup* consumer_group_with_members(const std::string& group_id) const;
    Result<const ShareGroup*> share_group(const std::string& group_id) const;
    Result<StreamsDecision> decide_streams_heartbeat(const StreamsGroupHeartbeatRequest& request,
                                                     const Client& client, Time now);
    Error no_streams_group(const std::string& group_id) const;
    // A consumer, share or streams group.
    bool is_modern(const std::string& group_id) const;
    // It is a consumer or streams group that subscribes to the topic.
    bool modern_reads(const std::string& group_id, const std::string& topic) const;
    // Of an empty consumer or streams group; false when it is none.
    bool add_tombstones_if_empty(const std::string& group_id,
                                 std::vector<GroupRecord>& records) const;

    const GroupOptions& options_;
    ConsumerGroups consumers_;
    ShareGroups shares_;
    StreamsGroups streams_;
    std::map<std::string, std::unique_ptr<ClassicGroup>> groups_;
    std::map<std::string, Offsets> offsets_;
    TransactionalOffsets transactional_;
    std::map<std::string, GroupMetadataValue> restored_;  // while loading
    std::map<std::uint64_t, GroupWrite> appends_;
    std::uint64_t next_append_ = 0;
    std::uint64_t classic_rebalances_ = 0;
    bool loading_ = true;
    Timestamp wall_zero_ = 0;  // of the wall clock at Time()
};

}  // namespace millrace::groups
