#pragma once

#include <string>

#include "core/groups/share_group.h"

namespace millrace::groups {

// The records of __consumer_offsets that share groups are made of, as Apache Kafka 4.3.1 writes
// them, and what reading them gives.
struct ShareGroupEntry {
    std::string group;
    ShareChange change;
};

bool is_share_record(std::int16_t type);
// `key` is without its type.
Result<ShareGroupEntry> parse_share_record(std::int16_t type, Bytes key,
                                           const std::optional<Slice>& value);

GroupRecord share_subscription_record(const std::string& group, const ShareMember& member);
GroupRecord share_subscription_tombstone(const std::string& group, const std::string& member_id);
GroupRecord share_epoch_record(const std::string& group, const GroupEpoch& epoch);
GroupRecord share_epoch_tombstone(const std::string& group);
GroupRecord share_target_epoch_record(const std::string& group, const TargetEpoch& epoch);
GroupRecord share_target_epoch_tombstone(const std::string& group);
GroupRecord share_target_record(const std::string& group, const std::string& member_id,
                                const Assignment& partitions);
GroupRecord share_target_tombstone(const std::string& group, const std::string& member_id);
GroupRecord share_current_record(const std::string& group, const ShareMember& member);
GroupRecord share_current_tombstone(const std::string& group, const std::string& member_id);
GroupRecord share_state_topics_record(const std::string& group, const ShareStateTopics& topics);
GroupRecord share_state_topics_tombstone(const std::string& group);

}  // namespace millrace::groups
