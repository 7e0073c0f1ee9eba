#pragma once

#include <set>
#include <string>

#include "core/groups/assignor.h"
#include "core/metadata/image.h"

namespace millrace::groups {

// The topics of the member's subscription that the image has.
std::set<Uuid> topic_ids_of(const ConsumerMember& member,
                            const std::map<std::string, ResolvedRegex>& resolved,
                            const metadata::Image& image);

// The whole target of the group with that member in it, by its members' ids.
Assignments compute_target(const ConsumerGroup& group, const ConsumerMember& changed,
                           SubscriptionType type, Assignor assignor, const metadata::Image& image);

}  // namespace millrace::groups
