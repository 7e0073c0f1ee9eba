#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "core/groups/streams_group.h"

namespace millrace::groups {

// What a streams group's member is led to.
struct StreamsReconciliation {
    std::int32_t target_epoch = 0;
    const TaskAssignment& target;
    const std::optional<TaskAssignment>& owned;  // what it says that it has; none: it does not say
    const TaskHolders& holders;
};

// The member one step closer to its target (KIP-1071): it first gives back what it may not keep,
// then goes to the target's epoch and gets what others have given back. An active task waits for
// whoever has it, any task for its own process to be rid of it in another role. As it was when it
// must wait. Error fenced_member_epoch: nobody knows its state, it must begin again.
Result<StreamsMember> reconcile(const StreamsMember& member, const StreamsReconciliation& towards);

// The member has nothing but tasks that it was assigned. False when it does not say.
bool owns_only(const std::optional<TaskAssignment>& owned, const AssignedTasks& assigned);

}  // namespace millrace::groups
