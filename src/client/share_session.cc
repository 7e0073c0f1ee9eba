#include "client/share_session.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace millrace::client {
namespace {

constexpr std::int32_t last_epoch = -1;

// The partition's entry in a request whose topics are filled in order.
template <typename Topics>
auto& entry_of(Topics& topics, const SharePartition& partition) {
    if (topics.empty() || topics.back().topic_id != partition.topic_id)
        topics.emplace_back().topic_id = partition.topic_id;
    auto& entry = topics.back().partitions.emplace_back();
    entry.partition_index = partition.index;
    return entry;
}

template <typename Entry>
bool add_acknowledgements(Entry& entry, const Acknowledgements& ranges) {
    bool renews = false;
    for (const AcknowledgedRange& range : ranges) {
        entry.acknowledgement_batches.push_back(
            {range.first, range.last, {static_cast<std::int8_t>(range.type)}});
        renews = renews || range.type == AcknowledgeType::renew;
    }
    return renews;
}

}  // namespace

ShareFetchRequest ShareSession::fetch(const std::set<SharePartition>& wanted,
                                      const AcknowledgedPartitions& acknowledged) {
    CHECK(epoch_ != 0 || acknowledged.empty());
    ShareFetchRequest request;
    request.group_id = group_id_;
    request.member_id = member_id_;
    request.share_session_epoch = epoch_;
    for (const SharePartition& partition : wanted) {
        auto answers = acknowledged.find(partition);
        if (answers == acknowledged.end() && known_.contains(partition)) continue;
        auto& entry = entry_of(request.topics, partition);
        if (answers != acknowledged.end())
            request.is_renew_ack =
                add_acknowledgements(entry, answers->second) || request.is_renew_ack;
    }
    for (const SharePartition& partition : known_) {
        if (wanted.contains(partition)) continue;
        auto& forgotten = request.forgotten_topics_data;
        if (forgotten.empty() || forgotten.back().topic_id != partition.topic_id)
            forgotten.emplace_back().topic_id = partition.topic_id;
        forgotten.back().partitions.push_back(partition.index);
    }
    known_ = wanted;
    return request;
}

ShareAcknowledgeRequest ShareSession::acknowledge(
    const AcknowledgedPartitions& acknowledged) const {
    CHECK(epoch_ != 0);
    ShareAcknowledgeRequest request;
    request.group_id = group_id_;
    request.member_id = member_id_;
    request.share_session_epoch = epoch_;
    for (const auto& [partition, ranges] : acknowledged) {
        auto& entry = entry_of(request.topics, partition);
        request.is_renew_ack = add_acknowledgements(entry, ranges) || request.is_renew_ack;
    }
    return request;
}

ShareAcknowledgeRequest ShareSession::end(const AcknowledgedPartitions& acknowledged) {
    ShareAcknowledgeRequest request = acknowledge(acknowledged);
    request.share_session_epoch = last_epoch;
    lost();
    return request;
}

bool ShareSession::answered(ErrorCode code) {
    if (code == ErrorCode::share_session_not_found ||
        code == ErrorCode::invalid_share_session_epoch ||
        code == ErrorCode::share_session_limit_reached) {
        lost();
        return false;
    }
    // A session that has begun goes on, whatever became of the request.
    epoch_ = epoch_ == std::numeric_limits<std::int32_t>::max() ? 1 : epoch_ + 1;
    return code == ErrorCode::none;
}

void ShareSession::lost() {
    epoch_ = 0;
    known_.clear();
}

}  // namespace millrace::client
