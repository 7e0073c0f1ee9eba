#include "load/measure.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fmt/core.h>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace millrace::bench {
namespace {

std::string content(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The number behind a key of /proc/PID/status.
std::uint64_t status(const std::string& text, std::string_view key) {
    auto at = text.find(key);
    return at == std::string::npos ? 0 : std::stoull(text.substr(at + key.size()));
}

// Of all its threads, in nanoseconds: /proc counts in hundredths of a second.
double cpu_seconds(int pid) {
    clockid_t clock;
    timespec used{};
    int failed = ::clock_getcpuclockid(pid, &clock);
    if (failed != 0 || ::clock_gettime(clock, &used) != 0) {
        throw std::runtime_error(fmt::format("process {} cannot be measured", pid));
    }
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

}  // namespace

Usage usage_of(const std::vector<int>& pids) {
    Usage usage;
    for (int pid : pids) {
        std::filesystem::path folder = fmt::format("/proc/{}", pid);
        usage.cpu_seconds += cpu_seconds(pid);
        usage.resident += status(content(folder / "status"), "VmRSS:") * 1024;
        for (const auto& thread : std::filesystem::directory_iterator(folder / "task")) {
            std::string text = content(thread.path() / "status");
            usage.switches += status(text, "\nvoluntary_ctxt_switches:") +
                              status(text, "nonvoluntary_ctxt_switches:");
        }
    }
    return usage;
}

void Measure::start() {
    latencies_.reserve(1 << 20);
    before_ = usage_of(pids_);
    began_ = now_ns();
}

void Measure::lap() {
    stop();
    fmt::print("{}\n", report());
    std::fflush(stdout);
    latencies_.clear();
    bytes_ = 0;
    start();
}

void Measure::stop() {
    seconds_ = seconds();
    after_ = usage_of(pids_);
}

std::string Measure::report() {
    std::ranges::sort(latencies_);
    auto quantile = [this](double part) {
        if (latencies_.empty()) return 0.0;
        auto at = static_cast<std::size_t>(part * static_cast<double>(latencies_.size()));
        return static_cast<double>(latencies_[std::min(at, latencies_.size() - 1)]) / 1e3;
    };
    return fmt::format(
        R"({{"requests": {}, "bytes": {}, "seconds": {:.6f}, "cpu_seconds": {:.6f}, )"
        R"("switches": {}, "resident": {}, "p50_us": {:.1f}, "p99_us": {:.1f}, )"
        R"("p999_us": {:.1f}, "max_us": {:.1f}}})",
        latencies_.size(), bytes_, seconds_, after_.cpu_seconds - before_.cpu_seconds,
        after_.switches - before_.switches, after_.resident, quantile(0.5), quantile(0.99),
        quantile(0.999), quantile(1));
}

}  // namespace millrace::bench
