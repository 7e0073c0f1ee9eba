#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace millrace {

// A span of time, nanoseconds inside.
class Duration {
  public:
    constexpr Duration() = default;
    static constexpr Duration nanoseconds(std::int64_t n) { return Duration(n); }
    static constexpr Duration microseconds(std::int64_t n) { return Duration(n * 1'000); }
    static constexpr Duration milliseconds(std::int64_t n) {
        constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max() / 1'000'000;
        return n > most ? max() : Duration(n * 1'000'000);
    }
    static constexpr Duration seconds(std::int64_t n) { return milliseconds(n * 1'000); }
    static constexpr Duration max() { return Duration(std::numeric_limits<std::int64_t>::max()); }

    constexpr std::int64_t ns() const { return ns_; }
    constexpr std::int64_t us() const { return ns_ / 1'000; }
    constexpr std::int64_t ms() const { return ns_ / 1'000'000; }
    constexpr double in_seconds() const { return static_cast<double>(ns_) / 1e9; }

    constexpr auto operator<=>(const Duration&) const = default;
    constexpr Duration operator+(Duration d) const { return Duration(ns_ + d.ns_); }
    constexpr Duration operator-(Duration d) const { return Duration(ns_ - d.ns_); }
    constexpr Duration operator*(std::int64_t n) const { return Duration(ns_ * n); }
    constexpr Duration operator/(std::int64_t n) const { return Duration(ns_ / n); }

  private:
    explicit constexpr Duration(std::int64_t ns) : ns_(ns) {}
    std::int64_t ns_ = 0;
};

// A reading of the monotonic clock of one process (or of the simulator).
class Time {
  public:
    constexpr Time() = default;
    static constexpr Time from_ns(std::int64_t ns) { return Time(ns); }
    static constexpr Time never() { return Time(std::numeric_limits<std::int64_t>::max()); }

    constexpr std::int64_t ns() const { return ns_; }
    constexpr auto operator<=>(const Time&) const = default;
    // Saturates, so that now + Duration::max() is never().
    constexpr Time operator+(Duration d) const {
        return d.ns() > 0 && ns_ > never().ns_ - d.ns() ? never() : Time(ns_ + d.ns());
    }
    constexpr Time operator-(Duration d) const { return Time(ns_ - d.ns()); }
    constexpr Duration operator-(Time t) const { return Duration::nanoseconds(ns_ - t.ns_); }

  private:
    explicit constexpr Time(std::int64_t ns) : ns_(ns) {}
    std::int64_t ns_ = 0;
};

// Wall clock, milliseconds since 1970: what Kafka writes into records.
using Timestamp = std::int64_t;

}  // namespace millrace
