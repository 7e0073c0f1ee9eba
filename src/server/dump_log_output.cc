#include "server/dump_log_output.h"

#include <functional>

namespace millrace::server {
namespace {

// By `first`; of pairs with the same, the latest stays.
template <typename Before>
void sort_pairs(std::vector<Pair>& pairs) {
    std::map<std::int64_t, std::int64_t, Before> sorted;
    for (const Pair& pair : pairs) sorted[pair.first] = pair.second;
    pairs.clear();
    for (const auto& [first, second] : sorted) pairs.push_back({first, second});
}

}  // namespace

void Findings::sort() {
    for (auto& [file, list] : of[index_mismatch]) sort_pairs<std::greater<>>(list.pairs);
    for (auto& [file, list] : of[gap]) sort_pairs<std::less<>>(list.pairs);
}

std::int32_t first_sequence(const ProducerSnapshot::ProducerEntry& producer) {
    auto last = static_cast<std::uint32_t>(producer.last_sequence);
    auto delta = static_cast<std::uint32_t>(producer.offset_delta);
    std::uint32_t turn = producer.last_sequence < producer.offset_delta ? 0x80000000U : 0;
    return static_cast<std::int32_t>(last - delta + turn);
}

std::int32_t last_sequence(const BatchView& header) {
    std::int32_t first = header.base_sequence();
    if (first == no_sequence) return no_sequence;
    std::int64_t last = std::int64_t{first} + header.last_offset_delta();
    constexpr std::int64_t turn = std::int64_t{1} << 31U;
    return static_cast<std::int32_t>(last >= turn ? last - turn : last);
}

std::string_view timestamp_type_name(std::optional<TimestampType> type) {
    if (!type) return "NoTimestampType";
    return *type == TimestampType::create_time ? "CreateTime" : "LogAppendTime";
}

std::string compression_name(int codec_id) {
    std::optional<Codec> codec = codec_of_id(codec_id);
    return codec ? std::string(codec_name(*codec)) : std::to_string(codec_id);
}

std::string_view control_type_name(std::int16_t type) {
    static constexpr std::string_view names[] = {
        "ABORT",           "COMMIT",        "LEADER_CHANGE", "SNAPSHOT_HEADER",
        "SNAPSHOT_FOOTER", "KRAFT_VERSION", "KRAFT_VOTERS"};
    if (!is_known(static_cast<ControlType>(type))) return "UNKNOWN";
    return names[type];
}

}  // namespace millrace::server
