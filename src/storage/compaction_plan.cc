#include "storage/compaction_plan.h"

#include <limits>

namespace millrace::storage {

std::vector<std::size_t> group_sources(std::span<const CompactionSource> sources,
                                       const CompactionLimits& limits) {
    std::vector<std::size_t> groups;
    while (!sources.empty()) {
        std::uint64_t bytes = 0;
        std::uint64_t offset_index_bytes = 0;
        std::uint64_t time_index_bytes = 0;
        std::size_t count = 0;
        for (const CompactionSource& source : sources) {
            bytes += source.size;
            offset_index_bytes += source.offset_index_bytes;
            time_index_bytes += source.time_index_bytes;
            bool fits = bytes <= limits.segment_bytes && offset_index_bytes <= limits.index_bytes &&
                        time_index_bytes <= limits.index_bytes;
            // Offsets are told relative to the base. A segment without records spans none, so that
            // a log of few records does not keep an empty segment every 2^31 offsets.
            bool spans = source.size == 0 || source.next_base - 1 - sources.front().base <=
                                                 std::numeric_limits<std::int32_t>::max();
            if (count > 0 && !(fits && spans)) break;
            ++count;
        }
        groups.push_back(count);
        sources = sources.subspan(count);
    }
    return groups;
}

}  // namespace millrace::storage
