#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "broker/coordinators/java_hash.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"

namespace millrace::broker {

// The way from a handler to the host of a key, on whatever shard that is.
template <typename ShardHosts>
class CoordinatorRoute {
  public:
    using Host = typename decltype(std::declval<ShardHosts&>().find(0))::element_type;

    CoordinatorRoute(std::string_view topic, PartitionRouter& router, MetadataCache& metadata,
                     std::vector<ShardHosts*> by_shard)
        : topic_(topic), router_(router), metadata_(metadata), by_shard_(std::move(by_shard)) {}

    // Nothing while the topic is not there.
    std::optional<TopicIdPartition> partition_of(std::string_view key) const {
        metadata::ImagePtr image = metadata_.image();
        const metadata::Topic* topic = image->topics.find(topic_);
        if (topic == nullptr) return std::nullopt;
        auto count = static_cast<std::int32_t>(topic->partitions.size());
        return TopicIdPartition{topic->id, coordinator_partition(key, count)};
    }

    // Runs `function(Host&) -> Task<T>` where the key is hosted, or `refuse(ErrorCode)` when it is
    // not hosted here or not loaded yet.
    template <typename Function, typename Refuse>
    auto with(std::string_view key, Function function, Refuse refuse)
        -> std::invoke_result_t<Function&, Host&> {
        std::optional<TopicIdPartition> id = partition_of(key);
        if (!id) co_return refuse(ErrorCode::not_coordinator);
        co_return co_await on_partition(*id, std::move(function), std::move(refuse));
    }

    // The same for whatever a partition of the topic holds.
    template <typename Function, typename Refuse>
    auto on_partition(TopicIdPartition id, Function function, Refuse refuse)
        -> std::invoke_result_t<Function&, Host&> {
        using T = typename std::invoke_result_t<Function&, Host&>::Value;
        int shard = router_.owner(id);
        co_return co_await router_.on(shard, [&](Partitions&) -> Task<T> {
            std::shared_ptr<Host> host =
                by_shard_[static_cast<std::size_t>(shard)]->find(id.partition);
            ErrorCode error = host ? host->ready() : ErrorCode::not_coordinator;
            if (error != ErrorCode::none) co_return refuse(error);
            co_return co_await function(*host);
        });
    }

    // Runs `function(Host&) -> Task<void>` for every host, shard after shard.
    template <typename Function>
    Task<void> on_all(Function function) {
        for (int shard = 0; shard < router_.shards(); ++shard) {
            co_await router_.on(shard, [&](Partitions&) -> Task<void> {
                auto hosts = by_shard_[static_cast<std::size_t>(shard)]->all();
                for (auto& [partition, host] : hosts) co_await function(*host);
            });
        }
    }

  private:
    std::string_view topic_;
    PartitionRouter& router_;
    MetadataCache& metadata_;
    std::vector<ShardHosts*> by_shard_;
};

}  // namespace millrace::broker
