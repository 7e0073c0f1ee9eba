#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "metrics/declaration.h"
#include "metrics/histogram.h"

namespace millrace::metrics {

// The figures of the instruments at one moment, of one shard or of several put together.
class Snapshot {
  public:
    struct Rates {
        std::uint64_t count = 0;
        double mean = 0, one_minute = 0, five_minutes = 0, fifteen_minutes = 0;
    };

    struct Average {
        double sum = 0;
        std::uint64_t count = 0;
    };

    void add_value(const Declaration& declaration, const std::vector<std::string>& labels,
                   double value);
    void add_average(const Declaration& declaration, const std::vector<std::string>& labels,
                     const Average& average);
    void add_maximum(const Declaration& declaration, const std::vector<std::string>& labels,
                     std::optional<double> maximum);
    void add_rates(const Declaration& declaration, const std::vector<std::string>& labels,
                   const Rates& rates);
    void add_histogram(const Declaration& declaration, const std::vector<std::string>& labels,
                       const Histogram& histogram);

    // Takes in the figures of another shard: values, counts and rates are summed, distributions
    // merged; a maximum is the greater one.
    void merge(const Snapshot& other);

    // Prometheus' text format 0.0.4 (Content-Type text/plain; version=0.0.4), sorted by name.
    std::string text() const;

  private:
    struct Figures {
        const Declaration* declaration = nullptr;
        double value = 0;
        Average average;
        std::optional<double> maximum;
        Rates rates;
        Histogram histogram;
    };
    // By family, name and label values: the same in every process and run.
    using Key = std::pair<std::pair<std::string, std::string>, std::vector<std::string>>;
    Figures& at(const Declaration& declaration, const std::vector<std::string>& labels);

    std::map<Key, Figures> figures_;
};

}  // namespace millrace::metrics
