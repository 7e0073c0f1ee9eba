#include "broker/share/share_partitions.h"

namespace millrace::broker {

void SharePartitions::resigned(const Partition& partition) {
    auto share = shares_.lower_bound({partition.id(), ""});
    while (share != shares_.end() && share->first.first == partition.id()) {
        share->second->end(ErrorCode::not_leader_or_follower);
        share = shares_.erase(share);
    }
}

std::shared_ptr<LedShare> SharePartitions::find(const std::string& group_id,
                                                const TopicIdPartition& id) const {
    auto found = shares_.find({id, group_id});
    return found == shares_.end() || found->second->is_over() ? nullptr : found->second;
}

std::expected<std::shared_ptr<LedShare>, ErrorCode> SharePartitions::open(
    const Partitions& partitions, const std::string& group_id, const TopicIdPartition& id) {
    if (std::shared_ptr<LedShare> known = find(group_id, id)) return known;
    std::erase_if(shares_, [](const auto& entry) { return entry.second->is_over(); });
    std::shared_ptr<Partition> partition = partitions.find(id);
    if (!partition) return std::unexpected(partitions.absence_of(id));
    if (!partition->is_leader()) return std::unexpected(ErrorCode::not_leader_or_follower);
    CHECK(ways_);
    auto share = std::make_shared<LedShare>(
        LedShare::Parts{shard_, scope_, ways_->persister, ways_->metadata, ways_->config, metrics_},
        share::ShareKey{group_id, id.topic_id, id.partition}, std::move(partition));
    shares_[{id, group_id}] = share;
    share->start();
    return share;
}

Task<void> SharePartitions::close() {
    for (auto& [key, share] : std::exchange(shares_, {}))
        share->end(ErrorCode::not_leader_or_follower);
    co_await scope_.close();
}

}  // namespace millrace::broker
