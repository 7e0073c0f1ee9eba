#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/topic_partition.h"

namespace millrace::client {

struct GroupListing {
    std::string id;
    std::string protocol_type;  // "consumer"; empty: an idle group of plain commits
    std::string state;          // "Stable"; empty where the broker is older than KIP-518
    std::string type;           // "Classic", "Consumer", "Share"; empty: older than KIP-848
};
struct GroupFilter {
    std::vector<std::string> states;  // of none: all
    std::vector<std::string> types;
};
struct GroupListings {
    std::vector<GroupListing> groups;  // by id
    std::vector<Error> errors;         // of brokers that did not tell theirs
};
// What all brokers coordinate. Fails when none answers.
Task<Result<GroupListings>> list_groups(Admin& admin, GroupFilter filter = {});

struct MemberDescription {
    std::string id;
    std::optional<std::string> instance_id;
    std::string client_id;
    std::string host;
    std::vector<TopicPartition> assignment;  // in order
    // Of the consumer protocol (KIP-848).
    std::optional<std::int32_t> epoch;
    std::vector<TopicPartition> target_assignment;
};
struct GroupDescription {
    std::string id;
    std::string type;           // "Classic" or "Consumer"
    std::string state;          // "Stable", "Empty", "Dead", ...
    std::string protocol_type;  // "consumer"
    std::string assignor;       // chosen by the members
    std::int32_t coordinator = -1;
    std::vector<MemberDescription> members;
    // Of the consumer protocol (KIP-848).
    std::optional<std::int32_t> epoch;
    std::optional<std::int32_t> assignment_epoch;
};
// A group of the consumer protocol where the coordinator has one, of the classic one otherwise. A
// group that does not exist is GROUP_ID_NOT_FOUND, or "Dead" from brokers before 4.0.
Task<Outcomes<std::string, GroupDescription>> describe_groups(Admin& admin,
                                                              std::vector<std::string> ids);

// Only groups without members; their offsets go with them.
Task<Outcomes<std::string>> delete_groups(Admin& admin, std::vector<std::string> ids);

}  // namespace millrace::client
