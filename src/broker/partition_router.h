#pragma once

#include <vector>

#include "broker/partitions/partitions.h"
#include "broker/work_meter.h"
#include "env/shard.h"

namespace millrace::broker {

// Which shard of this node a partition lives on, and the way there.
class PartitionRouter {
  public:
    PartitionRouter(env::Shard& here, std::vector<Partitions*> by_shard)
        : here_(here), by_shard_(std::move(by_shard)) {}

    int owner(const TopicIdPartition& id) const {
        std::size_t hash = std::hash<Uuid>()(id.topic_id) + static_cast<std::size_t>(id.partition);
        return static_cast<int>(hash % by_shard_.size());
    }
    int shards() const { return static_cast<int>(by_shard_.size()); }
    env::Shard& here() const { return here_; }
    bool is_here(int shard) const { return shard == here_.id(); }
    // Those of this shard.
    Partitions& local() const { return *by_shard_[static_cast<std::size_t>(here_.id())]; }

    // Runs `function(Partitions&) -> Task<T>` on a shard, measured where the caller is.
    template <typename Function>
    auto on(int shard, Function function) -> std::invoke_result_t<Function&, Partitions&> {
        Partitions& partitions = *by_shard_[static_cast<std::size_t>(shard)];
        auto there = [&](env::Shard&) { return function(partitions); };
        WorkMeter* meter = nullptr;
        if (!is_here(shard))
            meter = WorkMeter::of((co_await current_cancellation()).executor(), here_);
        if (meter != nullptr) [[unlikely]]
            co_return co_await meter->measured_on(shard, there);
        co_return co_await env::call_on(here_, shard, there);
    }

  private:
    env::Shard& here_;
    std::vector<Partitions*> by_shard_;
};

}  // namespace millrace::broker
