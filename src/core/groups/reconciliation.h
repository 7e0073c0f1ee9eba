#pragma once

#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "base/result.h"
#include "core/groups/consumer_member.h"

namespace millrace::groups {

// What a member says it has, by topic id; none when it did not say.
struct OwnedPartitions {
    Uuid topic;
    std::vector<std::int32_t> partitions;
};
using Owned = std::optional<std::vector<OwnedPartitions>>;

// What a member is led to.
struct Reconciliation {
    std::int32_t target_epoch = 0;
    const Assignment& target;
    const Owned& owned;
    bool subscription_changed = false;
    const std::set<Uuid>& subscribed;  // partitions of other topics go at once
    // The epoch of whoever has the partition, -1 when nobody has.
    std::function<std::int32_t(const Uuid& topic, std::int32_t partition)> partition_epoch;
};

// The member one step closer to its target (KIP-848): it first gives back what it may not keep,
// then goes to the target's epoch and gets what others have given back. As it was when it must
// wait. Error fenced_member_epoch: nobody knows its state, it must begin again.
Result<ConsumerMember> reconcile(const ConsumerMember& member, const Reconciliation& towards);

// The member has nothing but partitions that it was assigned.
bool owns_only(const Owned& owned, const EpochAssignment& assigned);

}  // namespace millrace::groups
