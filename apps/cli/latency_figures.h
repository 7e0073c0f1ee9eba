#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace millrace::cli {

// What ProducerPerformance says of how long records took, whole milliseconds each.
class LatencyFigures {
  public:
    // `most`: how many records there will be at most; of more than 500,000 only every so-manieth
    // counts for the percentiles. `kind` stands before "records".
    LatencyFigures(Timestamp now, std::int64_t most, std::string_view kind = "");

    void add(std::int64_t ms, std::size_t bytes);
    std::int64_t count() const { return all_.count; }
    std::int64_t window_count() const { return window_.count; }
    bool window_lasted(Timestamp now, std::int64_t ms) const { return now - window_began_ >= ms; }
    // What came since the last window, of which there is nothing any more.
    std::string window_line(Timestamp now) const;
    void begin_window(Timestamp now);
    std::string total_line(Timestamp now);

  private:
    struct Sums {
        std::int64_t count = 0;
        std::int64_t bytes = 0;
        std::int64_t latency = 0;
        std::int64_t longest = 0;
    };
    struct Rates {
        double records;
        double megabytes;
        double latency;
    };
    static Rates rates(const Sums& sums, std::int64_t elapsed_ms);

    std::string_view kind_;
    Timestamp began_;
    Timestamp window_began_;
    std::int64_t every_;
    Sums all_;
    Sums window_;
    std::vector<std::int32_t> samples_;
};

// The element of sorted values below which `fraction` of them lie, as Kafka's tools index it.
template <typename T>
T at_fraction(const std::vector<T>& sorted, double fraction) {
    if (sorted.empty()) return T{};
    return sorted[static_cast<std::size_t>(fraction * static_cast<double>(sorted.size()))];
}

}  // namespace millrace::cli
