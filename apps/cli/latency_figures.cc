#include "cli/latency_figures.h"

#include <algorithm>
#include <fmt/core.h>

#include "cli/java_format.h"

namespace millrace::cli {

namespace {

constexpr std::int64_t most_samples = 500'000;
constexpr double megabyte = 1024.0 * 1024.0;

}  // namespace

LatencyFigures::LatencyFigures(Timestamp now, std::int64_t most, std::string_view kind)
    : kind_(kind),
      began_(now),
      window_began_(now),
      every_(std::max<std::int64_t>(1, most / most_samples)) {}

void LatencyFigures::add(std::int64_t ms, std::size_t bytes) {
    if (all_.count % every_ == 0) samples_.push_back(static_cast<std::int32_t>(ms));
    for (Sums* sums : {&all_, &window_}) {
        ++sums->count;
        sums->bytes += static_cast<std::int64_t>(bytes);
        sums->latency += ms;
        sums->longest = std::max(sums->longest, ms);
    }
}

LatencyFigures::Rates LatencyFigures::rates(const Sums& sums, std::int64_t elapsed_ms) {
    auto elapsed = static_cast<double>(elapsed_ms);
    auto count = static_cast<double>(sums.count);
    return {.records = 1000.0 * count / elapsed,
            .megabytes = 1000.0 * static_cast<double>(sums.bytes) / elapsed / megabyte,
            .latency = static_cast<double>(sums.latency) / count};
}

std::string LatencyFigures::window_line(Timestamp now) const {
    Rates rate = rates(window_, now - window_began_);
    return fmt::format(
        "{}{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency.",
        window_.count, kind_, java_number(rate.records, 1), java_number(rate.megabytes, 2),
        java_number(rate.latency, 1), java_number(static_cast<double>(window_.longest), 1));
}

void LatencyFigures::begin_window(Timestamp now) {
    window_ = {};
    window_began_ = now;
}

std::string LatencyFigures::total_line(Timestamp now) {
    Rates rate = rates(all_, now - began_);
    std::ranges::sort(samples_);
    return fmt::format(
        "{}{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency, "
        "{} ms 50th, {} ms 95th, {} ms 99th, {} ms 99.9th.",
        all_.count, kind_, java_number(rate.records, 6), java_number(rate.megabytes, 2),
        java_number(rate.latency, 2), java_number(static_cast<double>(all_.longest), 2),
        at_fraction(samples_, 0.5), at_fraction(samples_, 0.95), at_fraction(samples_, 0.99),
        at_fraction(samples_, 0.999));
}

}  // namespace millrace::cli
