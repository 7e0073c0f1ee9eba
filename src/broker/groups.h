#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/coordinators/group_hosts.h"
#include "broker/coordinators/java_hash.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {

// The way from a handler to the host of a group, on whatever shard that is.
class Groups {
  public:
    Groups(PartitionRouter& router, MetadataCache& metadata, std::vector<GroupHosts*> by_shard)
        : router_(router), metadata_(metadata), by_shard_(std::move(by_shard)) {}

    // Runs `function(GroupHost&) -> Task<T>` where the group is hosted, or `refuse(ErrorCode)`
    // when it is not hosted here or not loaded yet.
    template <typename Function, typename Refuse>
    auto with(std::string_view group_id, Function function, Refuse refuse)
        -> std::invoke_result_t<Function&, GroupHost&> {
        metadata::ImagePtr image = metadata_.image();
        const metadata::Topic* topic = image->topics.find(metadata::consumer_offsets_topic);
        if (topic == nullptr) co_return refuse(ErrorCode::coordinator_not_available);
        co_return co_await on_partition(
            {topic->id,
             coordinator_partition(group_id, static_cast<std::int32_t>(topic->partitions.size()))},
            std::move(function), std::move(refuse));
    }

    // The same for whatever groups a partition of __consumer_offsets holds.
    template <typename Function, typename Refuse>
    auto on_partition(TopicIdPartition id, Function function, Refuse refuse)
        -> std::invoke_result_t<Function&, GroupHost&> {
        using T = typename std::invoke_result_t<Function&, GroupHost&>::Value;
        int shard = router_.owner(id);
        co_return co_await router_.on(shard, [&](Partitions&) -> Task<T> {
            std::shared_ptr<GroupHost> host =
                by_shard_[static_cast<std::size_t>(shard)]->find(id.partition);
            ErrorCode error = host ? host->ready() : ErrorCode::not_coordinator;
            if (error != ErrorCode::none) co_return refuse(error);
            co_return co_await function(*host);
        });
    }

    // Runs `function(const GroupHosts&)` on every shard in turn.
    template <typename Function>
    Task<void> on_all(Function function) {
        for (int shard = 0; shard < router_.shards(); ++shard) {
            co_await router_.on(shard, [&](Partitions&) -> Task<void> {
                function(*by_shard_[static_cast<std::size_t>(shard)]);
                co_return;
            });
        }
    }

  private:
    PartitionRouter& router_;
    MetadataCache& metadata_;
    std::vector<GroupHosts*> by_shard_;
};

}  // namespace millrace::broker
