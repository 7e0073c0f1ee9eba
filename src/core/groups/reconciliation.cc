#include "core/groups/reconciliation.h"

#include <algorithm>

namespace millrace::groups {
namespace {

// Who does not say what it has may have anything.
bool owns_any(const Owned& owned, const EpochAssignment& partitions) {
    if (!owned) return true;
    return std::ranges::any_of(*owned, [&](const OwnedPartitions& topic) {
        return std::ranges::any_of(topic.partitions, [&](std::int32_t partition) {
            return contains(partitions, topic.topic, partition);
        });
    });
}

// What of the member's partitions stays, what must go, what it gets now, and whether it gets more
// once others have given it back.
struct Steps {
    EpochAssignment kept;
    EpochAssignment revoked;
    Assignment added;
    bool others_have_more = false;
};

Steps steps_of(const ConsumerMember& member, const Reconciliation& towards) {
    Steps steps;
    auto wanted = [&](const Uuid& topic, std::int32_t partition) {
        return towards.subscribed.contains(topic) && contains(towards.target, topic, partition);
    };
    for (const auto& [topic, partitions] : member.assigned) {
        for (const auto& [partition, epoch] : partitions) {
            EpochAssignment& to = wanted(topic, partition) ? steps.kept : steps.revoked;
            to[topic][partition] = epoch;
        }
    }
    for (const auto& [topic, partitions] : towards.target) {
        if (!towards.subscribed.contains(topic)) continue;
        for (std::int32_t partition : partitions) {
            if (contains(steps.kept, topic, partition)) continue;
            bool taken = towards.partition_epoch(topic, partition) != -1 &&
                         !contains(member.pending_revocation, topic, partition);
            if (taken) {
                steps.others_have_more = true;
            } else {
                steps.added[topic].push_back(partition);
            }
        }
    }
    return steps;
}

ConsumerMember next_of(const ConsumerMember& member, const Reconciliation& towards) {
    Steps steps = steps_of(member, towards);
    ConsumerMember next = member;
    next.assigned = std::move(steps.kept);
    if (!steps.revoked.empty() && owns_any(towards.owned, steps.revoked)) {
        next.state = MemberState::unrevoked_partitions;
        next.advance_to(member.epoch);
        next.pending_revocation = std::move(steps.revoked);
        return next;
    }
    for (const auto& [topic, partitions] : steps.added) {
        for (std::int32_t partition : partitions) {
            next.assigned[topic][partition] = towards.target_epoch;
        }
    }
    next.state = steps.others_have_more ? MemberState::unreleased_partitions : MemberState::stable;
    next.advance_to(towards.target_epoch);
    next.pending_revocation.clear();
    return next;
}

// Partitions of topics that it no longer subscribes to are not the member's any more, whatever the
// target says until the next one is computed.
ConsumerMember without_unsubscribed(const ConsumerMember& member, const Reconciliation& towards) {
    ConsumerMember next = member;
    bool changed = false;
    for (const auto& [topic, partitions] : member.assigned) {
        if (towards.subscribed.contains(topic)) continue;
        next.assigned.erase(topic);
        auto& revoked = next.pending_revocation[topic];
        for (const auto& [partition, epoch] : partitions) revoked[partition] = epoch;
        changed = true;
    }
    if (!changed) return member;
    next.advance_to(member.epoch);
    if (owns_any(towards.owned, next.pending_revocation)) {
        next.state = MemberState::unrevoked_partitions;
    } else {
        next.pending_revocation = member.pending_revocation;
    }
    return next;
}

}  // namespace

Result<ConsumerMember> reconcile(const ConsumerMember& member, const Reconciliation& towards) {
    switch (member.state) {
        case MemberState::stable:
            if (member.epoch != towards.target_epoch) return next_of(member, towards);
            break;
        case MemberState::unrevoked_partitions:
            if (!owns_any(towards.owned, member.pending_revocation))
                return next_of(member, towards);
            break;
        case MemberState::unreleased_partitions:
            return next_of(member, towards);
        case MemberState::unknown:
            if (!towards.owned || !towards.owned->empty()) {
                return fail(ErrorCode::fenced_member_epoch,
                            "The consumer group member is in a unknown state. The member must "
                            "abandon all its partitions and rejoin.");
            }
            return next_of(member, towards);
    }
    return towards.subscription_changed ? without_unsubscribed(member, towards) : member;
}

bool owns_only(const Owned& owned, const EpochAssignment& assigned) {
    if (!owned) return false;
    return std::ranges::all_of(*owned, [&](const OwnedPartitions& topic) {
        return assigned.contains(topic.topic) &&
               std::ranges::all_of(topic.partitions, [&](std::int32_t partition) {
                   return contains(assigned, topic.topic, partition);
               });
    });
}

}  // namespace millrace::groups
