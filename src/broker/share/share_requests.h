#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/handler.h"
#include "broker/metadata_cache.h"
#include "broker/share/share_leaders.h"

namespace millrace::broker {

inline constexpr std::string_view share_version_feature = "share.version";

// Share groups (KIP-932) are served: the cluster's share.version says so.
inline bool serves_share_groups(const metadata::Image& image) {
    return image.features.level_of(share_version_feature) >= 1;
}

// Why a member's request is refused as a whole; none where it is not. As Apache's brokers, without
// a message.
ErrorCode check_member(const metadata::Image& image, const std::optional<std::string>& group_id,
                       const std::optional<std::string>& member_id);

// What a member acknowledges of one partition, and what becomes of it.
struct Acknowledging {
    TopicIdPartition id;
    std::vector<share::Acknowledgement> acknowledgements;
    Error outcome{ErrorCode::none, ""};
    bool counts = false;  // as a request for its topic
};

// Batches of offsets in order, each with one type or one for each offset; renewals where `renews`.
bool is_well_formed(const std::vector<share::Acknowledgement>& acknowledgements, bool renews);

// Of a request's topics; those that are not well formed have their outcome.
template <typename Topics>
std::vector<Acknowledging> acknowledging_of(const Topics& topics, bool renews) {
    std::vector<Acknowledging> all;
    for (const auto& topic : topics) {
        bool first = true;
        for (const auto& partition : topic.partitions) {
            if (partition.acknowledgement_batches.empty()) continue;
            auto& each = all.emplace_back();
            each.id = {topic.topic_id, partition.partition_index};
            each.counts = std::exchange(first, false);
            for (const auto& batch : partition.acknowledgement_batches) {
                each.acknowledgements.push_back(
                    {{batch.first_offset, batch.last_offset}, batch.acknowledge_types});
            }
            if (!is_well_formed(each.acknowledgements, renews))
                each.outcome.code = ErrorCode::invalid_request;
        }
    }
    return all;
}

// All of it, at once; ends when each has its outcome.
Task<void> acknowledge_all(ShareLeaders& leaders, const metadata::Image& image,
                           const std::string& group_id, const std::string& member_id,
                           std::vector<Acknowledging>& all);

// Topics of which a partition was refused.
std::uint64_t failed_topics(const std::vector<Acknowledging>& all);

// share.record.lock.duration.ms
std::int32_t lock_duration_ms(const metadata::Image& image, const config::BrokerConfig& config,
                              const std::string& group_id);

// Where the leaders are of partitions that this node does not lead: told with the error.
template <typename Response>
class LeaderHints {
  public:
    LeaderHints(const metadata::Image& image, std::string listener, Response& response)
        : image_(image), listener_(std::move(listener)), response_(response) {}

    template <typename PartitionData>
    void put(const TopicIdPartition& id, PartitionData& data) {
        if (data.error_code != ErrorCode::not_leader_or_follower &&
            data.error_code != ErrorCode::fenced_leader_epoch)
            return;
        const metadata::Partition* partition = image_.topics.find(id.topic_id, id.partition);
        data.current_leader.leader_id = partition == nullptr ? -1 : partition->leader;
        data.current_leader.leader_epoch = partition == nullptr ? -1 : partition->leader_epoch;
        const metadata::Broker* broker =
            partition == nullptr ? nullptr : image_.active_broker(partition->leader);
        const config::Endpoint* endpoint = broker ? broker->endpoint(listener_) : nullptr;
        if (endpoint == nullptr || !told_.insert(broker->id).second) return;
        auto& node = response_.node_endpoints.emplace_back();
        node.node_id = broker->id;
        node.host = endpoint->host;
        node.port = endpoint->port;
        node.rack = broker->rack;
    }

  private:
    const metadata::Image& image_;
    std::string listener_;
    Response& response_;
    std::set<std::int32_t> told_;
};

}  // namespace millrace::broker
