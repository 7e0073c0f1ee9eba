#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/groups/consumer_groups.h"
#include "core/groups/streams_group.h"
#include "core/groups/streams_topology.h"
#include "protocol/streams_group_describe.h"
#include "protocol/streams_group_heartbeat.h"

namespace millrace::groups {

// A decision about a streams group. Once its records are committed, `missing` topics are to be
// made: changelog and repartition topics.
struct StreamsDecision {
    StreamsGroupHeartbeatResponse response;
    std::vector<GroupRecord> records;
    std::vector<CreateTopicsRequest::CreatableTopic> missing;
};

// The streams groups (KIP-1071) of one partition of __consumer_offsets. Decisions name records, and
// only applying them changes a group; they must be appended and applied before the next decision.
// Deadlines, and what topics a topology has, lie beside the groups and begin anew with a load.
class StreamsGroups {
  public:
    explicit StreamsGroups(const GroupOptions& options) : options_(options) {}

    void apply(StreamsEntry entry);
    void loaded(Time now);
    void clear();
    // The topics of the moment. Groups whose topics have changed are looked at with the next
    // heartbeat.
    void set_image(metadata::ImagePtr image);

    const StreamsGroup* find(const std::string& group_id) const;
    const std::map<std::string, StreamsGroup>& all() const { return groups_; }
    // How many times the epoch of a group has grown.
    std::uint64_t rebalances() const { return rebalances_; }

    // Error of a heartbeat that no group could answer: of its form, or for what Apache Kafka 4.3.1
    // does not support either.
    static Result<> check(const StreamsGroupHeartbeatRequest& request);
    // A member joins, or tells that it lives and what it has.
    Result<StreamsDecision> heartbeat(const StreamsGroup& group,
                                      const StreamsGroupHeartbeatRequest& request,
                                      const Client& client, Moment now);
    Result<StreamsDecision> leave(const StreamsGroup& group,
                                  const StreamsGroupHeartbeatRequest& request);

    // What is due by itself, one member or group at a time: members whose sessions or rebalances
    // have taken too long are fenced, first assignments are made that waited for more members.
    std::optional<std::vector<GroupRecord>> next_due(Moment now);
    Time wake_at() const { return wake_at_; }

    static CommitCheck check_commit(const StreamsGroup& group, const std::string& member_id,
                                    const std::optional<std::string>& instance_id,
                                    std::int32_t epoch, std::int16_t version, bool transactional);
    static Result<> check_fetch(const StreamsGroup& group,
                                const std::optional<std::string>& member_id, std::int32_t epoch);

    StreamsGroupDescribeResponse::DescribedGroup describe(const StreamsGroup& group) const;
    // What deletes the group.
    static void add_tombstones(const StreamsGroup& group, std::vector<GroupRecord>& records);

  private:
    // What runs out for a member.
    struct Deadlines {
        Time session = Time::never();
        Time rebalance = Time::never();  // to give tasks back
        std::int32_t rebalance_epoch = 0;
        Time first() const { return std::min(session, rebalance); }
    };
    // What is not in the log.
    struct Soft {
        std::shared_ptr<const ConfiguredTopology> configured;  // null: not yet
        bool topics_known = false;  // since the topics of the group last changed
        std::map<std::string, Deadlines> members;
        Time first_assignment = Time::never();
        std::optional<std::string> shutdown_by;  // a member that wants all of them to end
        std::int32_t endpoints_epoch = 0;
    };
    // A member on its way through a decision.
    struct Draft {
        const StreamsGroup& group;
        const StreamsGroupHeartbeatRequest& request;
        StreamsMember before;
        StreamsMember now;
        StreamsDecision& decision;
        Moment moment;
        StreamsSettings settings;
        const Soft* soft = nullptr;           // none before the group has any
        std::optional<StreamsTopology> told;  // by the first member
        const StreamsTopology* topology = nullptr;
        std::shared_ptr<const ConfiguredTopology> configured;
        StreamsEpoch epoch;
        Time first_assignment = Time::never();
        bool moved = false;  // towards its target
        std::optional<std::string> shutdown_by;
        std::vector<StreamsGroupHeartbeatResponse::Status> statuses;
    };
    struct Target {
        std::int32_t epoch = 0;
        TaskAssignment tasks;
    };
    using Status = StreamsGroupHeartbeatResponse::Status;
    using Endpoints = StreamsGroupHeartbeatResponse::EndpointToPartitions;

    Result<StreamsMember> seat(const StreamsGroup& group,
                               const StreamsGroupHeartbeatRequest& request) const;
    Result<> update_topology(Draft& draft) const;
    Result<> update_epoch(Draft& draft);
    Target update_target(Draft& draft) const;
    Target compute_target(const StreamsGroup& group, const StreamsMember* updated,
                          const ConfiguredTopology& topology, const StreamsEpoch& epoch,
                          Timestamp wall_ms, std::vector<GroupRecord>& records) const;
    Result<> reconcile_member(Draft& draft, const Target& target) const;
    // What is known beside the log from then on.
    void settle(Draft& draft);
    void tell_assignment(Draft& draft);
    Endpoints endpoints_of(const StreamsMember& member, const ConfiguredTopology& topology) const;
    std::int64_t hash_of(const StreamsTopology& topology);

    void remove(const StreamsGroup& group, const StreamsMember& member,
                std::vector<GroupRecord>& records) const;
    std::optional<std::vector<GroupRecord>> first_assignment(const StreamsGroup& group, Soft& soft,
                                                             Moment now) const;
    std::optional<std::vector<GroupRecord>> fence_expired(const StreamsGroup& group, Soft& soft,
                                                          Time now) const;
    void wake_by(Time time) { wake_at_ = std::min(wake_at_, time); }

    const GroupOptions& options_;
    std::map<std::string, StreamsGroup> groups_;
    std::map<std::string, Soft> soft_;
    metadata::ImagePtr image_ = std::make_shared<const metadata::Image>();
    TopicHashes hashes_;
    std::uint64_t rebalances_ = 0;
    Time wake_at_ = Time::never();
};

}  // namespace millrace::groups
