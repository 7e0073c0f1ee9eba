#include "core/groups/target_assignment.h"

#include <algorithm>

namespace millrace::groups {
namespace {

// Of the member's subscription: those it names and those that its expression means.
template <typename Found>
void for_each_topic(const ConsumerMember& member,
                    const std::map<std::string, ResolvedRegex>& resolved,
                    const metadata::Image& image, Found found) {
    auto look_up = [&](const std::string& name) {
        if (const metadata::Topic* topic = image.topics.find(std::string_view(name))) found(*topic);
    };
    for (const std::string& name : member.topics) look_up(name);
    if (!member.has_regex()) return;
    auto meaning = resolved.find(*member.regex);
    if (meaning == resolved.end()) return;
    for (const std::string& name : meaning->second.topics) {
        if (!member.topics.contains(name)) look_up(name);
    }
}

}  // namespace

std::vector<AssignableTopic> topics_of(const ConsumerMember& member,
                                       const std::map<std::string, ResolvedRegex>& resolved,
                                       const metadata::Image& image) {
    std::vector<std::pair<std::string_view, AssignableTopic>> named;
    for_each_topic(member, resolved, image, [&](const metadata::Topic& topic) {
        named.push_back(
            {topic.name, {topic.id, static_cast<std::int32_t>(topic.partitions.size())}});
    });
    std::ranges::sort(named, {}, [](const auto& each) { return each.first; });
    std::vector<AssignableTopic> topics;
    topics.reserve(named.size());
    for (const auto& [name, topic] : named) topics.push_back(topic);
    return topics;
}

std::set<Uuid> topic_ids_of(const ConsumerMember& member,
                            const std::map<std::string, ResolvedRegex>& resolved,
                            const metadata::Image& image) {
    std::set<Uuid> ids;
    for_each_topic(member, resolved, image,
                   [&](const metadata::Topic& topic) { ids.insert(topic.id); });
    return ids;
}

Assignments compute_target(const ConsumerGroup& group, const ConsumerMember& changed,
                           SubscriptionType type, Assignor assignor, const metadata::Image& image) {
    const ConsumerMember* replaced = group.find_static(changed.instance_id);
    std::map<std::string, const ConsumerMember*> members;
    for (const auto& [id, member] : group.members()) members[id] = &member;
    if (replaced != nullptr && replaced->id != changed.id) members.erase(replaced->id);
    members[changed.id] = &changed;

    GroupSpec spec{.type = type};
    for (const auto& [id, member] : members) {
        bool stands_in = member == &changed && replaced != nullptr;
        spec.members.push_back({
            .id = id,
            .instance_id = member->instance_id,
            .topics = topics_of(*member, group.resolved(), image),
            .current = &group.target_of(stands_in ? replaced->id : id),
        });
    }
    return assignor(spec);
}

}  // namespace millrace::groups
