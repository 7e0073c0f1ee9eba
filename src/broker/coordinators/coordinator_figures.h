#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/recent_samples.h"
#include "broker/coordinators/coordinator_log.h"
#include "env/shard.h"
#include "metrics/registry.h"

namespace millrace::broker {

// What happens in coordinators of one shard: how often, and how many times a second.
class CountAndRate {
  public:
    CountAndRate(env::Shard& shard, metrics::Registry& registry,
                 const metrics::CounterDeclaration& count, const metrics::GaugeDeclaration& rate);
    CountAndRate(const CountAndRate&) = delete;

    void add(std::uint64_t n);
    // Of what somebody else counts, from its beginning on; `counted` is what was told before.
    void follow(std::uint64_t now, std::uint64_t& counted) {
        add(now - std::exchange(counted, now));
    }

  private:
    env::Shard& shard_;
    metrics::Counter& count_;
    RecentSamples recent_;
    metrics::Registry::Reading reading_;
};

// How many partitions of a coordinator's topic one shard leads, and how long they took to load.
class LoadFigures {
  public:
    struct Names {
        const metrics::GaugeDeclaration& partitions;
        const metrics::AverageDeclaration& average_ms;
        const metrics::MaximumDeclaration& maximum_ms;
    };
    using Stage = CoordinatorLog::Stage;
    // `count` tells how many of them are there.
    LoadFigures(metrics::Registry& registry, const Names& names,
                const std::function<std::size_t(Stage)>& count);
    LoadFigures(const LoadFigures&) = delete;

    void loaded(Duration took, Time now) { recent_.add(static_cast<double>(took.ms()), now); }

  private:
    RecentSamples recent_;
    std::vector<metrics::Registry::Reading> readings_;
};

}  // namespace millrace::broker
