#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "client/topic_partition.h"

namespace millrace::client {

// What one member of a group tells the leader when it joins.
struct Subscription {
    std::vector<std::string> topics;
    std::optional<Slice> user_data;
    std::vector<TopicPartition> owned;
    std::int32_t generation = -1;
    std::optional<std::string> rack;
    // Not in the bytes: of the JoinGroup response.
    std::optional<std::string> instance_id;
};

// The bytes of the consumer protocol, as Java's clients write and read them.
Slice encode_subscription(const Subscription& subscription);
Result<Subscription> decode_subscription(Slice bytes);
Slice encode_assignment(std::span<const TopicPartition> partitions);
// No bytes at all is an empty assignment: a group whose leader gave this member nothing.
Result<std::vector<TopicPartition>> decode_assignment(Slice bytes);

// Members by member id, and topics by name: ordered, so that every leader decides alike.
using Subscriptions = std::map<std::string, Subscription>;
using PartitionCounts = std::map<std::string, std::int32_t>;
using Assignment = std::map<std::string, std::vector<TopicPartition>>;

enum class RebalanceProtocol { eager, cooperative };

// Decides, in the leader of a group, which member gets which partitions. Topics that are not in
// `counts` do not exist and are passed over.
class Assignor {
  public:
    virtual ~Assignor() = default;
    // Of JoinGroup: "range", "cooperative-sticky".
    virtual std::string_view name() const = 0;
    virtual RebalanceProtocol protocol() const { return RebalanceProtocol::eager; }
    virtual Assignment assign(const PartitionCounts& counts,
                              const Subscriptions& members) const = 0;
    // What the member adds to its subscription: what it had before, for those that keep it.
    virtual std::optional<Slice> user_data(std::span<const TopicPartition> had,
                                           std::int32_t generation) const;
};

// By one of partition.assignment.strategy's words: Kafka's class name or the assignor's own name.
// invalid_config: none of range, roundrobin, sticky, cooperative-sticky.
Result<std::unique_ptr<Assignor>> assignor_named(std::string_view name);

}  // namespace millrace::client
