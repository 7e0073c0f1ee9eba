#include "client/fetch_session.h"

#include <algorithm>
#include <limits>

namespace millrace::client {
namespace {

constexpr std::int16_t last_version_with_names = 12;

}  // namespace

FetchRequest::FetchTopic& FetchSession::topic_in(FetchRequest& request,
                                                 const TopicPartition& partition,
                                                 const FetchTarget& target) {
    auto& topics = request.topics;
    if (topics.empty() || topics.back().topic != partition.topic ||
        topics.back().topic_id != target.topic_id)
        topics.push_back({partition.topic, target.topic_id, {}});
    return topics.back();
}

void FetchSession::forget_in(FetchRequest& request, const TopicPartition& partition,
                             const Uuid& topic_id) {
    auto& topics = request.forgotten_topics_data;
    if (topics.empty() || topics.back().topic != partition.topic ||
        topics.back().topic_id != topic_id)
        topics.push_back({partition.topic, topic_id, {}});
    topics.back().partitions.push_back(partition.partition);
}

void FetchSession::prepare(const FetchTargets& wanted, FetchRequest& request) {
    request.session_id = id_;
    request.session_epoch = epoch_;
    bool whole = epoch_ == 0;
    dropped_ = std::exchange(known_, wanted);
    if (whole) dropped_.clear();
    for (const auto& [partition, target] : known_) {
        auto before = dropped_.find(partition);
        if (before != dropped_.end() && before->second == target) continue;
        FetchRequest::FetchPartition named;
        named.partition = partition.partition;
        named.current_leader_epoch = target.leader_epoch;
        named.fetch_offset = target.offset;
        named.partition_max_bytes = target.max_bytes;
        topic_in(request, partition, target).partitions.push_back(named);
        names_.insert_or_assign(target.topic_id, partition.topic);
    }
    for (const auto& [partition, target] : dropped_) {
        auto still = known_.find(partition);
        // A topic that was made anew is another one.
        if (still == known_.end() || still->second.topic_id != target.topic_id)
            forget_in(request, partition, target.topic_id);
    }
}

std::int16_t FetchSession::max_version() const {
    bool all_have_ids = std::ranges::none_of(
        known_, [](const auto& known) { return known.second.topic_id.is_zero(); });
    return all_have_ids ? std::numeric_limits<std::int16_t>::max() : last_version_with_names;
}

ErrorCode FetchSession::take(const FetchResponse& response) {
    if (response.error_code != ErrorCode::none) {
        // A session that exists is ended by the request that begins the next one.
        if (response.error_code == ErrorCode::fetch_session_id_not_found) id_ = 0;
        epoch_ = 0;
        return response.error_code;
    }
    if (response.session_id == 0 || (epoch_ > 0 && response.session_id != id_)) {
        id_ = 0;
        epoch_ = 0;
        return ErrorCode::none;
    }
    id_ = response.session_id;
    epoch_ = epoch_ == std::numeric_limits<std::int32_t>::max() ? 1 : epoch_ + 1;
    return ErrorCode::none;
}

void FetchSession::lost() { epoch_ = 0; }

std::string_view FetchSession::name_of(const Uuid& topic_id) const {
    auto found = names_.find(topic_id);
    return found == names_.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace millrace::client
