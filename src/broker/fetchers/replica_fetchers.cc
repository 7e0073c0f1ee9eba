#include "broker/fetchers/replica_fetchers.h"

#include <algorithm>

#include "env/shard.h"

namespace millrace::broker {

ReplicaFetchers::ReplicaFetchers(LeaderFetcher::Parts parts, metrics::Registry& registry)
    : parts_(parts), scope_(parts.shard) {
    namespace declared = metrics::declared;
    const metrics::Labels labels{"Replica"};
    readings_.push_back(
        registry.read_gauge(declared::replica_fetcher_manager_max_lag, labels, [this] {
            std::int64_t most = 0;
            for (const auto& [leader, each] : fetchers_) most = std::max(most, each->most_behind());
            return static_cast<double>(most);
        }));
    readings_.push_back(registry.read_gauge(
        declared::replica_fetcher_manager_failed_partitions_count, labels, [this] {
            std::size_t failed = 0;
            for (const auto& [leader, each] : fetchers_) failed += each->failed();
            return static_cast<double>(failed);
        }));
    // A fetcher here goes on after every error.
    readings_.push_back(registry.read_gauge(declared::replica_fetcher_manager_dead_thread_count,
                                            labels, [] { return 0.0; }));
}

void ReplicaFetchers::start(LeaderFetcher::SaveRecoveryPoints save_recovery_points) {
    started_ = true;
    save_recovery_points_ = std::move(save_recovery_points);
    for (auto& [leader, fetcher] : fetchers_) fetcher->start();
}

Task<void> ReplicaFetchers::stop() {
    for (auto& [leader, fetcher] : std::exchange(fetchers_, {})) co_await fetcher->stop();
    leaders_.clear();
    co_await scope_.close();
}

void ReplicaFetchers::followed(const std::shared_ptr<Partition>& partition) {
    std::int32_t leader = partition->state().leader;
    auto before = leaders_.find(partition->id());
    if (before != leaders_.end() && before->second != leader) leave(partition->id());
    leaders_[partition->id()] = leader;
    std::shared_ptr<LeaderFetcher>& fetcher = fetchers_[leader];
    if (!fetcher) {
        fetcher = std::make_shared<LeaderFetcher>(parts_, leader, save_recovery_points_);
        if (started_) fetcher->start();
    }
    fetcher->add(partition);
}

void ReplicaFetchers::unfollowed(const Partition& partition) { leave(partition.id()); }

// A fetcher without replicas goes, and its connection with it.
void ReplicaFetchers::leave(const TopicIdPartition& id) {
    auto left = leaders_.find(id);
    if (left == leaders_.end()) return;
    auto fetcher = fetchers_.find(left->second);
    leaders_.erase(left);
    fetcher->second->remove(id);
    if (!fetcher->second->empty()) return;
    scope_.spawn(end(std::move(fetcher->second)));
    fetchers_.erase(fetcher);
}

Task<void> ReplicaFetchers::end(std::shared_ptr<LeaderFetcher> fetcher) {
    co_await fetcher->stop();
}

}  // namespace millrace::broker
