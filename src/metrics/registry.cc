#include "metrics/registry.h"

#include <algorithm>
#include <type_traits>

#include "base/check.h"

namespace millrace::metrics {
namespace {

// The instrument of a key, made from `arguments` where it is missing.
template <typename Map, typename... Arguments>
auto& find_or_make(Map& map, const Declaration& declaration, Labels labels,
                   Arguments... arguments) {
    CHECK(labels.size() >= declaration.required_labels &&
          labels.size() <= declaration.labels.size());
    using Instrument = typename Map::mapped_type::element_type;
    auto& slot = map[{&declaration, std::move(labels)}];
    if (slot == nullptr) slot = std::make_unique<Instrument>(arguments...);
    return *slot;
}

bool has_label(const std::pair<const Declaration*, Labels>& key, std::string_view label,
               std::string_view value) {
    for (std::size_t i = 0; i < key.second.size(); ++i) {
        if (key.first->labels[i] == label && key.second[i] == value) return true;
    }
    return false;
}

Snapshot::Rates rates_of(const Meter& meter, Time now) {
    return {.count = meter.count(),
            .mean = meter.mean_rate(now),
            .one_minute = meter.one_minute_rate(),
            .five_minutes = meter.five_minute_rate(),
            .fifteen_minutes = meter.fifteen_minute_rate()};
}

}  // namespace

template <typename Function>
void Registry::each_map(Function function) {
    function(counters_);
    function(gauges_);
    function(meters_);
    function(histograms_);
    function(timers_);
}

Counter& Registry::counter(const CounterDeclaration& declaration, Labels labels) {
    return find_or_make(counters_, declaration, std::move(labels));
}
Gauge& Registry::gauge(const GaugeDeclaration& declaration, Labels labels) {
    return find_or_make(gauges_, declaration, std::move(labels));
}
Meter& Registry::meter(const MeterDeclaration& declaration, Labels labels) {
    return find_or_make(meters_, declaration, std::move(labels), now_);
}
Histogram& Registry::histogram(const HistogramDeclaration& declaration, Labels labels) {
    return find_or_make(histograms_, declaration, std::move(labels));
}
Timer& Registry::timer(const TimerDeclaration& declaration, Labels labels) {
    return find_or_make(timers_, declaration, std::move(labels), now_);
}

Registry::Reading Registry::read_gauge(const GaugeDeclaration& declaration, Labels labels,
                                       std::function<double()> read) {
    return read_figure(declaration, std::move(labels),
                       [read = std::move(read)](const Key& key, Snapshot& snapshot) {
                           snapshot.add_value(*key.first, key.second, read());
                       });
}
Registry::Reading Registry::read_average(const AverageDeclaration& declaration, Labels labels,
                                         const RecentSamples& samples) {
    return read_figure(
        declaration, std::move(labels), [this, &samples](const Key& key, Snapshot& snapshot) {
            snapshot.add_average(*key.first, key.second,
                                 {.sum = samples.sum(now_), .count = samples.count(now_)});
        });
}
Registry::Reading Registry::read_maximum(const MaximumDeclaration& declaration, Labels labels,
                                         const RecentSamples& samples) {
    return read_figure(declaration, std::move(labels),
                       [this, &samples](const Key& key, Snapshot& snapshot) {
                           snapshot.add_maximum(*key.first, key.second, samples.max(now_));
                       });
}

Registry::Reading Registry::read_figure(const Declaration& declaration, Labels labels, Read read) {
    CHECK(labels.size() >= declaration.required_labels &&
          labels.size() <= declaration.labels.size());
    readings_[next_id_] = {{&declaration, std::move(labels)}, std::move(read)};
    return Reading(this, next_id_++);
}

Registry::Reading::~Reading() {
    if (registry_ != nullptr) registry_->readings_.erase(id_);
}

void Registry::remove(const Declaration& declaration, const Labels& labels) {
    each_map([&](auto& map) { map.erase({&declaration, labels}); });
}

void Registry::remove_labelled(std::string_view label, std::string_view value) {
    each_map([&](auto& map) {
        std::erase_if(map, [&](const auto& entry) { return has_label(entry.first, label, value); });
    });
}

void Registry::tick(Time now) {
    now_ = std::max(now_, now);
    each_map([&](auto& map) {
        for (auto& [key, instrument] : map) {
            if constexpr (requires { instrument->tick(now_); }) instrument->tick(now_);
        }
    });
}

Snapshot Registry::snapshot(Time now) {
    tick(now);
    Snapshot snapshot;
    for (const auto& [key, counter] : counters_) {
        snapshot.add_value(*key.first, key.second, static_cast<double>(counter->value()));
    }
    for (const auto& [key, gauge] : gauges_) {
        snapshot.add_value(*key.first, key.second, gauge->value());
    }
    for (const auto& [id, figure] : readings_) figure.read(figure.key, snapshot);
    for (const auto& [key, meter] : meters_) {
        snapshot.add_rates(*key.first, key.second, rates_of(*meter, now_));
    }
    for (const auto& [key, histogram] : histograms_) {
        snapshot.add_histogram(*key.first, key.second, *histogram);
    }
    for (const auto& [key, timer] : timers_) {
        snapshot.add_rates(*key.first, key.second, rates_of(timer->meter(), now_));
        snapshot.add_histogram(*key.first, key.second, timer->milliseconds());
    }
    return snapshot;
}

}  // namespace millrace::metrics
