#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::bench {

// What a process has used up to now (/proc).
struct Usage {
    double cpu_seconds = 0;
    std::uint64_t switches = 0;  // voluntary and not, of all its threads
    std::uint64_t resident = 0;  // bytes, now
};
Usage usage_of(int pid);

// The measured part of a load, from start() to the line of JSON that report() prints.
class Measure {
  public:
    // The process that is measured; 0: none.
    explicit Measure(int pid) : pid_(pid) {}
    void start();
    bool started() const { return began_ != 0; }
    void add(std::uint64_t bytes, std::int64_t latency_ns) {
        bytes_ += bytes;
        latencies_.push_back(latency_ns);
    }
    std::uint64_t count() const { return latencies_.size(); }
    void stop();
    std::string report();

  private:
    int pid_;
    std::int64_t began_ = 0;
    double seconds_ = 0;
    Usage before_;
    Usage after_;
    std::uint64_t bytes_ = 0;
    std::vector<std::int64_t> latencies_;
};

}  // namespace millrace::bench
