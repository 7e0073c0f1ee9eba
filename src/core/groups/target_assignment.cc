#include "core/groups/target_assignment.h"

#include <algorithm>

#include "core/groups/java_order.h"

namespace millrace::groups {
namespace {

std::vector<std::string_view> in_set_order(const std::set<std::string>& names) {
    std::vector<std::string_view> ordered(names.begin(), names.end());
    put_in_table_order(ordered, copied_table(ordered.size()),
                       [](std::string_view name) { return name; });
    return ordered;
}

// Of the member's subscription: those it names and those that its expression means, those of the
// larger set first.
std::vector<std::string_view> names_of(const ConsumerMember& member,
                                       const std::map<std::string, ResolvedRegex>& resolved) {
    static const std::set<std::string> nothing;
    auto meaning = member.has_regex() ? resolved.find(*member.regex) : resolved.end();
    const auto& meant = meaning == resolved.end() ? nothing : meaning->second.topics;
    bool named_first = member.topics.size() > meant.size();
    const auto& first = named_first ? member.topics : meant;
    const auto& second = named_first ? meant : member.topics;
    std::vector<std::string_view> names = in_set_order(first);
    for (std::string_view name : in_set_order(second)) {
        if (!first.contains(std::string(name))) names.push_back(name);
    }
    return names;
}

AssignorMember assignor_member(const ConsumerMember& member, const Assignment& current,
                               const std::map<std::string, ResolvedRegex>& resolved,
                               const metadata::Image& image) {
    AssignorMember told{.id = member.id, .instance_id = member.instance_id, .current = &current};
    for (std::string_view name : names_of(member, resolved)) {
        ++told.names;
        const metadata::Topic* topic = image.topics.find(name);
        if (topic == nullptr) continue;
        told.topics.push_back({topic->id, static_cast<std::int32_t>(topic->partitions.size())});
    }
    return told;
}

}  // namespace

std::set<Uuid> topic_ids_of(const ConsumerMember& member,
                            const std::map<std::string, ResolvedRegex>& resolved,
                            const metadata::Image& image) {
    std::set<Uuid> ids;
    for (std::string_view name : names_of(member, resolved)) {
        if (const metadata::Topic* topic = image.topics.find(name)) ids.insert(topic->id);
    }
    return ids;
}

Assignments compute_target(const ConsumerGroup& group, const ConsumerMember& changed,
                           SubscriptionType type, Assignor assignor, const metadata::Image& image) {
    const ConsumerMember* replaced = group.find_static(changed.instance_id);
    if (replaced != nullptr && replaced->id == changed.id) replaced = nullptr;
    GroupSpec spec{.type = type};
    auto add = [&](const ConsumerMember& member, const Assignment& current) {
        spec.members.push_back(assignor_member(member, current, group.resolved(), image));
    };
    bool is_new = group.find(changed.id) == nullptr;
    for (const std::string& id : group.member_order()) {
        if (replaced != nullptr && id == replaced->id) continue;
        add(id == changed.id ? changed : *group.find(id), group.target_of(id));
    }
    if (is_new) add(changed, group.target_of(replaced == nullptr ? changed.id : replaced->id));
    spec.places = group.size() + (is_new ? 1 : 0);
    return assignor(spec);
}

}  // namespace millrace::groups
