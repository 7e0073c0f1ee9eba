#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/recent_samples.h"
#include "base/time.h"
#include "metrics/declaration.h"
#include "metrics/instruments.h"
#include "metrics/snapshot.h"

namespace millrace::metrics {

// Label values in the order of the declaration's labels. Optional ones may be left off at the end,
// or be empty.
using Labels = std::vector<std::string>;

// The instruments of one shard. What is declared and was never asked for here is not exposed.
// References stay valid until the instrument is removed or the registry ends.
class Registry {
  public:
    explicit Registry(Time now) : now_(now) {}
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;

    // The one of these labels, made when it is asked for first.
    Counter& counter(const CounterDeclaration& declaration, Labels labels = {});
    Gauge& gauge(const GaugeDeclaration& declaration, Labels labels = {});
    Meter& meter(const MeterDeclaration& declaration, Labels labels = {});
    Histogram& histogram(const HistogramDeclaration& declaration, Labels labels = {});
    Timer& timer(const TimerDeclaration& declaration, Labels labels = {});

    // A gauge that is read when it is scraped, on this shard, for as long as the Reading lives.
    class Reading {
      public:
        Reading() = default;
        Reading(Reading&& other) noexcept { *this = std::move(other); }
        Reading& operator=(Reading&& other) noexcept {
            std::swap(registry_, other.registry_);
            std::swap(id_, other.id_);
            return *this;
        }
        ~Reading();

      private:
        friend class Registry;
        Reading(Registry* registry, std::uint64_t id) : registry_(registry), id_(id) {}
        Registry* registry_ = nullptr;
        std::uint64_t id_ = 0;
    };
    [[nodiscard]] Reading read_gauge(const GaugeDeclaration& declaration, Labels labels,
                                     std::function<double()> read);
    // The same for those of recent samples, which live as long. NaN where there are none.
    [[nodiscard]] Reading read_average(const AverageDeclaration& declaration, Labels labels,
                                       const RecentSamples& samples);
    [[nodiscard]] Reading read_maximum(const MaximumDeclaration& declaration, Labels labels,
                                       const RecentSamples& samples);

    void remove(const Declaration& declaration, const Labels& labels);
    // Every instrument with this label: a topic that was deleted.
    void remove_labelled(std::string_view label, std::string_view value);

    // Lets rates and distributions fade; Snapshots do it too, so that a timer is not needed.
    void tick(Time now);
    Snapshot snapshot(Time now);

  private:
    using Key = std::pair<const Declaration*, Labels>;
    template <typename Instrument>
    using Instruments = std::map<Key, std::unique_ptr<Instrument>>;
    using Read = std::function<void(const Key&, Snapshot&)>;
    struct ReadFigure {
        Key key;
        Read read;
    };
    Reading read_figure(const Declaration& declaration, Labels labels, Read read);

    template <typename Function>
    void each_map(Function function);

    Time now_;
    std::uint64_t next_id_ = 1;
    Instruments<Counter> counters_;
    Instruments<Gauge> gauges_;
    Instruments<Meter> meters_;
    Instruments<Histogram> histograms_;
    Instruments<Timer> timers_;
    std::map<std::uint64_t, ReadFigure> readings_;
};

}  // namespace millrace::metrics
