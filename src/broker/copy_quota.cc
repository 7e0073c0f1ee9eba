#include "broker/copy_quota.h"

#include <algorithm>

namespace millrace::broker {

Duration CopyQuota::wait(std::int64_t bytes_a_second, Time now) {
    forget(now);
    if (samples_.empty()) return {};
    double bytes = 0;
    for (const Sample& sample : samples_) bytes += static_cast<double>(sample.bytes);
    // The time in which these bytes would have been in order. Windows that have not passed yet
    // count, or the first bytes after a rest would be far too many a second.
    double due = bytes / static_cast<double>(std::max<std::int64_t>(bytes_a_second, 1)) * 1e9;
    auto passed = std::max((now - samples_.front().began).ns(), window_.ns() * (windows_ - 1));
    double missing = due - static_cast<double>(passed);
    if (missing <= 0) return {};
    // Bytes that leave the windows are forgiven, so that more than the whole span is never due.
    return Duration::nanoseconds(
        static_cast<std::int64_t>(std::min(missing, static_cast<double>(window_.ns() * windows_))));
}

}  // namespace millrace::broker
