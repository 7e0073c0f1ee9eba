#include "client/coordinated_membership.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/random.h"
#include "client/log.h"

namespace millrace::client {
namespace {

CoordinatedOptions with_id(CoordinatedOptions options, Random& random) {
    if (options.member_id.empty()) options.member_id = Uuid::random(random).to_string();
    return options;
}

// What an error of a heartbeat means for the member.
enum class Meaning : std::uint8_t {
    again,       // after a pause
    find,        // again, at the coordinator that is to be found
    told,        // again after a pause; the user is to know
    fenced,      // no member any more, as a new one
    impossible,  // nothing the member can do
};
Meaning meaning_for_member(ErrorCode code, bool has_joined) {
    switch (code) {
        case ErrorCode::not_coordinator:
        case ErrorCode::coordinator_not_available:
        case ErrorCode::network_exception:
        case ErrorCode::request_timed_out:
            return Meaning::find;
        case ErrorCode::fenced_member_epoch:
        case ErrorCode::unknown_member_id:
            return Meaning::fenced;
        // The group has ended without this member, or is one of the classic protocol by now.
        case ErrorCode::group_id_not_found:
            return has_joined ? Meaning::fenced : Meaning::impossible;
        case ErrorCode::topic_authorization_failed:
            return Meaning::told;
        default:
            return is_retriable(code) ? Meaning::again : Meaning::impossible;
    }
}

std::string_view advice_for(ErrorCode code) {
    switch (code) {
        case ErrorCode::unreleased_instance_id:
        case ErrorCode::fenced_instance_id:
            return "; another consumer has this group.instance.id: give each its own";
        case ErrorCode::unsupported_version:
            return "; the cluster does not have this protocol of groups: upgrade it, or its "
                   "feature";
        case ErrorCode::unsupported_assignor:
            return "; set group.remote.assignor to one of the broker's group.consumer.assignors";
        default:
            return "";
    }
}

}  // namespace

CoordinatedMembership::CoordinatedMembership(Cluster& cluster, Signal& changed,
                                             CoordinatedOptions options, AskHeartbeat ask,
                                             bool acknowledges)
    : cluster_(cluster),
      shard_(cluster.shard()),
      changed_(changed),
      options_(with_id(std::move(options), shard_.random())),
      ask_(ask),
      member_(acknowledges),
      beating_(shard_) {
    me_.group_id = options_.group_id;
    me_.member_id = options_.member_id;
    me_.instance_id = options_.instance_id;
    last_poll_ = shard_.now();
    beating_.spawn(beat());
}

void CoordinatedMembership::moved() {
    me_.generation = member_.epoch() > 0 ? member_.epoch() : -1;
    moved_.raise();
    changed_.raise();
}

void CoordinatedMembership::join(GroupSubscription subscription) {
    member_.join(std::move(subscription));
    moved();
}

void CoordinatedMembership::subscribe(GroupSubscription subscription) {
    member_.subscribe(std::move(subscription));
    moved();
}

void CoordinatedMembership::follow(std::uint64_t number, TopicIdPartitions owned) {
    member_.follow(number, std::move(owned));
    moved();
}

void CoordinatedMembership::follow_in_part(TopicIdPartitions owned) {
    member_.follow_in_part(std::move(owned));
    moved();
}

std::optional<Error> CoordinatedMembership::take_error() {
    if (fenced_) return error_;
    return std::exchange(error_, std::nullopt);
}

void CoordinatedMembership::leave_poll() {
    polling_ = false;
    last_poll_ = shard_.now();
}

Time CoordinatedMembership::poll_deadline() const {
    return polling_ ? Time::never() : last_poll_ + options_.rebalance_timeout;
}

void CoordinatedMembership::end_membership() {
    member_.end();
    lost_ = true;
    moved();
}

Heartbeat CoordinatedMembership::farewell() const {
    Heartbeat beat;
    beat.epoch = options_.instance_id ? staying_away_epoch : leaving_epoch;
    return beat;
}

Task<Result<HeartbeatAnswer>> CoordinatedMembership::ask(Heartbeat beat) {
    Cluster::Connected connection =
        co_await cluster_.coordinator(CoordinatorType::group, options_.group_id, Lane::coordinator);
    CO_RETURN_IF_ERROR(connection);
    co_return co_await ask_(*std::move(connection), options_, std::move(beat));
}

Task<void> CoordinatedMembership::beat() {
    for (;;) {
        std::uint64_t seen = moved_.count();
        if (!member_.is_alive()) {
            co_await moved_.changed_since(seen);
            continue;
        }
        Time now = shard_.now();
        Time when = std::max(member_.beats_at_once() ? now : next_beat_, not_before_);
        when = std::min(when, poll_deadline());
        if (when > now) {
            co_await env::with_deadline(shard_, when, moved_.changed_since(seen));
            continue;
        }
        if (now >= poll_deadline()) {
            co_await stay_away();
            continue;
        }
        std::uint64_t life = member_.life();
        Result<HeartbeatAnswer> answer = co_await ask(member_.next());
        if (member_.is_alive() && member_.life() == life) take_answer(answer);
    }
}

Task<void> CoordinatedMembership::stay_away() {
    LOG_WARN(
        "Group {}: poll() was not called for max.poll.interval.ms ({} ms); the member leaves. Take "
        "fewer records a poll (max.poll.records) or raise the interval",
        options_.group_id, options_.rebalance_timeout.ms());
    std::uint64_t life = member_.life();
    co_await env::with_deadline(shard_, shard_.now() + options_.request_timeout, ask(farewell()));
    if (member_.is_alive() && member_.life() == life) end_membership();
}

void CoordinatedMembership::take_answer(const Result<HeartbeatAnswer>& answer) {
    if (!answer) {
        take_error_of(answer.error());
        return;
    }
    failures_ = 0;
    not_before_ = Time();
    std::int32_t before = member_.epoch();
    member_.answered(*answer);
    next_beat_ = shard_.now() + member_.interval();
    if (member_.epoch() != before)
        LOG_DEBUG("Group {}: member {} is in epoch {}", options_.group_id, options_.member_id,
                  member_.epoch());
    if (member_.epoch() != before || member_.wish() != nullptr) moved();
}

void CoordinatedMembership::take_error_of(const Error& error) {
    member_.unanswered();
    not_before_ = shard_.now() + options_.retry.after(++failures_, shard_.random());
    LOG_DEBUG("{}", error.message);
    switch (meaning_for_member(error.code, member_.epoch() > 0)) {
        case Meaning::again:
            break;
        case Meaning::find:
            cluster_.forget_coordinator(CoordinatorType::group, options_.group_id);
            break;
        case Meaning::told:
            error_ = error;
            changed_.raise();
            break;
        case Meaning::fenced:
            LOG_INFO("Group {}: this member was dropped: {}", options_.group_id, error.message);
            end_membership();
            break;
        case Meaning::impossible:
            error_ = Error{error.code, fmt::format("{}{}", error.message, advice_for(error.code))};
            fenced_ = error.code == ErrorCode::fenced_instance_id;
            end_membership();
            break;
    }
}

Task<void> CoordinatedMembership::leave(std::string, Time deadline) {
    if (member_.is_alive()) {
        // Nothing else is told meanwhile.
        member_.end();
        moved();
        auto left = co_await env::with_deadline(shard_, deadline, ask(farewell()));
        if (!left || !*left)
            LOG_INFO(
                "Group {}: the coordinator was not told that this member leaves; it finds out when "
                "the session ends",
                options_.group_id);
    }
    lost_ = false;
}

Task<void> CoordinatedMembership::close() { co_await beating_.close(); }

}  // namespace millrace::client
