#pragma once

#include "core/groups/assignor.h"
#include "core/groups/share_group.h"

namespace millrace::groups {

// The assignor of share groups (`simple`): each partition that is assignable has as many members as
// it takes for each member to have one, members have as many as others, and keep what they have as
// far as that allows. The counts are those of Apache Kafka 4.3.1; which member has what may differ.
Assignments assign_simple(const GroupSpec& spec, const ShareStateTopics::Topics& assignable);

}  // namespace millrace::groups
