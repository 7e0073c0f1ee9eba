#include "client/cluster_metadata.h"

#include <algorithm>

namespace millrace::client {
namespace {

// Two answers of brokers that learn of changes at different times: the higher epoch is the later.
bool is_older(const PartitionInfo& partition, const PartitionInfo& known) {
    return partition.leader_epoch >= 0 && partition.leader_epoch < known.leader_epoch;
}

std::shared_ptr<const TopicInfo> topic_of(const MetadataResponse::MetadataResponseTopic& topic,
                                          const TopicInfo* known) {
    auto info = std::make_shared<TopicInfo>();
    info->name = topic.name.value_or("");
    info->id = topic.topic_id;
    info->error = topic.error_code;
    info->internal = topic.is_internal;
    info->partitions.reserve(topic.partitions.size());
    // A topic that was deleted and made again begins its epochs anew.
    bool same = known != nullptr && known->id == topic.topic_id;
    for (const auto& partition : topic.partitions) {
        PartitionInfo& made = info->partitions.emplace_back(PartitionInfo{
            .index = partition.partition_index,
            .error = partition.error_code,
            .leader_id = partition.leader_id,
            .leader_epoch = partition.leader_epoch,
            .replicas = partition.replica_nodes,
            .isr = partition.isr_nodes,
            .offline = partition.offline_replicas,
        });
        const PartitionInfo* before = same ? known->partition(made.index) : nullptr;
        if (before != nullptr && is_older(made, *before)) made = *before;
    }
    std::ranges::sort(info->partitions, {}, &PartitionInfo::index);
    return info;
}

}  // namespace

const PartitionInfo* TopicInfo::partition(std::int32_t index) const {
    auto at = std::ranges::lower_bound(partitions, index, {}, &PartitionInfo::index);
    return at == partitions.end() || at->index != index ? nullptr : &*at;
}

ClusterMetadata ClusterMetadata::updated(const ClusterMetadata& before,
                                         const MetadataResponse& response, bool whole) {
    ClusterMetadata after;
    after.generation_ = before.generation_ + 1;
    after.cluster_id_ = response.cluster_id.value_or("");
    after.controller_id_ = response.controller_id;
    for (const auto& broker : response.brokers) {
        after.brokers_[broker.node_id] = {
            .id = broker.node_id,
            .address = {broker.host, static_cast<std::uint16_t>(broker.port)},
            .rack = broker.rack,
        };
    }
    if (!whole) after.topics_ = before.topics_;
    for (const auto& topic : response.topics) {
        if (!topic.name) continue;
        after.topics_[*topic.name] = topic_of(topic, before.topic(*topic.name));
    }
    for (const auto& [name, topic] : after.topics_) {
        if (topic->id != Uuid()) after.names_[topic->id] = name;
    }
    return after;
}

ClusterMetadata ClusterMetadata::of_controllers(const ClusterMetadata& before,
                                                const DescribeClusterResponse& response) {
    ClusterMetadata after;
    after.generation_ = before.generation_ + 1;
    after.cluster_id_ = response.cluster_id;
    after.controller_id_ = response.controller_id;
    for (const auto& broker : response.brokers) {
        after.brokers_[broker.broker_id] = {
            .id = broker.broker_id,
            .address = {broker.host, static_cast<std::uint16_t>(broker.port)},
            .rack = broker.rack,
        };
    }
    return after;
}

std::optional<ClusterMetadata> ClusterMetadata::with_leader(
    const TopicPartition& partition, std::int32_t leader_id, std::int32_t leader_epoch,
    const std::vector<BrokerInfo>& brokers) const {
    const PartitionInfo* known = this->partition(partition.topic, partition.partition);
    if (known == nullptr || leader_id < 0 || leader_epoch <= known->leader_epoch) {
        return std::nullopt;
    }
    ClusterMetadata after = *this;
    ++after.generation_;
    for (const BrokerInfo& broker : brokers) after.brokers_[broker.id] = broker;
    if (after.broker(leader_id) == nullptr) return std::nullopt;  // nobody could go there
    auto topic = std::make_shared<TopicInfo>(*after.topics_.find(partition.topic)->second);
    for (PartitionInfo& info : topic->partitions) {
        if (info.index != partition.partition) continue;
        info.error = ErrorCode::none;
        info.leader_id = leader_id;
        info.leader_epoch = leader_epoch;
    }
    after.topics_[partition.topic] = std::move(topic);
    return after;
}

const BrokerInfo* ClusterMetadata::broker(std::int32_t id) const {
    auto at = brokers_.find(id);
    return at == brokers_.end() ? nullptr : &at->second;
}

const TopicInfo* ClusterMetadata::topic(std::string_view name) const {
    auto at = topics_.find(name);
    return at == topics_.end() ? nullptr : at->second.get();
}

const TopicInfo* ClusterMetadata::topic(const Uuid& id) const {
    auto at = names_.find(id);
    return at == names_.end() ? nullptr : topic(at->second);
}

const PartitionInfo* ClusterMetadata::partition(std::string_view topic, std::int32_t index) const {
    const TopicInfo* info = this->topic(topic);
    return info == nullptr ? nullptr : info->partition(index);
}

}  // namespace millrace::client
