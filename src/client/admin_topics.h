#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "client/admin.h"

namespace millrace::client {

// Replicas of each partition, the preferred leader first.
using ReplicaAssignment = std::map<std::int32_t, std::vector<std::int32_t>>;

struct NewTopic {
    std::string name;
    std::int32_t partitions = -1;          // -1: the broker's num.partitions
    std::int16_t replication_factor = -1;  // -1: the broker's default.replication.factor
    ReplicaAssignment assignment;          // instead of the two numbers
    std::map<std::string, std::string> configs;
};

// A topic that was created, or would be. Numbers are -1 where the caller may not see configs.
struct CreatedTopic {
    Uuid id;
    std::int32_t partitions = -1;
    std::int16_t replication_factor = -1;
};

// By name. With `validate_only` nothing is created.
Task<Outcomes<std::string, CreatedTopic>> create_topics(Admin& admin, std::vector<NewTopic> topics,
                                                        bool validate_only = false);
Task<Outcomes<std::string>> delete_topics(Admin& admin, std::vector<std::string> names);
Task<Outcomes<Uuid>> delete_topics(Admin& admin, std::vector<Uuid> ids);

struct MorePartitions {
    std::int32_t total = 0;
    // Of the new ones, in order; empty: the controller chooses.
    std::vector<std::vector<std::int32_t>> assignment;
};
Task<Outcomes<std::string>> create_partitions(Admin& admin,
                                              std::map<std::string, MorePartitions> topics,
                                              bool validate_only = false);

struct TopicListing {
    std::string name;
    Uuid id;
    bool internal = false;
};
// By name; internal ones (__consumer_offsets) only when asked for.
Task<Result<std::vector<TopicListing>>> list_topics(Admin& admin, bool include_internal);

struct PartitionDescription {
    std::int32_t index = 0;
    std::int32_t leader = -1;  // -1: none
    std::int32_t leader_epoch = -1;
    std::vector<std::int32_t> replicas;
    std::vector<std::int32_t> isr;
    std::vector<std::int32_t> offline;
    // KIP-966; none where the broker does not tell them.
    std::optional<std::vector<std::int32_t>> eligible_leaders;
    std::optional<std::vector<std::int32_t>> last_known_eligible;
};
struct TopicDescription {
    std::string name;
    Uuid id;
    bool internal = false;
    std::vector<PartitionDescription> partitions;  // by index
    // Bits by AclOperation; none where they were not asked for or are not told.
    std::optional<std::int32_t> authorized_operations;
};
// DescribeTopicPartitions page by page; Metadata from brokers that do not have it, and for ids.
Task<Outcomes<std::string, TopicDescription>> describe_topics(Admin& admin,
                                                              std::vector<std::string> names,
                                                              bool authorized_operations = false);
Task<Outcomes<Uuid, TopicDescription>> describe_topics(Admin& admin, std::vector<Uuid> ids,
                                                       bool authorized_operations = false);

}  // namespace millrace::client
