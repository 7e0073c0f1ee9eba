#include "broker/fetch_sessions.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace millrace::broker {
namespace {

constexpr std::int32_t initial_epoch = 0;
constexpr std::int32_t final_epoch = -1;

std::int32_t next_epoch(std::int32_t epoch) {
    return epoch == std::numeric_limits<std::int32_t>::max() ? 1 : epoch + 1;
}

void assign(FetchTarget& target, const FetchRequest::FetchPartition& asked) {
    target.current_leader_epoch = asked.current_leader_epoch;
    target.offset = asked.fetch_offset;
    target.last_fetched_epoch = asked.last_fetched_epoch;
    target.follower_log_start = asked.log_start_offset;
    target.max_bytes = asked.partition_max_bytes;
}

// Marks the session as used until what is returned is gone.
std::shared_ptr<void> take(const std::shared_ptr<FetchSession>& session) {
    CHECK(!session->in_use);
    session->in_use = true;
    return {nullptr, [session](std::nullptr_t) {
                session->in_use = false;
                session->freed.notify_all();
            }};
}

}  // namespace

void FetchSession::update(const FetchRequest& request) {
    for (const FetchRequest::FetchTopic& topic : request.topics) {
        for (const FetchRequest::FetchPartition& asked : topic.partitions) {
            Key key(topic.topic_id, topic.topic, asked.partition);
            auto found = by_key_.find(key);
            if (found == by_key_.end()) {
                targets.push_back({.topic = std::string(topic.topic),
                                   .topic_id = topic.topic_id,
                                   .partition = asked.partition});
                found = by_key_.emplace(std::move(key), std::prev(targets.end())).first;
            }
            assign(*found->second, asked);
        }
    }
    for (const FetchRequest::ForgottenTopic& topic : request.forgotten_topics_data) {
        for (std::int32_t partition : topic.partitions) {
            auto found = by_key_.find(Key(topic.topic_id, topic.topic, partition));
            if (found == by_key_.end()) continue;
            targets.erase(found->second);
            by_key_.erase(found);
        }
    }
}

void FetchSession::rotate(const std::vector<FetchTarget*>& served) {
    for (const FetchTarget* target : served) {
        auto found = by_key_.find(Key(target->topic_id, target->topic, target->partition));
        if (found != by_key_.end()) targets.splice(targets.end(), targets, found->second);
    }
}

std::size_t FetchSessions::partitions() const {
    std::size_t count = 0;
    for (const auto& [id, session] : sessions_) count += session->targets.size();
    return count;
}

Task<void> FetchSessions::until_free(std::int32_t session_id) {
    for (;;) {
        auto found = sessions_.find(session_id);
        if (found == sessions_.end() || !found->second->in_use) co_return;
        std::shared_ptr<FetchSession> session = found->second;
        co_await session->freed.wait();
    }
}

FetchPlan FetchSessions::begin(const FetchRequest& request, std::int16_t version, Time now) {
    bool by_topic_id = version >= 13;
    if (request.session_epoch == initial_epoch || request.session_epoch == final_epoch) {
        return plan_anew(request, by_topic_id, now);
    }
    FetchPlan plan;
    auto found = sessions_.find(request.session_id);
    if (found == sessions_.end()) {
        plan.error = ErrorCode::fetch_session_id_not_found;
        return plan;
    }
    FetchSession& session = *found->second;
    if (session.epoch != request.session_epoch) {
        plan.error = ErrorCode::invalid_fetch_session_epoch;
        return plan;
    }
    if (session.by_topic_id != by_topic_id) {
        plan.error = ErrorCode::fetch_session_topic_id_error;
        return plan;
    }
    plan.session = found->second;
    plan.lease = take(plan.session);
    session.update(request);
    session.epoch = next_epoch(session.epoch);
    session.last_used = now;
    plan.incremental = true;
    if (session.targets.empty()) sessions_.erase(found);
    return plan;
}

void FetchSessions::abandon(FetchPlan& plan) {
    if (!plan.session) return;
    sessions_.erase(plan.session->id);
    plan.lease.reset();
    plan.session.reset();
}

// A whole answer: in a new session, when the client wants one and there is room.
FetchPlan FetchSessions::plan_anew(const FetchRequest& request, bool by_topic_id, Time now) {
    FetchPlan plan;
    if (request.session_id != 0) sessions_.erase(request.session_id);
    bool names_any = std::ranges::any_of(
        request.topics, [](const auto& topic) { return !topic.partitions.empty(); });
    if (request.session_epoch == initial_epoch && names_any) plan.session = open(by_topic_id, now);
    if (plan.session) {
        plan.lease = take(plan.session);
        plan.session->update(request);
        return plan;
    }
    for (const FetchRequest::FetchTopic& topic : request.topics) {
        for (const FetchRequest::FetchPartition& asked : topic.partitions) {
            FetchTarget& target =
                plan.sessionless.emplace_back(FetchTarget{.topic = std::string(topic.topic),
                                                          .topic_id = topic.topic_id,
                                                          .partition = asked.partition});
            assign(target, asked);
        }
    }
    return plan;
}

std::shared_ptr<FetchSession> FetchSessions::open(bool by_topic_id, Time now) {
    if (sessions_.size() >= most_ && !make_room(now)) return nullptr;
    std::int32_t id = 0;
    do {
        id = static_cast<std::int32_t>(random_.below(1U << 23U)) << 8 | (shard_ & 0xff);
    } while (id == 0 || sessions_.contains(id));
    auto session = std::make_shared<FetchSession>(id, by_topic_id);
    session->last_used = now;
    sessions_.emplace(id, session);
    return session;
}

bool FetchSessions::make_room(Time now) {
    auto oldest = std::min_element(sessions_.begin(), sessions_.end(), [](auto& a, auto& b) {
        return a.second->last_used < b.second->last_used;
    });
    if (oldest == sessions_.end() || now - oldest->second->last_used < eviction_age_) return false;
    sessions_.erase(oldest);
    ++evictions_;
    return true;
}

}  // namespace millrace::broker
