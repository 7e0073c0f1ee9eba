#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/admin.h"
#include "client/connection.h"
#include "client/gather.h"
#include "client/retry.h"

namespace millrace::client {

// How the admin's functions ask: who, how often, and what is said when it fails.

// `what` is what the error is about, "topic 't'"; a broker's own sentence goes before the code's.
Error error_about(std::string_view what, ErrorCode code,
                  const std::optional<std::string>& told = std::nullopt);
inline Result<> verdict_about(std::string_view what, ErrorCode code,
                              const std::optional<std::string>& told = std::nullopt) {
    if (code == ErrorCode::none) return {};
    return fail(error_about(what, code, told));
}

inline bool is_about_unknown(ErrorCode code) {
    return code == ErrorCode::unknown_topic_or_partition || code == ErrorCode::unknown_topic_id;
}

template <typename T, typename Key>
Outcomes<Key, T> all_failed(const std::vector<Key>& items, const Error& error) {
    Outcomes<Key, T> failed;
    for (const Key& item : items) failed.insert_or_assign(item, fail(error));
    return failed;
}

// What a request says that it may take: no longer than the connection waits for it.
std::int32_t ms_until(Admin& admin, Time deadline);

// One request over a connection that is still to be made.
template <typename Request>
Task<Result<Reply<typename Request::Response>>> call_over(Task<Cluster::Connected> connecting,
                                                          Request request,
                                                          CallOptions options = {}) {
    ASSIGN_OR_CO_RETURN(auto connection, co_await std::move(connecting));
    co_return co_await connection->call(request, options);
}

// One request whose answer is right or wrong as a whole: `connect() -> Task<Connected>`,
// `check(const Response&) -> Result<>`. Both stay alive until it ends.
template <typename Request, typename Connect, typename Check>
Task<Result<Reply<typename Request::Response>>> ask(Admin& admin, std::string what, Connect connect,
                                                    Request request, Check check) {
    using Answer = Result<Reply<typename Request::Response>>;
    auto attempt = [&]() -> Task<Answer> {
        Answer reply = co_await call_over(connect(), request);
        CO_RETURN_IF_ERROR(reply);
        if (Result<> verdict = check(reply->response); !verdict) {
            if (verdict.error().code == ErrorCode::not_controller) {
                admin.cluster().request_refresh();
            }
            co_return fail(std::move(verdict).error());
        }
        co_return reply;
    };
    co_return co_await with_retries(admin.cluster(), std::move(what), admin.deadline(), attempt);
}

// A topic that was just created is not yet in every broker's metadata. Where leaders are looked up
// in it, only one that is unknown for so many attempts does not exist.
inline constexpr int attempts_for_new_topics = 5;

// Repeats `attempt(pending) -> Task<Outcomes<Key, T>>` with the items that failed for the moment,
// until each has its outcome. Items the attempt has no outcome for were not answered. A topic that
// is unknown is asked for `attempts_for_unknown` times.
template <typename T, typename Key, typename Attempt>
Task<Outcomes<Key, T>> settle(Admin& admin, std::string what, std::vector<Key> pending,
                              Time deadline, Attempt attempt, int attempts_for_unknown = 1) {
    Outcomes<Key, T> settled;
    Attempts attempts(admin.cluster(), what, deadline);
    for (int tries = 1; !pending.empty(); ++tries) {
        auto answered = co_await env::with_deadline(admin.shard(), deadline, attempt(pending));
        if (!answered) {
            settled.merge(all_failed<T>(pending, attempts.timed_out()));
            co_return settled;
        }
        std::vector<Key> again;
        Outcomes<Key, T> retriable;
        for (const Key& item : pending) {
            auto at = answered->find(item);
            if (at == answered->end()) {
                settled.emplace(item, fail(ErrorCode::unknown_server_error,
                                           what + ": the broker left an item out of its answer"));
                continue;
            }
            bool unknown =
                !at->second && at->second.error().code == ErrorCode::unknown_topic_or_partition;
            if (at->second || !is_retriable(at->second.error().code) ||
                (unknown && tries >= attempts_for_unknown)) {
                settled.insert(answered->extract(at));
            } else {
                again.push_back(item);
                retriable.insert(answered->extract(at));
            }
        }
        if (again.empty()) break;
        const Error& last = retriable.begin()->second.error();
        if (last.code == ErrorCode::not_controller) admin.cluster().request_refresh();
        if (co_await attempts.after(last)) {
            settled.merge(retriable);
            break;
        }
        pending = std::move(again);
    }
    co_return settled;
}

// The partitions by the broker that leads them, as metadata asked for now or known already has it.
// Those without one are failed.
struct ByLeader {
    std::map<std::int32_t, std::vector<TopicPartition>> leaders;
    std::map<TopicPartition, Error> failed;
};
Task<ByLeader> by_leader(Cluster& cluster, std::vector<TopicPartition> partitions);

// The groups by their coordinators.
struct ByCoordinator {
    std::map<std::int32_t, std::vector<std::string>> coordinators;
    std::map<std::string, Error> failed;
};
Task<ByCoordinator> by_coordinator(Cluster& cluster, std::vector<std::string> groups);
// Whether a broker says that it is not, or not yet, the coordinator.
bool is_about_coordinator(ErrorCode code);
// The coordinator of those that such an error is about is looked for again.
template <typename T>
void forget_moved(Cluster& cluster, const Outcomes<std::string, T>& groups) {
    for (const auto& [group, outcome] : groups) {
        if (outcome || !is_about_coordinator(outcome.error().code)) continue;
        cluster.forget_coordinator(CoordinatorType::group, group);
    }
}

// The answers of the coordinators, each asked for its groups by `one(coordinator, groups)`.
template <typename T, typename One>
Task<Outcomes<std::string, T>> ask_coordinators(Admin& admin, std::vector<std::string> pending,
                                                One& one) {
    ByCoordinator found = co_await by_coordinator(admin.cluster(), std::move(pending));
    Outcomes<std::string, T> outcomes;
    for (auto& [group, error] : found.failed) outcomes.emplace(group, fail(std::move(error)));
    std::vector<Task<Outcomes<std::string, T>>> questions;
    for (auto& [coordinator, groups] : found.coordinators) {
        questions.push_back(one(coordinator, std::move(groups)));
    }
    for (auto& answer : co_await gather(std::move(questions))) outcomes.merge(answer);
    forget_moved(admin.cluster(), outcomes);
    co_return outcomes;
}

// Partitions by topic, as most requests have them.
std::map<std::string, std::vector<std::int32_t>> by_topic(
    const std::vector<TopicPartition>& partitions);

template <typename Map>
std::vector<typename Map::key_type> keys_of(const Map& map) {
    std::vector<typename Map::key_type> keys;
    keys.reserve(map.size());
    for (const auto& [key, value] : map) keys.push_back(key);
    return keys;
}

}  // namespace millrace::client
