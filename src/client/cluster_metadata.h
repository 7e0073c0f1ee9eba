#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "client/topic_partition.h"
#include "env/network.h"
#include "protocol/describe_cluster.h"
#include "protocol/metadata.h"

namespace millrace::client {

struct BrokerInfo {
    std::int32_t id = -1;
    env::Address address;
    std::optional<std::string> rack;

    bool operator==(const BrokerInfo&) const = default;
};

struct PartitionInfo {
    std::int32_t index = 0;
    ErrorCode error = ErrorCode::none;  // LEADER_NOT_AVAILABLE while there is none
    std::int32_t leader_id = -1;
    std::int32_t leader_epoch = -1;
    std::vector<std::int32_t> replicas;
    std::vector<std::int32_t> isr;
    std::vector<std::int32_t> offline;
};

struct TopicInfo {
    std::string name;
    Uuid id;                            // zero where the broker is older than topic ids
    ErrorCode error = ErrorCode::none;  // why nothing else is known
    bool internal = false;
    std::vector<PartitionInfo> partitions;  // by index

    const PartitionInfo* partition(std::int32_t index) const;  // nullptr: there is none
};

// The cluster as one Metadata response and what was learned since tell it. Immutable.
class ClusterMetadata {
  public:
    ClusterMetadata() = default;

    // The response after `before`: of partitions with an older leader epoch than was known, what
    // was known stays. With `whole` the topics that the response does not name are gone, otherwise
    // they stay.
    static ClusterMetadata updated(const ClusterMetadata& before, const MetadataResponse& response,
                                   bool whole);
    // The controllers as one of them tells them; there are no topics.
    static ClusterMetadata of_controllers(const ClusterMetadata& before,
                                          const DescribeClusterResponse& response);
    // With a partition's leader as an answer told it (KIP-951); nothing where that is no news.
    std::optional<ClusterMetadata> with_leader(const TopicPartition& partition,
                                               std::int32_t leader_id, std::int32_t leader_epoch,
                                               const std::vector<BrokerInfo>& brokers) const;

    // Grows with every change; 0: nothing is known yet.
    std::uint64_t generation() const { return generation_; }
    const std::string& cluster_id() const { return cluster_id_; }
    // Where requests for the controller go; -1: none is known.
    std::int32_t controller_id() const { return controller_id_; }
    const std::map<std::int32_t, BrokerInfo>& brokers() const { return brokers_; }
    const BrokerInfo* broker(std::int32_t id) const;  // nullptr: not known
    using Topics = std::map<std::string, std::shared_ptr<const TopicInfo>, std::less<>>;
    const Topics& topics() const { return topics_; }
    const TopicInfo* topic(std::string_view name) const;  // nullptr: not known
    const TopicInfo* topic(const Uuid& id) const;         // nullptr: not known
    const PartitionInfo* partition(std::string_view topic, std::int32_t index) const;

  private:
    std::uint64_t generation_ = 0;
    std::string cluster_id_;
    std::int32_t controller_id_ = -1;
    std::map<std::int32_t, BrokerInfo> brokers_;
    Topics topics_;
    std::map<Uuid, std::string> names_;
};

}  // namespace millrace::client
