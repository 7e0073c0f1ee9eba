#include "storage/retention.h"

namespace millrace::storage {
namespace {

bool older_than(std::int64_t limit_ms, Timestamp largest, Timestamp now) {
    std::int64_t age = 0;
    if (__builtin_sub_overflow(now, largest, &age)) return largest < 0;
    return age > limit_ms;
}

}  // namespace

Result<ExpiredSegments> expired_segments(std::span<const RetainedSegment> segments, Offset start,
                                         Offset bound, const RetentionLimits& limits, Timestamp now,
                                         const LargestTimestamp& largest) {
    ExpiredSegments expired;
    std::size_t next = 0;
    auto may_go = [&] {
        if (next == segments.size() || segments[next].end > bound) return false;
        return !segments[next].is_last || segments[next].size > 0;
    };
    while (may_go() && !segments[next].is_last && segments[next].end <= start) {
        ++expired.below_start;
        ++next;
    }
    std::uint64_t size = 0;
    for (const RetainedSegment& segment : segments.subspan(next)) size += segment.size;
    auto most = static_cast<std::uint64_t>(limits.bytes);
    while (limits.bytes >= 0 && may_go() && size >= most && size - most >= segments[next].size) {
        size -= segments[next].size;
        ++expired.beyond_size;
        ++next;
    }
    while (limits.ms >= 0 && may_go()) {
        ASSIGN_OR_RETURN(Timestamp latest, largest(next));
        if (!older_than(limits.ms, latest, now)) break;
        ++expired.beyond_age;
        ++next;
    }
    return expired;
}

}  // namespace millrace::storage
