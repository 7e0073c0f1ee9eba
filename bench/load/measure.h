#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "stream.h"

namespace millrace::bench {

// What processes have used up to now (/proc).
struct Usage {
    double cpu_seconds = 0;
    std::uint64_t switches = 0;  // voluntary and not, of all threads
    std::uint64_t resident = 0;  // bytes, now
};
Usage usage_of(const std::vector<int>& pids);

// The measured part of a load, from start() to the line of JSON that report() prints.
class Measure {
  public:
    // The processes that are measured, together.
    explicit Measure(std::vector<int> pids) : pids_(std::move(pids)) {}
    void start();
    bool started() const { return began_ != 0; }
    void add(std::uint64_t bytes, std::int64_t latency_ns) {
        bytes_ += bytes;
        latencies_.push_back(latency_ns);
    }
    std::uint64_t count() const { return latencies_.size(); }
    // Since start(), or the last lap.
    double seconds() const { return static_cast<double>(now_ns() - began_) / 1e9; }
    // Prints the report of what was since then, and begins anew.
    void lap();
    void stop();
    std::string report();

  private:
    std::vector<int> pids_;
    std::int64_t began_ = 0;
    double seconds_ = 0;
    Usage before_;
    Usage after_;
    std::uint64_t bytes_ = 0;
    std::vector<std::int64_t> latencies_;
};

}  // namespace millrace::bench
