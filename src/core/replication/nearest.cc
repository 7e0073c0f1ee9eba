#include "core/replication/nearest.h"

namespace millrace::replication {
namespace {

bool is_in(std::string_view rack, std::int32_t broker, const metadata::Image& image) {
    const metadata::Broker* active = image.active_broker(broker);
    return active != nullptr && active->rack == rack;
}

}  // namespace

std::optional<std::int32_t> nearest_replica(const Leader& leader, std::int32_t self, Offset offset,
                                            std::string_view rack, const metadata::Image& image) {
    if (rack.empty() || is_in(rack, self, image)) return std::nullopt;
    const Leader::Follower* best = nullptr;
    for (const Leader::Follower& each : leader.followers()) {
        bool has_it = each.end >= offset && each.log_start <= offset;
        bool fits =
            has_it && metadata::contains(leader.isr(), each.id) && is_in(rack, each.id, image);
        if (fits && (best == nullptr || each.end > best->end)) best = &each;
    }
    if (best == nullptr) return std::nullopt;
    return best->id;
}

}  // namespace millrace::replication
