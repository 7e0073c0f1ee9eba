#include "client/group_member.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "client/log.h"
#include "protocol/heartbeat.h"
#include "protocol/leave_group.h"

namespace millrace::client {

Fate fate_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::none:
            return Fate::go_on;
        case ErrorCode::member_id_required:
            return Fate::with_id;
        case ErrorCode::unknown_member_id:
        case ErrorCode::illegal_generation:
            return Fate::lost;
        case ErrorCode::rebalance_in_progress:
            return Fate::rejoin;
        case ErrorCode::not_coordinator:
        case ErrorCode::coordinator_not_available:
        case ErrorCode::network_exception:
        case ErrorCode::request_timed_out:
            return Fate::find;
        default:
            return is_retriable(code) ? Fate::later : Fate::fatal;
    }
}

GroupMember::GroupMember(Cluster& cluster, std::vector<std::unique_ptr<Assignor>> assignors,
                         Signal& changed, const GroupMemberOptions& options)
    : cluster_(cluster),
      shard_(cluster.shard()),
      assignors_(std::move(assignors)),
      changed_(changed),
      options_(options),
      joining_(std::make_unique<Scope>(shard_)),
      beating_(shard_) {
    me_.group_id = options_.group_id;
    me_.instance_id = options_.instance_id;
    last_poll_ = shard_.now();
    beating_.spawn(beat());
}

RebalanceProtocol GroupMember::protocol() const {
    bool cooperative = std::ranges::all_of(assignors_, [](const auto& assignor) {
        return assignor->protocol() == RebalanceProtocol::cooperative;
    });
    return cooperative ? RebalanceProtocol::cooperative : RebalanceProtocol::eager;
}

const Assignor* GroupMember::assignor(std::string_view name) const {
    auto found = std::ranges::find_if(
        assignors_, [&](const auto& assignor) { return assignor->name() == name; });
    return found == assignors_.end() ? nullptr : found->get();
}

void GroupMember::become(State state) {
    state_ = state;
    moved_.raise();
    changed_.raise();
}

void GroupMember::begin_join(std::vector<std::string> topics, Partitions owned) {
    CHECK(state_ != State::joining);
    topics_ = std::move(topics);
    owned_ = std::move(owned);
    rejoin_wanted_ = false;
    become(State::joining);
    joining_->spawn(join());
}

Partitions GroupMember::take_assignment() {
    CHECK(state_ == State::assigned);
    become(State::stable);
    return assignment_;
}

void GroupMember::want_rejoin(std::string reason) {
    if (rejoin_wanted_) return;
    LOG_INFO("Group {}: joins again: {}", options_.group_id, reason);
    reason_ = std::move(reason);
    rejoin_wanted_ = true;
    changed_.raise();
}

bool GroupMember::topics_changed() const {
    if (!leader_ || state_ != State::stable) return false;
    for (const std::string& topic : shared_topics_) {
        const TopicInfo* info = cluster_.metadata()->topic(std::string_view(topic));
        auto shared = shared_counts_.find(topic);
        // A topic that is gone is told by fetches; a gap in the metadata is no reason to rebalance.
        if (info == nullptr || info->error != ErrorCode::none) continue;
        if (shared == shared_counts_.end() ||
            static_cast<std::size_t>(shared->second) != info->partitions.size())
            return true;
    }
    return false;
}

std::optional<Error> GroupMember::take_error() {
    if (fenced_) return error_;
    return std::exchange(error_, std::nullopt);
}

void GroupMember::leave_poll() {
    polling_ = false;
    last_poll_ = shard_.now();
}

Time GroupMember::poll_deadline() const {
    return polling_ ? Time::never() : last_poll_ + options_.rebalance_timeout;
}

void GroupMember::end_membership(ErrorCode why) {
    if (why != ErrorCode::illegal_generation) me_.member_id.clear();
    me_.generation = -1;
    leader_ = false;
    lost_ = true;
    become(State::out);
}

// The fate of an answer; forgets the coordinator where it is another one by now.
GroupMember::Outcome GroupMember::outcome(std::string_view doing, const std::string& broker,
                                          ErrorCode code) {
    Outcome outcome{fate_of(code), {}};
    if (outcome.fate == Fate::go_on) return outcome;
    outcome.error = {code, fmt::format("{} of group {} at {}: {} ({})", doing, options_.group_id,
                                       broker, meaning_of(code), name_of(code))};
    if (code == ErrorCode::fenced_instance_id) {
        fenced_ = true;
        outcome.error.message +=
            fmt::format("; another consumer has group.instance.id {}: give each its own",
                        options_.instance_id.value_or(""));
    }
    if (code == ErrorCode::inconsistent_group_protocol)
        outcome.error.message +=
            "; give all members a common partition.assignment.strategy, or this one a group of its "
            "own";
    if (outcome.fate == Fate::find)
        cluster_.forget_coordinator(CoordinatorType::group, options_.group_id);
    LOG_DEBUG("{}", outcome.error.message);
    return outcome;
}

