#include "core/groups/streams_reconciliation.h"

#include <algorithm>

namespace millrace::groups {
namespace {

std::int32_t partition_of(std::int32_t task) { return task; }
std::int32_t partition_of(const std::pair<const std::int32_t, std::int32_t>& task) {
    return task.first;
}

// Of one kind of tasks: what the member keeps, gives back and gets. Waits when others, or its own
// process, are to give back something first.
template <typename Held>
struct Difference {
    std::map<std::string, Held> kept;
    std::map<std::string, Held> revoked;
    Tasks added;
    bool waits = false;
};

template <typename Held, typename IsHeld>
Difference<Held> difference(const std::map<std::string, Held>& current, const Tasks& target,
                            IsHeld is_held) {
    Difference<Held> made;
    for (const auto& [subtopology, tasks] : current) {
        auto wanted = target.find(subtopology);
        for (const auto& task : tasks) {
            bool stays = wanted != target.end() && wanted->second.contains(partition_of(task));
            (stays ? made.kept : made.revoked)[subtopology].insert(task);
        }
    }
    for (const auto& [subtopology, partitions] : target) {
        auto has = current.find(subtopology);
        for (std::int32_t each : partitions) {
            if (has != current.end() && has->second.contains(each)) continue;
            if (is_held(TaskId{subtopology, each})) {
                made.waits = true;
            } else {
                made.added[subtopology].insert(each);
            }
        }
    }
    return made;
}

template <typename Held>
bool shares_any(const Tasks& owned, const std::map<std::string, Held>& tasks) {
    return std::ranges::any_of(owned, [&](const auto& entry) {
        auto of_subtopology = tasks.find(entry.first);
        return of_subtopology != tasks.end() &&
               std::ranges::any_of(entry.second, [&](std::int32_t each) {
                   return of_subtopology->second.contains(each);
               });
    });
}

bool owns_any(const std::optional<TaskAssignment>& owned, const AssignedTasks& tasks) {
    return !owned || shares_any(owned->active, tasks.active) ||
           shares_any(owned->standby, tasks.standby) || shares_any(owned->warmup, tasks.warmup);
}

void add(Tasks& tasks, const Tasks& added) {
    for (const auto& [subtopology, partitions] : added)
        tasks[subtopology].insert(partitions.begin(), partitions.end());
}

StreamsMember next_of(const StreamsMember& member, std::int32_t epoch,
                      const StreamsReconciliation& towards) {
    const TaskHolders& holders = towards.holders;
    const std::string& process = member.process_id;
    auto active =
        difference(member.assigned.active, towards.target.active, [&](const TaskId& task) {
            return holders.has_active(task) || holders.has_other(task, process);
        });
    auto held_by_process = [&](const TaskId& task) {
        return holders.has_active(task, process) || holders.has_other(task, process);
    };
    auto standby = difference(member.assigned.standby, towards.target.standby, held_by_process);
    auto warmup = difference(member.assigned.warmup, towards.target.warmup, held_by_process);

    StreamsMember next = member;
    next.previous_epoch = member.epoch;
    next.assigned = {std::move(active.kept), std::move(standby.kept), std::move(warmup.kept)};
    AssignedTasks revoked{std::move(active.revoked), std::move(standby.revoked),
                          std::move(warmup.revoked)};
    if (!revoked.empty() && owns_any(towards.owned, revoked)) {
        next.state = StreamsMemberState::unrevoked_tasks;
        next.epoch = epoch;
        next.pending_revocation = std::move(revoked);
        return next;
    }
    next.epoch = towards.target_epoch;
    next.pending_revocation = {};
    for (const auto& [subtopology, partitions] : active.added)
        for (std::int32_t each : partitions)
            next.assigned.active[subtopology][each] = towards.target_epoch;
    add(next.assigned.standby, standby.added);
    add(next.assigned.warmup, warmup.added);
    bool waits = active.waits || standby.waits || warmup.waits;
    next.state = waits ? StreamsMemberState::unreleased_tasks : StreamsMemberState::stable;
    return next;
}

template <typename Held>
bool is_part(const Tasks& owned, const std::map<std::string, Held>& assigned) {
    return std::ranges::all_of(owned, [&](const auto& entry) {
        auto of_subtopology = assigned.find(entry.first);
        return of_subtopology != assigned.end() &&
               std::ranges::all_of(entry.second, [&](std::int32_t each) {
                   return of_subtopology->second.contains(each);
               });
    });
}

}  // namespace

Result<StreamsMember> reconcile(const StreamsMember& member, const StreamsReconciliation& towards) {
    switch (member.state) {
        case StreamsMemberState::stable:
            if (member.epoch == towards.target_epoch) return member;
            return next_of(member, member.epoch, towards);
        case StreamsMemberState::unrevoked_tasks:
            if (owns_any(towards.owned, member.pending_revocation)) return member;
            return next_of(member, member.epoch + 1, towards);
        case StreamsMemberState::unreleased_tasks:
            return next_of(member, member.epoch, towards);
        case StreamsMemberState::unknown:
            break;
    }
    if (!towards.owned || !towards.owned->empty()) {
        return fail(ErrorCode::fenced_member_epoch,
                    "The streams group member is in a unknown state. The member must abandon all "
                    "its tasks and rejoin.");
    }
    return next_of(member, towards.target_epoch, towards);
}

bool owns_only(const std::optional<TaskAssignment>& owned, const AssignedTasks& assigned) {
    return owned && is_part(owned->active, assigned.active) &&
           is_part(owned->standby, assigned.standby) && is_part(owned->warmup, assigned.warmup);
}

}  // namespace millrace::groups
