#include "broker/coordinators/coordinator_figures.h"

namespace millrace::broker {

CountAndRate::CountAndRate(env::Shard& shard, metrics::Registry& registry,
                           const metrics::CounterDeclaration& count,
                           const metrics::GaugeDeclaration& rate)
    : shard_(shard),
      count_(registry.counter(count)),
      reading_(registry.read_gauge(rate, {}, [this] { return recent_.rate(shard_.now()); })) {}

void CountAndRate::add(std::uint64_t n) {
    if (n == 0) return;
    count_.add(n);
    recent_.add(static_cast<double>(n), shard_.now());
}

LoadFigures::LoadFigures(metrics::Registry& registry, const Names& names,
                         const std::function<std::size_t(Stage)>& count) {
    auto read = [&](std::string_view state, Stage stage) {
        readings_.push_back(
            registry.read_gauge(names.partitions, {std::string(state)},
                                [count, stage] { return static_cast<double>(count(stage)); }));
    };
    read("loading", Stage::loading);
    read("active", Stage::active);
    read("failed", Stage::failed);
    readings_.push_back(registry.read_average(names.average_ms, {}, recent_));
    readings_.push_back(registry.read_maximum(names.maximum_ms, {}, recent_));
}

}  // namespace millrace::broker
