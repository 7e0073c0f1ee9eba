#include "core/groups/streams_group.h"

#include <algorithm>

#include "core/groups/streams_topology.h"

namespace millrace::groups {
namespace {

void hold(TaskHolders& holders, const AssignedTasks& tasks, const std::string& process) {
    for (const auto& [subtopology, partitions] : tasks.active)
        for (const auto& [partition, epoch] : partitions)
            holders.active[{subtopology, partition}] = process;
    for (const auto& [subtopology, partitions] : tasks.standby)
        for (std::int32_t each : partitions) holders.standby[{subtopology, each}].insert(process);
    for (const auto& [subtopology, partitions] : tasks.warmup)
        for (std::int32_t each : partitions) holders.warmup[{subtopology, each}].insert(process);
}

void release(std::map<TaskId, std::set<std::string>>& holders, const Tasks& tasks,
             const std::string& process) {
    for (const auto& [subtopology, partitions] : tasks) {
        for (std::int32_t each : partitions) {
            auto held = holders.find({subtopology, each});
            if (held == holders.end()) continue;
            held->second.erase(process);
            if (held->second.empty()) holders.erase(held);
        }
    }
}

// A log that was cut or compacted may show two owners for a moment: the later one stands.
void release(TaskHolders& holders, const AssignedTasks& tasks, const std::string& process) {
    for (const auto& [subtopology, partitions] : tasks.active) {
        for (const auto& [partition, epoch] : partitions) {
            auto held = holders.active.find({subtopology, partition});
            if (held != holders.active.end() && held->second == process) holders.active.erase(held);
        }
    }
    release(holders.standby, tasks.standby, process);
    release(holders.warmup, tasks.warmup, process);
}

void release(TaskHolders& holders, const StreamsMember& member) {
    release(holders, member.assigned, member.process_id);
    release(holders, member.pending_revocation, member.process_id);
}

bool has(const std::map<TaskId, std::set<std::string>>& holders, const TaskId& task,
         const std::string& process) {
    auto held = holders.find(task);
    return held != holders.end() && held->second.contains(process);
}

}  // namespace

bool TaskHolders::has_active(const TaskId& task, const std::string& process) const {
    auto held = active.find(task);
    return held != active.end() && held->second == process;
}

bool TaskHolders::has_other(const TaskId& task, const std::string& process) const {
    return has(standby, task, process) || has(warmup, task, process);
}

void StreamsGroup::apply(StreamsChange change) {
    std::visit([this](auto& each) { on(each); }, change);
}

std::string_view StreamsGroup::state() const {
    if (members_.empty()) return "Empty";
    if (!topology_ || topology_->epoch != epoch_.validated_topology_epoch) return "NotReady";
    if (epoch_.epoch > target_epoch_.epoch) return "Assigning";
    bool all = std::ranges::all_of(members_, [this](const auto& entry) {
        return entry.second.is_reconciled_to(target_epoch_.epoch);
    });
    return all ? "Stable" : "Reconciling";
}

const StreamsMember* StreamsGroup::find(const std::string& member_id) const {
    auto found = members_.find(member_id);
    return found == members_.end() ? nullptr : &found->second;
}

const TaskAssignment& StreamsGroup::target_of(const std::string& member_id) const {
    static const TaskAssignment none;
    auto found = targets_.find(member_id);
    return found == targets_.end() ? none : found->second;
}

bool StreamsGroup::reads(const std::string& topic) const {
    return !members_.empty() && topology_ && subtopology_that_reads(*topology_, topic) != nullptr;
}

void StreamsGroup::update(StreamsMember member) {
    if (const StreamsMember* before = find(member.id)) release(holders_, *before);
    hold(holders_, member.assigned, member.process_id);
    hold(holders_, member.pending_revocation, member.process_id);
    std::string id = member.id;
    members_.insert_or_assign(std::move(id), std::move(member));
}

StreamsMember StreamsGroup::known_or_new(const std::string& member_id) const {
    const StreamsMember* known = find(member_id);
    return known != nullptr ? *known : StreamsMember{.id = member_id};
}

void StreamsGroup::on(StreamsMetadata& change) {
    StreamsMember next = std::move(change.member);
    StreamsMember known = known_or_new(next.id);
    next.epoch = known.epoch;
    next.previous_epoch = known.previous_epoch;
    next.state = known.state;
    next.assigned = std::move(known.assigned);
    next.pending_revocation = std::move(known.pending_revocation);
    update(std::move(next));
}

void StreamsGroup::on(MemberSubscriptionGone& change) {
    if (const StreamsMember* known = find(change.member_id)) release(holders_, *known);
    members_.erase(change.member_id);
}

void StreamsGroup::on(StreamsCurrent& change) {
    StreamsMember next = known_or_new(change.member.id);
    next.epoch = change.member.epoch;
    next.previous_epoch = change.member.previous_epoch;
    next.state = change.member.state;
    next.assigned = std::move(change.member.assigned);
    next.pending_revocation = std::move(change.member.pending_revocation);
    update(std::move(next));
}

void StreamsGroup::on(MemberCurrentGone& change) {
    const StreamsMember* known = find(change.member_id);
    if (known == nullptr) return;
    StreamsMember next = *known;
    next.epoch = leave_epoch;
    next.previous_epoch = leave_epoch;
    next.assigned = {};
    next.pending_revocation = {};
    update(std::move(next));
}

}  // namespace millrace::groups
