#pragma once

#include <utility>

#include "base/scope.h"
#include "broker/share_states.h"

namespace millrace::broker {

// Answers a request to the share coordinators partition by partition, all at once:
// `ask(ShareHost&, ShareKey, partition) -> Task<T>` where the share partition's state is hosted, or
// `refuse(ErrorCode) -> T`, and `tell(T, result)` what came of it.
template <typename Response, typename Request, typename Ask, typename Refuse, typename Tell>
Task<Response> answer_each(const Request& request, ShareStates& states, Ask ask, Refuse refuse,
                           Tell tell) {
    Response response;
    for (const auto& topic : request.topics) {
        auto& told = response.results.emplace_back();
        told.topic_id = topic.topic_id;
        told.partitions.resize(topic.partitions.size());
    }
    auto one = [&](std::size_t t, std::size_t p) -> Task<void> {
        const auto& partition = request.topics[t].partitions[p];
        auto& told = response.results[t].partitions[p];
        told.partition = partition.partition;
        share::ShareKey key{request.group_id, request.topics[t].topic_id, partition.partition};
        tell(co_await states.with(
                 key.to_string(), [&](ShareHost& host) { return ask(host, key, partition); },
                 refuse),
             told);
    };
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (std::size_t t = 0; t < request.topics.size(); ++t)
            for (std::size_t p = 0; p < request.topics[t].partitions.size(); ++p)
                scope.spawn(one(t, p));
        co_await scope.join();
    });
    co_return response;
}

// As with Apache's brokers, nobody coordinates before the topic of the states is made.
inline share::ShareCoordinator::Outcome refused_outcome(ErrorCode code) {
    if (code == ErrorCode::coordinator_not_available) code = ErrorCode::not_coordinator;
    return {code, std::string(meaning_of(code))};
}

template <typename Told>
void tell_outcome(share::ShareCoordinator::Outcome outcome, Told& told) {
    told.error_code = outcome.error;
    if (outcome.error != ErrorCode::none) told.error_message = std::move(outcome.message);
}

}  // namespace millrace::broker
