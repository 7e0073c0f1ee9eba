// What a heartbeat of a streams group's member asks for; see streams_groups.cc.

#include <fmt/core.h>

#include "core/groups/sticky_tasks.h"
#include "core/groups/streams_groups.h"
#include "core/groups/streams_reconciliation.h"

namespace millrace::groups {
namespace {

using Request = StreamsGroupHeartbeatRequest;
using Response = StreamsGroupHeartbeatResponse;

constexpr std::string_view standby_replicas_key = "num.standby.replicas";

Error invalid(std::string message) { return {ErrorCode::invalid_request, std::move(message)}; }

Error unknown_member(const StreamsGroup& group, const std::string& member_id) {
    return {ErrorCode::unknown_member_id,
            fmt::format("Member {} is not a member of group {}.", member_id, group.id())};
}

bool has_any(const std::optional<std::vector<Request::TaskIds>>& tasks) {
    return tasks && !tasks->empty();
}

Result<> check_unsupported(const Request& request) {
    if (request.instance_id) return fail(invalid("Static membership is not yet supported."));
    if (request.task_offsets) return fail(invalid("TaskOffsets are not supported yet."));
    if (request.task_end_offsets) return fail(invalid("TaskEndOffsets are not supported yet."));
    if (has_any(request.warmup_tasks)) return fail(invalid("WarmupTasks are not supported yet."));
    if (!request.topology) return {};
    for (const auto& subtopology : request.topology->subtopologies) {
        if (!subtopology.source_topic_regex.empty()) {
            return fail(invalid("Regular expressions for source topics are not supported yet."));
        }
    }
    return {};
}

Result<> check_joining(const Request& request) {
    if (request.rebalance_timeout_ms == -1)
        return fail(invalid("RebalanceTimeoutMs must be provided in first request."));
    if (has_any(request.active_tasks))
        return fail(invalid("ActiveTasks must be empty when (re-)joining."));
    if (has_any(request.standby_tasks))
        return fail(invalid("StandbyTasks must be empty when (re-)joining."));
    if (has_any(request.warmup_tasks))
        return fail(invalid("WarmupTasks must be empty when (re-)joining."));
    if (!request.topology) return fail(invalid("Topology must be non-null when (re-)joining."));
    for (const auto& subtopology : request.topology->subtopologies) {
        for (const auto& topic : subtopology.state_changelog_topics) {
            if (topic.partitions == 0) continue;
            return fail(ErrorCode::streams_invalid_topology,
                        fmt::format("Changelog topic {} must have an undefined partition count, "
                                    "but it is set to {}.",
                                    topic.name, topic.partitions));
        }
    }
    return {};
}

Tasks tasks_of(const std::vector<Request::TaskIds>& told) {
    Tasks tasks;
    for (const auto& each : told)
        tasks[each.subtopology_id].insert(each.partitions.begin(), each.partitions.end());
    return tasks;
}

std::optional<TaskAssignment> owned_of(const Request& request) {
    if (!request.active_tasks || !request.standby_tasks || !request.warmup_tasks)
        return std::nullopt;
    return TaskAssignment{tasks_of(*request.active_tasks), tasks_of(*request.standby_tasks),
                          tasks_of(*request.warmup_tasks)};
}

Result<> check_epoch(const StreamsMember& member, const Request& request) {
    std::int32_t told = request.member_epoch;
    if (told == 0 || told == member.epoch) return {};
    // The answer that told the newer epoch may be lost.
    if (told < member.epoch && told == member.previous_epoch &&
        owns_only(owned_of(request), member.assigned)) {
        return {};
    }
    return fail(ErrorCode::fenced_member_epoch,
                fmt::format("The streams group member has a {} member epoch ({}) than the one "
                            "known by the group coordinator ({}). The member must abandon all its "
                            "partitions and rejoin.",
                            told > member.epoch ? "greater" : "smaller", told, member.epoch));
}

Result<> check_tasks(const std::optional<std::vector<Request::TaskIds>>& tasks,
                     const ConfiguredTopology& topology) {
    if (!tasks) return {};
    for (const auto& each : *tasks) {
        auto subtopology = topology.subtopologies.find(each.subtopology_id);
        if (subtopology == topology.subtopologies.end()) {
            return fail(invalid(fmt::format("Subtopology {} does not exist in the topology.",
                                            each.subtopology_id)));
        }
        for (std::int32_t partition : each.partitions) {
            if (partition >= 0 && partition < subtopology->second.tasks) continue;
            return fail(
                invalid(fmt::format("Task {} for subtopology {} is invalid. Number of "
                                    "tasks for this subtopology: {}",
                                    partition, each.subtopology_id, subtopology->second.tasks)));
        }
    }
    return {};
}

std::vector<Response::TaskIds> told_of(const Tasks& tasks) {
    std::vector<Response::TaskIds> told;
    for (const auto& [subtopology, partitions] : tasks)
        told.push_back({subtopology, {partitions.begin(), partitions.end()}});
    return told;
}

Tasks without_epochs(const EpochTasks& tasks) {
    Tasks made;
    for (const auto& [subtopology, partitions] : tasks)
        for (const auto& [partition, epoch] : partitions) made[subtopology].insert(partition);
    return made;
}

}  // namespace

Result<> StreamsGroups::check(const Request& request) {
    RETURN_IF_ERROR(check_unsupported(request));
    if (request.member_id.empty()) return fail(invalid("MemberId can't be empty."));
    if (request.group_id.empty()) return fail(invalid("GroupId can't be empty."));
    if (request.rack_id && request.rack_id->empty()) return fail(invalid("RackId can't be empty."));
    if (request.member_epoch == 0) {
        RETURN_IF_ERROR(check_joining(request));
    } else if (request.member_epoch == leave_for_a_while_epoch) {
        return fail(invalid("InstanceId can't be null."));
    } else if (request.member_epoch < leave_for_a_while_epoch) {
        return fail(
            invalid(fmt::format("MemberEpoch is {}, but must be greater than or equal to "
                                "-2.",
                                request.member_epoch)));
    }
    bool any = request.active_tasks || request.standby_tasks || request.warmup_tasks;
    if (any && !owned_of(request))
        return fail(invalid("If one task-type is non-null, all must be non-null."));
    if (request.member_epoch != 0 && request.topology)
        return fail(invalid("Topology can only be provided when (re-)joining."));
    return {};
}

// A member takes part --------------------------------------------------------------------------

Result<StreamsMember> StreamsGroups::seat(const StreamsGroup& group, const Request& request) const {
    bool joins = request.member_epoch == 0;
    if (joins && group.members().size() >= options_.streams.max_size) {
        return fail(ErrorCode::group_max_size_reached,
                    fmt::format("The streams group has reached its maximum capacity of {} "
                                "members.",
                                options_.streams.max_size));
    }
    const StreamsMember* known = group.find(request.member_id);
    if (known == nullptr) {
        if (!joins) return fail(unknown_member(group, request.member_id));
        return StreamsMember{.id = request.member_id};
    }
    RETURN_IF_ERROR(check_epoch(*known, request));
    return *known;
}

Result<StreamsDecision> StreamsGroups::heartbeat(const StreamsGroup& group, const Request& request,
                                                 const Client& client, Moment now) {
    ASSIGN_OR_RETURN(StreamsMember seated, seat(group, request));
    StreamsDecision decision;
    auto soft = soft_.find(group.id());
    Draft draft{.group = group,
                .request = request,
                .before = seated,
                .now = seated,
                .decision = decision,
                .moment = now,
                .settings = options_.streams.settings(*image_, group.id()),
                .soft = soft == soft_.end() ? nullptr : &soft->second};
    StreamsMember& member = draft.now;
    if (request.rack_id) member.rack = request.rack_id;
    if (request.rebalance_timeout_ms != -1)
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
    if (request.topology) member.topology_epoch = request.topology->epoch;
    member.client = client;
    if (request.process_id) member.process_id = *request.process_id;
    if (request.client_tags) {
        member.tags.clear();
        for (const auto& tag : *request.client_tags) member.tags[tag.key] = tag.value;
    }
    if (request.user_endpoint)
        member.endpoint = StreamsEndpoint{request.user_endpoint->host, request.user_endpoint->port};

    if (member != draft.before || group.find(member.id) == nullptr)
        decision.records.push_back(streams_member_record(group.id(), member));
    RETURN_IF_ERROR(update_topology(draft));
    RETURN_IF_ERROR(update_epoch(draft));
    Target target = update_target(draft);
    RETURN_IF_ERROR(reconcile_member(draft, target));
    settle(draft);

    decision.response.member_id = member.id;
    decision.response.member_epoch = member.epoch;
    decision.response.heartbeat_interval_ms =
        static_cast<std::int32_t>(draft.settings.times.heartbeat_interval.ms());
    tell_assignment(draft);
    return decision;
}

// The first member's topology is the group's; later ones have the same, or one that is outdated.
Result<> StreamsGroups::update_topology(Draft& draft) const {
    const StreamsGroup& group = draft.group;
    const auto& told = draft.request.topology;
    if (!group.topology()) {
        if (!told) {
            return fail(ErrorCode::unknown_server_error,
                        "The topology is null and the group topology is also null.");
        }
        ASSIGN_OR_RETURN(draft.told, topology_of(*told));
        draft.topology = &*draft.told;
        draft.decision.records.push_back(streams_topology_record(group.id(), *draft.topology));
        return {};
    }
    draft.topology = &*group.topology();
    if (told && told->epoch >= draft.topology->epoch) {
        ASSIGN_OR_RETURN(StreamsTopology own, topology_of(*told));
        if (!is_same(own, *draft.topology))
            return fail(invalid("Topology updates are not supported yet."));
    }
    if (draft.now.topology_epoch < draft.topology->epoch) {
        draft.statuses.push_back(groups::told_of(
            StreamsStatus::stale_topology,
            fmt::format("The member's topology epoch {} is behind the group's topology epoch {}.",
                        draft.now.topology_epoch, draft.topology->epoch)));
    }
    return {};
}

Result<> StreamsGroups::update_epoch(Draft& draft) {
    const StreamsGroup& group = draft.group;
    draft.epoch = group.epoch();
    bool bump = draft.now != draft.before || group.find(draft.now.id) == nullptr;
    bool configured_before = group.topology() && draft.soft && draft.soft->configured;
    bool anew = !configured_before;
    if (anew || !draft.soft->topics_known) {
        draft.epoch.metadata_hash = hash_of(*draft.topology);
        if (draft.epoch.metadata_hash != group.epoch().metadata_hash) bump = anew = true;
    }
    if (anew) {
        ASSIGN_OR_RETURN(ConfiguredTopology made, configure(*draft.topology, *image_));
        draft.configured = std::make_shared<const ConfiguredTopology>(std::move(made));
    } else {
        draft.configured = draft.soft->configured;
    }
    draft.epoch.validated_topology_epoch = -1;
    if (draft.configured->is_ready()) {
        draft.epoch.validated_topology_epoch = draft.topology->epoch;
        RETURN_IF_ERROR(check_tasks(draft.request.active_tasks, *draft.configured));
        RETURN_IF_ERROR(check_tasks(draft.request.standby_tasks, *draft.configured));
        RETURN_IF_ERROR(check_tasks(draft.request.warmup_tasks, *draft.configured));
    }
    draft.epoch.assignment_configs = {
        {std::string(standby_replicas_key), std::to_string(draft.settings.num_standby_replicas)}};
    bump = bump || draft.epoch.validated_topology_epoch != group.epoch().validated_topology_epoch ||
           draft.epoch.assignment_configs != group.epoch().assignment_configs;
    if (!bump) return {};
    ++draft.epoch.epoch;
    ++rebalances_;
    draft.decision.records.push_back(streams_epoch_record(group.id(), draft.epoch));
    return {};
}

// An empty group waits for more members before its first assignment.
StreamsGroups::Target StreamsGroups::update_target(Draft& draft) const {
    const StreamsGroup& group = draft.group;
    if (draft.soft != nullptr) draft.first_assignment = draft.soft->first_assignment;
    if (group.members().empty() && draft.first_assignment == Time::never() &&
        draft.settings.initial_rebalance_delay > Duration()) {
        draft.first_assignment = draft.moment.time + draft.settings.initial_rebalance_delay;
    }
    const TargetEpoch& last = group.target_epoch();
    auto delayed = [&](std::string why) {
        draft.statuses.push_back(
            groups::told_of(StreamsStatus::assignment_delayed, std::move(why)));
    };
    if (draft.first_assignment != Time::never()) {
        delayed("Assignment delayed due to the configured initial rebalance delay.");
        return {last.epoch, {}};
    }
    if (last.epoch >= draft.epoch.epoch) return {last.epoch, group.target_of(draft.now.id)};
    if (last.stands_at(draft.moment.wall_ms, draft.settings.times.assignment_interval)) {
        delayed("Assignment delayed due to the configured assignment interval.");
        return {last.epoch, group.target_of(draft.now.id)};
    }
    return compute_target(group, &draft.now, *draft.configured, draft.epoch, draft.moment.wall_ms,
                          draft.decision.records);
}

StreamsGroups::Target StreamsGroups::compute_target(const StreamsGroup& group,
                                                    const StreamsMember* updated,
                                                    const ConfiguredTopology& topology,
                                                    const StreamsEpoch& epoch, Timestamp wall_ms,
                                                    std::vector<GroupRecord>& records) const {
    std::map<std::string, const StreamsMember*> by_id;
    for (const auto& [id, member] : group.members()) by_id[id] = &member;
    if (updated != nullptr) by_id[updated->id] = updated;
    std::vector<TaskMember> members;
    for (const auto& [id, member] : by_id)
        members.push_back({id, member->process_id, &group.target_of(id)});
    std::map<std::string, TaskAssignment> next;
    if (topology.is_ready()) {
        auto replicas = epoch.assignment_configs.find(std::string(standby_replicas_key));
        next = assign_sticky(
            members, topology.subtopologies,
            replicas == epoch.assignment_configs.end() ? 0 : std::stoi(replicas->second));
    }
    for (const TaskMember& member : members) {
        const TaskAssignment& tasks = next[member.id];
        auto known = group.targets().find(member.id);
        if (known != group.targets().end() && known->second == tasks) continue;
        records.push_back(streams_target_record(group.id(), member.id, tasks));
    }
    records.push_back(streams_target_epoch_record(group.id(), {epoch.epoch, wall_ms}));
    if (updated == nullptr) return {epoch.epoch, {}};
    return {epoch.epoch, std::move(next[updated->id])};
}

Result<> StreamsGroups::reconcile_member(Draft& draft, const Target& target) const {
    if (draft.now.is_reconciled_to(target.epoch)) return {};
    std::optional<TaskAssignment> owned = owned_of(draft.request);
    ASSIGN_OR_RETURN(StreamsMember next, reconcile(draft.now, {.target_epoch = target.epoch,
                                                               .target = target.tasks,
                                                               .owned = owned,
                                                               .holders = draft.group.holders()}));
    if (next == draft.now) return {};
    draft.now = std::move(next);
    draft.moved = true;
    draft.decision.records.push_back(streams_current_record(draft.group.id(), draft.now));
    return {};
}

void StreamsGroups::settle(Draft& draft) {
    const StreamsMember& member = draft.now;
    Soft& soft = soft_[draft.group.id()];
    draft.shutdown_by = soft.shutdown_by;
    if (draft.request.shutdown_application && !draft.shutdown_by) draft.shutdown_by = member.id;
    soft.topics_known = true;
    // As Apache Kafka: what a group's first heartbeat has found the second one looks up again, and
    // no assignment is made before.
    if (find(draft.group.id()) != nullptr) {
        soft.configured = draft.configured;
        soft.shutdown_by = draft.shutdown_by;
    }
    soft.first_assignment = draft.first_assignment;
    Deadlines& due = soft.members[member.id];
    due.session = draft.moment.time + draft.settings.times.session_timeout;
    if (member.state != StreamsMemberState::unrevoked_tasks) {
        due.rebalance = Time::never();
    } else if (draft.moved) {
        due.rebalance = draft.moment.time + Duration::milliseconds(member.rebalance_timeout_ms);
        due.rebalance_epoch = member.epoch;
    }
    wake_by(std::min(due.first(), soft.first_assignment));
}

void StreamsGroups::tell_assignment(Draft& draft) {
    const StreamsMember& member = draft.now;
    Response& response = draft.decision.response;
    Soft& soft = soft_[draft.group.id()];
    std::int32_t endpoints_epoch = soft.endpoints_epoch;
    if (draft.request.member_epoch == 0 || draft.before.assigned != member.assigned) {
        response.active_tasks = told_of(without_epochs(member.assigned.active));
        response.standby_tasks = told_of(member.assigned.standby);
        response.warmup_tasks = told_of(member.assigned.warmup);
        if (member.endpoint) ++endpoints_epoch;
    }
    if (endpoints_epoch != draft.request.endpoint_information_epoch) {
        response.partitions_by_user_endpoint.emplace();
        auto tell = [&](const StreamsMember& each) {
            if (!each.endpoint) return;
            response.partitions_by_user_endpoint->push_back(endpoints_of(each, *draft.configured));
        };
        for (const auto& [id, each] : draft.group.members())
            if (id != member.id) tell(each);
        tell(member);
    }
    // What a group's first heartbeat counts is not kept.
    if (find(draft.group.id()) != nullptr) {
        soft.endpoints_epoch = endpoints_epoch;
        response.endpoint_information_epoch = endpoints_epoch;
    }
    if (draft.configured->problem) {
        draft.decision.missing = draft.configured->missing;
        draft.statuses.push_back(*draft.configured->problem);
    }
    if (draft.shutdown_by) {
        draft.statuses.push_back(groups::told_of(
            StreamsStatus::shutdown_application,
            fmt::format("Streams group member {} encountered a fatal error and requested a "
                        "shutdown for the entire application.",
                        *draft.shutdown_by)));
    }
    response.status = std::move(draft.statuses);
}

// The partitions of source topics that a process can be asked about.
StreamsGroups::Endpoints StreamsGroups::endpoints_of(const StreamsMember& member,
                                                     const ConfiguredTopology& topology) const {
    Endpoints told;
    told.user_endpoint.host = member.endpoint->host;
    told.user_endpoint.port = member.endpoint->port;
    auto add = [&](const Tasks& tasks, std::vector<Response::TopicPartition>& partitions) {
        for (const auto& [id, of_subtopology] : tasks) {
            auto subtopology = topology.subtopologies.find(id);
            if (subtopology == topology.subtopologies.end()) continue;
            std::set<std::string> topics = subtopology->second.source_topics;
            for (const auto& [name, topic] : subtopology->second.repartition_source_topics)
                topics.insert(name);
            for (const std::string& name : topics) {
                const metadata::Topic* topic = image_->topics.find(std::string_view(name));
                if (topic == nullptr) continue;
                auto& entry = partitions.emplace_back();
                entry.topic = name;
                entry.partitions = {of_subtopology.begin(), of_subtopology.end()};
                if (entry.partitions.size() > topic->partitions.size())
                    entry.partitions.resize(topic->partitions.size());
            }
        }
    };
    add(without_epochs(member.assigned.active), told.active_partitions);
    add(member.assigned.standby, told.standby_partitions);
    return told;
}

// A member goes --------------------------------------------------------------------------------

Result<StreamsDecision> StreamsGroups::leave(const StreamsGroup& group, const Request& request) {
    if (request.shutdown_application) {
        Soft& soft = soft_[group.id()];
        if (!soft.shutdown_by) soft.shutdown_by = request.member_id;
    }
    const StreamsMember* member = group.find(request.member_id);
    if (member == nullptr) return fail(unknown_member(group, request.member_id));
    StreamsDecision decision;
    decision.response.member_id = request.member_id;
    decision.response.member_epoch = request.member_epoch;
    decision.response.status.emplace();
    remove(group, *member, decision.records);
    return decision;
}

}  // namespace millrace::groups
