#include "core/replication/follower.h"

#include <algorithm>

namespace millrace::replication {
namespace {

constexpr Duration shortest_pause = Duration::milliseconds(20);

// The controller's word reaches brokers one after the other.
bool may_not_know_yet(ErrorCode error) {
    return error == ErrorCode::unknown_leader_epoch || error == ErrorCode::not_leader_or_follower ||
           error == ErrorCode::unknown_topic_id || error == ErrorCode::unknown_topic_or_partition;
}

}  // namespace

FollowerActions Follower::step(const FollowerEvent& event, const FollowerLog& log, Time now) {
    return std::visit([&](const auto& each) { return handle(each, log, now); }, event);
}

FollowerActions Follower::handle(const FollowingBegan&, const FollowerLog& log, Time) {
    need_ = Need::fetch;
    FollowerActions actions;
    if (rules_->cuts_at_high_watermark(log.has_epochs) && log.end > log.high_watermark)
        actions.truncate_to = log.high_watermark;
    return actions;
}

FollowerActions Follower::handle(const FetchAnswered& event, const FollowerLog& log, Time now) {
    FollowerActions actions;
    if (event.error == ErrorCode::offset_out_of_range ||
        event.error == ErrorCode::offset_moved_to_tiered_storage) {
        need_ = Need::offsets;
        return actions;
    }
    if (event.error != ErrorCode::none) {
        failed(event.error, now);
        return actions;
    }
    not_yet_ = 0;
    if (event.diverging) {
        // A leader that knows no epoch of ours says nothing of what may be committed.
        bool known = event.diverging->end >= 0;
        actions.truncate_to = known ? rules_->cut(*event.diverging, event.own, log.end)
                                    : std::min(log.high_watermark, log.end);
        return actions;
    }
    actions.append = event.has_records;
    actions.high_watermark = event.high_watermark;
    actions.log_start = event.log_start;
    return actions;
}

FollowerActions Follower::handle(const OffsetsAnswered& event, const FollowerLog& log, Time now) {
    FollowerActions actions;
    if (event.error != ErrorCode::none) {
        failed(event.error, now);
        return actions;
    }
    need_ = Need::fetch;
    // Ahead of a leader that was not elected from the ISR.
    if (event.end < log.end) actions.truncate_to = event.end;
    if (event.end < log.end) return actions;
    // So far behind that the leader has removed what would come next, or moved it away.
    if (event.local_start > std::max(log.end, event.start)) {
        actions.begin_behind = {event.start, event.local_start, event.local_epoch};
    } else if (event.start > log.end) {
        actions.begin_anew_at = event.start;
    }
    return actions;
}

FollowerActions Follower::handle(const RecordsRefused&, const FollowerLog&, Time now) {
    resumes_at_ = now + backoff_;
    return {};
}

// A leader that has a later epoch does not answer this one any more: the controller will tell.
void Follower::failed(ErrorCode error, Time now) {
    if (error == ErrorCode::fenced_leader_epoch) {
        need_ = Need::nothing;
    } else if (may_not_know_yet(error)) {
        resumes_at_ = now + std::min(backoff_, shortest_pause * (1LL << std::min(not_yet_++, 20)));
    } else {
        resumes_at_ = now + backoff_;
    }
}

}  // namespace millrace::replication
