#include "broker/share/share_sessions.h"

#include <algorithm>
#include <limits>

namespace millrace::broker {

ErrorCode ShareSessions::advance(Session& session, std::int32_t epoch) const {
    if (session.epoch != epoch) return ErrorCode::invalid_share_session_epoch;
    session.epoch = epoch == std::numeric_limits<std::int32_t>::max() ? 1 : epoch + 1;
    return ErrorCode::none;
}

ShareSessions::Plan ShareSessions::fetch(const Member& member, const Change& change) {
    auto found = sessions_.find(member);
    if (change.epoch == final_epoch) {
        bool known = found != sessions_.end();
        return {.error = known ? ErrorCode::none : ErrorCode::share_session_not_found,
                .partitions = {},
                .news = {}};
    }
    if (change.epoch == opening_epoch) {
        if (change.acknowledges) return {.error = ErrorCode::invalid_request};
        if (found == sessions_.end() && sessions_.size() >= most_)
            return {.error = ErrorCode::share_session_limit_reached};
        std::set<TopicIdPartition> touched;
        if (found != sessions_.end()) touched = std::move(found->second.touched);
        touched.insert(change.added.begin(), change.added.end());
        sessions_[member] = {.epoch = 1,
                             .partitions = change.added,
                             .touched = std::move(touched),
                             .news = {},
                             .peer = change.peer};
        return {.partitions = change.added, .news = {change.added.begin(), change.added.end()}};
    }
    if (found == sessions_.end()) return {.error = ErrorCode::share_session_not_found};
    Session& session = found->second;
    ErrorCode error = advance(session, change.epoch);
    if (error != ErrorCode::none) return {.error = error};
    for (const TopicIdPartition& id : change.added) {
        if (std::ranges::find(session.partitions, id) != session.partitions.end()) continue;
        session.partitions.push_back(id);
        session.touched.insert(id);
        session.news.insert(id);
    }
    for (const TopicIdPartition& id : change.forgotten) std::erase(session.partitions, id);
    Plan plan{.partitions = session.partitions, .news = std::exchange(session.news, {})};
    if (!plan.partitions.empty()) {
        auto first = static_cast<std::size_t>(change.epoch) % plan.partitions.size();
        std::ranges::rotate(plan.partitions,
                            plan.partitions.begin() + static_cast<std::ptrdiff_t>(first));
    }
    return plan;
}

ErrorCode ShareSessions::acknowledge(const Member& member, std::int32_t epoch) {
    if (epoch == opening_epoch) return ErrorCode::invalid_share_session_epoch;
    auto found = sessions_.find(member);
    if (found == sessions_.end()) return ErrorCode::share_session_not_found;
    return epoch == final_epoch ? ErrorCode::none : advance(found->second, epoch);
}

void ShareSessions::note_error(const Member& member, const TopicIdPartition& id) {
    auto found = sessions_.find(member);
    if (found != sessions_.end()) found->second.news.insert(id);
}

void ShareSessions::end(const Member& member) {
    auto found = sessions_.find(member);
    if (found == sessions_.end()) return;
    std::vector<TopicIdPartition> touched{found->second.touched.begin(),
                                          found->second.touched.end()};
    sessions_.erase(found);
    scope_.spawn(leaders_.release(member.group_id, member.member_id, std::move(touched)));
}

void ShareSessions::closed(std::uint64_t peer) {
    std::vector<Member> gone;
    for (const auto& [member, session] : sessions_) {
        if (session.peer == peer) gone.push_back(member);
    }
    for (const Member& member : gone) end(member);
}

}  // namespace millrace::broker
