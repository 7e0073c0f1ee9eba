#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/groups/streams_group_records.h"

namespace millrace::groups {

// One task of a subtopology.
struct TaskId {
    std::string subtopology;
    std::int32_t partition = 0;
    auto operator<=>(const TaskId&) const = default;
};

// Which processes have a task, or must give it back.
struct TaskHolders {
    std::map<TaskId, std::string> active;
    std::map<TaskId, std::set<std::string>> standby;
    std::map<TaskId, std::set<std::string>> warmup;

    bool has_active(const TaskId& task) const { return active.contains(task); }
    bool has_active(const TaskId& task, const std::string& process) const;
    // As standby or warm-up task.
    bool has_other(const TaskId& task, const std::string& process) const;
};

// What the log says of one streams group (KIP-1071). Changed by its records alone.
class StreamsGroup {
  public:
    explicit StreamsGroup(std::string id) : id_(std::move(id)) {}

    void apply(StreamsChange change);

    const std::string& id() const { return id_; }
    // "Empty", "NotReady", "Assigning", "Reconciling", "Stable".
    std::string_view state() const;
    const StreamsEpoch& epoch() const { return epoch_; }
    const TargetEpoch& target_epoch() const { return target_epoch_; }
    // None before a member has told it.
    const std::optional<StreamsTopology>& topology() const { return topology_; }
    const std::map<std::string, StreamsMember>& members() const { return members_; }
    const StreamsMember* find(const std::string& member_id) const;
    const TaskAssignment& target_of(const std::string& member_id) const;
    const std::map<std::string, TaskAssignment>& targets() const { return targets_; }
    const TaskHolders& holders() const { return holders_; }
    // While it has members, its topology reads the topic.
    bool reads(const std::string& topic) const;

  private:
    void update(StreamsMember member);
    StreamsMember known_or_new(const std::string& member_id) const;

    void on(StreamsMetadata& change);
    void on(MemberSubscriptionGone& change);
    void on(StreamsEpoch& change) { epoch_ = std::move(change); }
    void on(GroupEpochGone&) {}
    void on(TargetEpoch& change) { target_epoch_ = change; }
    void on(TargetEpochGone&) { target_epoch_ = {.epoch = -1}; }
    void on(StreamsTarget& change) { targets_[change.member_id] = std::move(change.tasks); }
    void on(MemberTargetGone& change) { targets_.erase(change.member_id); }
    void on(StreamsCurrent& change);
    void on(MemberCurrentGone& change);
    void on(StreamsTopology& change) { topology_ = std::move(change); }
    void on(StreamsTopologyGone&) { topology_.reset(); }

    std::string id_;
    StreamsEpoch epoch_{.epoch = 1};
    TargetEpoch target_epoch_;
    std::optional<StreamsTopology> topology_;
    std::map<std::string, StreamsMember> members_;
    std::map<std::string, TaskAssignment> targets_;
    TaskHolders holders_;  // what follows from the members
};

}  // namespace millrace::groups
