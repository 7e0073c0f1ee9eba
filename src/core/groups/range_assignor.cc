#include <algorithm>
#include <numeric>

#include "core/groups/assignor.h"

namespace millrace::groups {
namespace {

// How far a topic is handed out.
struct Ranges {
    std::int32_t partitions = 0;
    std::int32_t subscribers = 0;
    std::int32_t given_to = 0;
    std::int32_t next = 0;

    std::vector<std::int32_t> take() {
        std::int32_t extra = given_to++ < partitions % subscribers ? 1 : 0;
        std::int32_t end = std::min(next + partitions / subscribers + extra, partitions);
        std::vector<std::int32_t> taken(static_cast<std::size_t>(end - next));
        std::iota(taken.begin(), taken.end(), next);
        next = end;
        return taken;
    }
};

// Static members first, by instance id: they keep their ranges when they come back.
bool comes_before(const AssignorMember* a, const AssignorMember* b) {
    if (a->instance_id && b->instance_id) return *a->instance_id < *b->instance_id;
    if (a->instance_id || b->instance_id) return a->instance_id.has_value();
    return a->id < b->id;
}

}  // namespace

Assignments assign_range(const GroupSpec& spec) {
    std::vector<const AssignorMember*> members;
    for (const AssignorMember& member : spec.members) members.push_back(&member);
    std::ranges::sort(members, comes_before);
    auto topics_of = [&](const AssignorMember* member) -> const std::vector<AssignableTopic>& {
        bool all_alike = spec.type == SubscriptionType::homogeneous;
        return all_alike ? members.front()->topics : member->topics;
    };
    std::map<Uuid, Ranges> topics;
    for (const AssignorMember* member : members) {
        for (const AssignableTopic& topic : topics_of(member)) {
            Ranges& ranges = topics[topic.id];
            ranges.partitions = topic.partitions;
            ++ranges.subscribers;
        }
    }
    Assignments assignments;
    for (const AssignorMember* member : members) {
        Assignment& assignment = assignments[member->id];
        for (const AssignableTopic& topic : topics_of(member)) {
            std::vector<std::int32_t> taken = topics.at(topic.id).take();
            if (!taken.empty()) assignment[topic.id] = std::move(taken);
        }
    }
    return assignments;
}

Assignor find_assignor(std::string_view name) {
    if (name == "uniform") return assign_uniform;
    if (name == "range") return assign_range;
    return nullptr;
}

}  // namespace millrace::groups
