#pragma once

#include <vector>

#include "broker/partition_router.h"
#include "broker/share/share_partitions.h"

namespace millrace::broker {

// The way from a handler to what share groups hold of a partition, on whatever shard that is.
class ShareLeaders {
  public:
    ShareLeaders(PartitionRouter& router, std::vector<SharePartitions*> by_shard)
        : router_(router), by_shard_(std::move(by_shard)) {}

    int shard_of(const TopicIdPartition& id) const { return router_.owner(id); }
    env::Shard& here() const { return router_.here(); }

    // Runs `function(SharePartitions&, Partitions&) -> Task<T>` there.
    template <typename Function>
    auto on(int shard, Function function)
        -> std::invoke_result_t<Function&, SharePartitions&, Partitions&> {
        SharePartitions& shares = *by_shard_[static_cast<std::size_t>(shard)];
        co_return co_await router_.on(
            shard, [&](Partitions& partitions) { return function(shares, partitions); });
    }

    // A fetch is over: those behind it in the lines of the partitions go on.
    Task<void> leave(std::string group_id, FetchTicket ticket,
                     std::vector<TopicIdPartition> partitions);
    // A member's session is over: what it holds is given out again.
    Task<void> release(std::string group_id, std::string member_id,
                       std::vector<TopicIdPartition> partitions);

  private:
    PartitionRouter& router_;
    std::vector<SharePartitions*> by_shard_;
};

}  // namespace millrace::broker
