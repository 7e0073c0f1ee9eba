#include "broker/fetchers/follower_session.h"

#include <limits>

namespace millrace::broker {
namespace {

template <typename Topic>
Topic& topic_in(std::vector<Topic>& topics, const Uuid& id) {
    if (topics.empty() || topics.back().topic_id != id) topics.emplace_back().topic_id = id;
    return topics.back();
}

}  // namespace

void FollowerSession::prepare(const FetchPositions& wanted, std::int32_t max_bytes,
                              FetchRequest& request) {
    request.session_id = id_;
    request.session_epoch = epoch_;
    if (epoch_ == 0) told_.clear();
    for (auto told = told_.begin(); told != told_.end();) {
        if (wanted.contains(told->first)) {
            ++told;
            continue;
        }
        topic_in(request.forgotten_topics_data, told->first.topic_id)
            .partitions.push_back(told->first.partition);
        told = told_.erase(told);
    }
    for (const auto& [id, position] : wanted) {
        auto [told, is_new] = told_.try_emplace(id, position);
        if (!is_new && told->second == position) continue;
        told->second = position;
        topic_in(request.topics, id.topic_id)
            .partitions.push_back({.partition = id.partition,
                                   .current_leader_epoch = position.leader_epoch,
                                   .fetch_offset = position.offset,
                                   .last_fetched_epoch = position.last_epoch,
                                   .log_start_offset = position.log_start,
                                   .partition_max_bytes = max_bytes});
    }
}

ErrorCode FollowerSession::take(const FetchResponse& response) {
    if (response.error_code != ErrorCode::none) {
        // A session that exists is ended by the request that begins the next one.
        if (response.error_code == ErrorCode::fetch_session_id_not_found) id_ = 0;
        epoch_ = 0;
        return response.error_code;
    }
    bool goes_on = response.session_id != 0 && (epoch_ == 0 || response.session_id == id_);
    if (!goes_on) {
        id_ = 0;
        epoch_ = 0;
        return ErrorCode::none;
    }
    id_ = response.session_id;
    epoch_ = epoch_ == std::numeric_limits<std::int32_t>::max() ? 1 : epoch_ + 1;
    return ErrorCode::none;
}

}  // namespace millrace::broker
