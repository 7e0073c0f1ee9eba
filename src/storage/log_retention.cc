#include <algorithm>
#include <fmt/core.h>

#include "env/disk.h"
#include "env/shard.h"
#include "storage/file_names.h"
#include "storage/log.h"
#include "storage/page_access.h"
#include "storage/segment.h"
#include "storage/storage_log.h"

namespace millrace::storage {

Task<Result<std::optional<Offset>>> Log::expire(RetentionLimits limits, Offset bound) {
    auto choose = [this, limits, bound](PageAccess& access) {
        return choose_expired(limits, bound, access);
    };
    ASSIGN_OR_CO_RETURN(ExpiredSegments expired, co_await look_up_cold(choose));
    std::size_t count = expired.count();
    if (count == 0) co_return std::nullopt;
    if (count == segments_.size()) CO_RETURN_IF_ERROR(roll());
    Offset to = segments_[count]->base();
    LOG_INFO(
        "{}: {} segments go, up to {}: {} below its start, {} beyond {} bytes, {} beyond {} ms",
        path_, count, to, expired.below_start, expired.beyond_size, limits.bytes,
        expired.beyond_age, limits.ms);
    CO_RETURN_IF_ERROR(advance_start(to));
    co_return start_offset_;
}

Result<ExpiredSegments> Log::choose_expired(RetentionLimits limits, Offset bound,
                                            PageAccess& access) {
    RETURN_IF_ERROR(check_open());
    std::vector<RetainedSegment> retained;
    retained.reserve(segments_.size());
    for (const auto& segment : segments_) {
        if (!retained.empty()) retained.back().end = segment->base();
        retained.push_back({.base = segment->base(), .end = next_offset_, .size = segment->size()});
    }
    retained.back().is_last = true;
    Timestamp now = shard_.wall_ms();
    auto largest = [&](std::size_t index) -> Result<Timestamp> {
        Segment& segment = *segments_[index];
        ASSIGN_OR_RETURN(Timestamp latest, segment.age_from(access));
        if (latest > now) {
            LOG_WARN(
                "{} is kept whatever retention.ms says: it has the timestamp {}, which is in "
                "the future",
                segment.path(log_suffix), latest);
        }
        return latest;
    };
    return expired_segments(retained, start_offset_, bound, limits, now, largest);
}

Result<> Log::remove_below(Offset offset) {
    RETURN_IF_ERROR(check_open());
    offset = std::min(offset, start_offset_);
    std::size_t below = 0;
    while (below + 1 < segments_.size() && segments_[below + 1]->base() <= offset) ++below;
    if (below == 0) return {};
    changed_ = true;
    return guarded(drop_segments(0, below));
}

Task<std::optional<Timestamp>> Log::remove_deleted() {
    Timestamp now = shard_.wall_ms();
    std::vector<std::string> due;
    std::erase_if(doomed_, [&](const Doomed& each) {
        if (each.due > now) return false;
        due.push_back(fmt::format("{}/{}", path_, each.name));
        return true;
    });
    auto remove = [&disk = disk_, &due] {
        for (const std::string& path : due) {
            if (!disk.exists(path)) continue;  // gone with its directory
            if (auto removed = disk.remove(path); !removed) {
                LOG_WARN("A deleted file stays: {}", removed.error().message);
            }
        }
    };
    if (!due.empty()) co_await env::lasting(shard_, remove);
    auto soonest = std::ranges::min_element(doomed_, {}, &Doomed::due);
    if (soonest == doomed_.end()) co_return std::nullopt;
    co_return soonest->due;
}

}  // namespace millrace::storage