Task<void> GroupMember::beat() {
    for (;;) {
        std::uint64_t seen = moved_.count();
        if (!is_member()) {
            co_await moved_.changed_since(seen);
            continue;
        }
        Time when = std::min(next_beat_, poll_deadline());
        if (co_await env::with_deadline(shard_, when, moved_.changed_since(seen))) continue;
        Time now = shard_.now();
        if (now >= poll_deadline()) {
            LOG_WARN(
                "Group {}: poll() was not called for max.poll.interval.ms ({} ms); the member "
                "leaves. Take fewer records a poll (max.poll.records) or raise the interval",
                options_.group_id, options_.rebalance_timeout.ms());
            std::string reason = "poll() was not called within max.poll.interval.ms";
            // A static member that only stays silent keeps its place until its session ends.
            if (!options_.instance_id)
                co_await env::with_deadline(shard_, now + options_.request_timeout,
                                            leave_once(std::move(reason)));
            if (is_member()) end_membership(ErrorCode::none);
            continue;
        }
        if (now < next_beat_) continue;
        next_beat_ = now + options_.heartbeat_interval;
        std::int32_t generation = me_.generation;
        Outcome outcome = co_await beat_once();
        // An answer to an earlier membership says nothing of this one.
        if (is_member() && me_.generation == generation) take_beat(outcome);
    }
}

Task<GroupMember::Outcome> GroupMember::beat_once() {
    Cluster::Connected connection =
        co_await cluster_.coordinator(CoordinatorType::group, options_.group_id, Lane::coordinator);
    if (!connection) co_return Outcome{fate_of(connection.error().code), connection.error()};
    HeartbeatRequest request;
    request.group_id = options_.group_id;
    request.generation_id = me_.generation;
    request.member_id = me_.member_id;
    request.group_instance_id = options_.instance_id;
    CallOptions call;
    call.timeout = std::min(options_.request_timeout, options_.session_timeout);
    auto reply = co_await (*connection)->call(request, call);
    co_return outcome("A heartbeat", (*connection)->name(),
                      reply ? reply->response.error_code : reply.error().code);
}

void GroupMember::take_beat(const Outcome& outcome) {
    switch (outcome.fate) {
        case Fate::rejoin:
            want_rejoin("the group rebalances");
            break;
        case Fate::lost:
            LOG_INFO("Group {}: this member was dropped: {}", options_.group_id,
                     outcome.error.message);
            end_membership(outcome.error.code);
            break;
        case Fate::fatal:
            error_ = outcome.error;
            end_membership(outcome.error.code);
            break;
        case Fate::find:
        case Fate::later:
            next_beat_ = std::min(next_beat_, shard_.now() + options_.retry.first);
            break;
        case Fate::go_on:
        case Fate::with_id:
            break;
    }
}

Task<Result<>> GroupMember::leave_once(std::string reason) {
    ASSIGN_OR_CO_RETURN(std::shared_ptr<BrokerConnection> connection,
                        co_await cluster_.coordinator(CoordinatorType::group, options_.group_id));
    constexpr std::int16_t first_of_several = 3;
    ASSIGN_OR_CO_RETURN(std::int16_t version, connection->version_of(ApiKey::leave_group));
    LeaveGroupRequest request;
    request.group_id = options_.group_id;
    if (version < first_of_several) {
        request.member_id = me_.member_id;
    } else {
        request.members.push_back({me_.member_id, options_.instance_id, std::move(reason)});
    }
    auto reply = co_await connection->call(request);
    CO_RETURN_IF_ERROR(reply);
    if (reply->response.error_code != ErrorCode::none)
        co_return fail(outcome("Leaving", connection->name(), reply->response.error_code).error);
    co_return Result<>();
}

Task<void> GroupMember::leave(std::string reason, Time deadline) {
    co_await joining_->close();
    joining_ = std::make_unique<Scope>(shard_);
    bool known = !me_.member_id.empty();
    if (known && !options_.instance_id) {
        auto left = co_await env::with_deadline(shard_, deadline, leave_once(std::move(reason)));
        if (!left || !*left)
            LOG_INFO(
                "Group {}: the coordinator was not told that this member leaves; it finds out "
                "after session.timeout.ms ({} ms)",
                options_.group_id, options_.session_timeout.ms());
    }
    end_membership(ErrorCode::none);
    lost_ = false;
    rejoin_wanted_ = false;
}

Task<void> GroupMember::close() {
    co_await joining_->close();
    co_await beating_.close();
}

}  // namespace millrace::client
