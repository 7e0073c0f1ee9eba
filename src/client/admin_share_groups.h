#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/topic_partition.h"

namespace millrace::client {

struct ShareMemberDescription {
    std::string id;
    std::string client_id;
    std::string host;
    std::int32_t epoch = 0;
    std::vector<TopicPartition> assignment;  // in order
};
struct ShareGroupDescription {
    std::string id;
    std::string state;  // "Stable", "Empty", "Dead"
    std::int32_t epoch = 0;
    std::int32_t assignment_epoch = 0;
    std::int32_t coordinator = -1;
    std::vector<ShareMemberDescription> members;  // by id
};
// GROUP_ID_NOT_FOUND: there is none, or it is a group of another kind.
Task<Outcomes<std::string, ShareGroupDescription>> describe_share_groups(
    Admin& admin, std::vector<std::string> ids);

struct ShareOffset {
    std::int64_t start = 0;  // records before it are done with
    std::int32_t leader_epoch = -1;
    std::optional<std::int64_t> lag;  // records that are not done with; none: not told
};
// Where a share group reads, of all partitions that it has state of.
Task<Result<Outcomes<TopicPartition, ShareOffset>>> list_share_group_offsets(Admin& admin,
                                                                             std::string group);
// Of a group without members, which begins to exist where it does not.
Task<Outcomes<TopicPartition>> alter_share_group_offsets(
    Admin& admin, std::string group, std::map<TopicPartition, std::int64_t> offsets);
// Of whole topics, of a group without members. The error of the call itself, or topic by topic.
Task<Result<Outcomes<std::string>>> delete_share_group_offsets(Admin& admin, std::string group,
                                                               std::vector<std::string> topics);

}  // namespace millrace::client
