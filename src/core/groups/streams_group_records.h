#pragma once

#include <map>
#include <string>

#include "core/groups/consumer_records.h"
#include "core/groups/streams_member.h"
#include "protocol/streams_group_topology.h"

namespace millrace::groups {

// The records of __consumer_offsets that streams groups (KIP-1071) are made of, as Apache Kafka
// 4.3.1 writes them, and what reading them gives.

using StreamsTopology = StreamsGroupTopologyValue;

struct StreamsMetadata {  // of a StreamsMember: all but its epochs, state and tasks
    StreamsMember member;
};
struct StreamsEpoch {
    std::int32_t epoch = 0;
    std::int64_t metadata_hash = 0;
    std::int32_t validated_topology_epoch = -1;
    // What the assignor was told besides the members: "num.standby.replicas".
    std::map<std::string, std::string> assignment_configs;
};
struct StreamsTarget {
    std::string member_id;
    TaskAssignment tasks;
};
struct StreamsCurrent {  // of a StreamsMember: its epochs, state and tasks
    StreamsMember member;
};
struct StreamsTopologyGone {
    using is_tombstone = void;
};

using StreamsChange =
    std::variant<StreamsMetadata, MemberSubscriptionGone, StreamsEpoch, GroupEpochGone, TargetEpoch,
                 TargetEpochGone, StreamsTarget, MemberTargetGone, StreamsCurrent,
                 MemberCurrentGone, StreamsTopology, StreamsTopologyGone>;
struct StreamsEntry {
    std::string group;
    StreamsChange change;
};

bool is_streams_record(std::int16_t type);
// `key` is without its type.
Result<StreamsEntry> parse_streams_record(std::int16_t type, Bytes key,
                                          const std::optional<Slice>& value);

GroupRecord streams_member_record(const std::string& group, const StreamsMember& member);
GroupRecord streams_member_tombstone(const std::string& group, const std::string& member_id);
GroupRecord streams_epoch_record(const std::string& group, const StreamsEpoch& epoch);
GroupRecord streams_epoch_tombstone(const std::string& group);
GroupRecord streams_target_epoch_record(const std::string& group, const TargetEpoch& epoch);
GroupRecord streams_target_epoch_tombstone(const std::string& group);
GroupRecord streams_target_record(const std::string& group, const std::string& member_id,
                                  const TaskAssignment& tasks);
GroupRecord streams_target_tombstone(const std::string& group, const std::string& member_id);
GroupRecord streams_current_record(const std::string& group, const StreamsMember& member);
GroupRecord streams_current_tombstone(const std::string& group, const std::string& member_id);
GroupRecord streams_topology_record(const std::string& group, const StreamsTopology& topology);
GroupRecord streams_topology_tombstone(const std::string& group);

}  // namespace millrace::groups
