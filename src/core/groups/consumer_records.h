#pragma once

#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "core/coordinator/record.h"
#include "core/groups/consumer_member.h"

namespace millrace::groups {

using GroupRecord = coordinator::Record;  // of __consumer_offsets

// The records of __consumer_offsets that groups of the consumer protocol are made of, as Apache
// Kafka 4.3.1 writes them, and what reading them gives.

struct MemberSubscription {  // of a ConsumerMember: all but its epochs and partitions
    ConsumerMember member;
};
struct MemberSubscriptionGone {
    using is_tombstone = void;
    std::string member_id;
};
struct GroupEpoch {
    std::int32_t epoch = 0;
    std::int64_t metadata_hash = 0;
};
struct GroupEpochGone {  // what is left of the group is gone with it
    using is_tombstone = void;
};
// What Kafka before 4.1 wrote of the topics of a group; only whether it is there matters.
struct OldSubscriptionMetadata {};
struct OldSubscriptionMetadataGone {
    using is_tombstone = void;
};
struct TargetEpoch {
    std::int32_t epoch = 1;  // a group begins with it, as with its own
    Timestamp assigned_at = 0;
    // Too recent for another one: *.assignment.interval.ms.
    bool stands_at(Timestamp wall_ms, Duration interval) const {
        return assigned_at != 0 && interval > Duration() && wall_ms < assigned_at + interval.ms();
    }
};
struct TargetEpochGone {
    using is_tombstone = void;
};
struct MemberTarget {
    std::string member_id;
    Assignment partitions;
};
struct MemberTargetGone {
    using is_tombstone = void;
    std::string member_id;
};
struct MemberCurrent {  // of a ConsumerMember: its epochs, state and partitions
    ConsumerMember member;
};
struct MemberCurrentGone {
    using is_tombstone = void;
    std::string member_id;
};
// Which topics a regular expression stands for.
struct ResolvedRegex {
    std::set<std::string> topics;
    std::int64_t version = 0;  // the image's offset
    Timestamp timestamp = 0;
    bool operator==(const ResolvedRegex&) const = default;
};
struct RegexEntry {
    std::string regex;
    ResolvedRegex resolved;
};
struct RegexGone {
    using is_tombstone = void;
    std::string regex;
};

using ConsumerChange =
    std::variant<MemberSubscription, MemberSubscriptionGone, GroupEpoch, GroupEpochGone,
                 OldSubscriptionMetadata, OldSubscriptionMetadataGone, TargetEpoch, TargetEpochGone,
                 MemberTarget, MemberTargetGone, MemberCurrent, MemberCurrentGone, RegexEntry,
                 RegexGone>;
struct ConsumerEntry {
    std::string group;
    ConsumerChange change;
};

bool is_consumer_record(std::int16_t type);
// `key` is without its type.
Result<ConsumerEntry> parse_consumer_record(std::int16_t type, Bytes key,
                                            const std::optional<Slice>& value);

GroupRecord subscription_record(const std::string& group, const ConsumerMember& member);
GroupRecord subscription_tombstone(const std::string& group, const std::string& member_id);
GroupRecord group_epoch_record(const std::string& group, const GroupEpoch& epoch);
GroupRecord group_epoch_tombstone(const std::string& group);
GroupRecord old_subscription_metadata_tombstone(const std::string& group);
GroupRecord target_epoch_record(const std::string& group, const TargetEpoch& epoch);
GroupRecord target_epoch_tombstone(const std::string& group);
GroupRecord target_record(const std::string& group, const std::string& member_id,
                          const Assignment& partitions);
GroupRecord target_tombstone(const std::string& group, const std::string& member_id);
GroupRecord current_record(const std::string& group, const ConsumerMember& member);
GroupRecord current_tombstone(const std::string& group, const std::string& member_id);
GroupRecord regex_record(const std::string& group, const std::string& regex,
                         const ResolvedRegex& resolved);
GroupRecord regex_tombstone(const std::string& group, const std::string& regex);

}  // namespace millrace::groups
