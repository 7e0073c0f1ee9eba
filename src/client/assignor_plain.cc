#include "client/assignor_plain.h"

#include <algorithm>

namespace millrace::client {
namespace {

using Member = Subscriptions::value_type;

// Static members first and by instance id, which outlives member ids; the others by member id.
bool before(const Member* a, const Member* b) {
    const auto& a_instance = a->second.instance_id;
    const auto& b_instance = b->second.instance_id;
    if (a_instance && b_instance) return *a_instance < *b_instance;
    if (a_instance || b_instance) return a_instance.has_value();
    return a->first < b->first;
}

bool subscribes(const Member* member, const std::string& topic) {
    return std::ranges::find(member->second.topics, topic) != member->second.topics.end();
}

std::vector<const Member*> in_order(const Subscriptions& members) {
    std::vector<const Member*> sorted;
    for (const Member& member : members) sorted.push_back(&member);
    std::ranges::sort(sorted, before);
    return sorted;
}

Assignment nothing_for(const Subscriptions& members) {
    Assignment assignment;
    for (const auto& [id, subscription] : members) assignment[id];
    return assignment;
}

}  // namespace

Assignment RangeAssignor::assign(const PartitionCounts& counts,
                                 const Subscriptions& members) const {
    Assignment assignment = nothing_for(members);
    std::vector<const Member*> sorted = in_order(members);
    for (const auto& [topic, count] : counts) {
        std::vector<const Member*> interested;
        for (const Member* member : sorted)
            if (subscribes(member, topic)) interested.push_back(member);
        if (interested.empty()) continue;
        auto shares = static_cast<std::int32_t>(interested.size());
        std::int32_t next = 0;
        for (std::int32_t i = 0; i < shares; ++i) {
            std::int32_t size = count / shares + (i < count % shares ? 1 : 0);
            auto& partitions = assignment[interested[static_cast<std::size_t>(i)]->first];
            for (std::int32_t end = next + size; next < end; ++next)
                partitions.push_back({topic, next});
        }
    }
    return assignment;
}

Assignment RoundRobinAssignor::assign(const PartitionCounts& counts,
                                      const Subscriptions& members) const {
    Assignment assignment = nothing_for(members);
    std::vector<const Member*> sorted = in_order(members);
    std::size_t turn = 0;
    for (const auto& [topic, count] : counts) {
        if (std::ranges::none_of(sorted, [&](auto* member) { return subscribes(member, topic); }))
            continue;
        for (std::int32_t partition = 0; partition < count; ++partition) {
            while (!subscribes(sorted[turn], topic)) turn = (turn + 1) % sorted.size();
            assignment[sorted[turn]->first].push_back({topic, partition});
            turn = (turn + 1) % sorted.size();
        }
    }
    return assignment;
}

}  // namespace millrace::client
