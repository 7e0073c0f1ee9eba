#include "broker/share/share_sessions.h"

#include <algorithm>
#include <limits>

#include "metrics/declared.h"

namespace millrace::broker {

ShareSessions::ShareSessions(env::Shard& shard, ShareLeaders& leaders, Limit limit,
                             ShareMetrics& metrics)
    : leaders_(leaders), limit_(limit), metrics_(metrics), scope_(shard) {
    auto read = [&](const metrics::GaugeDeclaration& declaration, auto value) {
        readings_.push_back(metrics.registry().read_gauge(
            declaration, {}, [value] { return static_cast<double>(value()); }));
    };
    read(metrics::declared::share_session_cache_share_sessions_count,
         [this] { return sessions_.size(); });
    read(metrics::declared::share_session_cache_share_partitions_count, [this] {
        std::size_t count = 0;
        for (const auto& [member, session] : sessions_) count += session.known.size();
        return count;
    });
}

bool ShareSessions::admit() {
    if (limit_.in_node.fetch_add(1) < limit_.most) return true;
    limit_.in_node.fetch_sub(1);
    return false;
}

ErrorCode ShareSessions::advance(Session& session, std::int32_t epoch) const {
    if (session.epoch != epoch) return ErrorCode::invalid_share_session_epoch;
    session.epoch = epoch == std::numeric_limits<std::int32_t>::max() ? 1 : epoch + 1;
    return ErrorCode::none;
}

void ShareSessions::apply(const Change& change, Session& session) {
    for (const TopicIdPartition& id : change.added) {
        if (!session.known.insert(id).second) continue;
        session.partitions.push_back(id);
        session.news.insert(id);
    }
    if (change.forgotten.empty()) return;
    for (const TopicIdPartition& id : change.forgotten) session.known.erase(id);
    std::erase_if(session.partitions, [&](const auto& id) { return !session.known.contains(id); });
}

ShareSessions::Plan ShareSessions::fetch(const Member& member, const Change& change) {
    auto found = sessions_.find(member);
    if (change.added.size() > most_partitions) return {.error = ErrorCode::invalid_request};
    if (change.epoch == final_epoch) {
        bool known = found != sessions_.end();
        return {.error = known ? ErrorCode::none : ErrorCode::share_session_not_found,
                .partitions = {},
                .news = {}};
    }
    if (change.epoch == opening_epoch) {
        if (change.acknowledges) return {.error = ErrorCode::invalid_request};
        if (found == sessions_.end() && !admit())
            return {.error = ErrorCode::share_session_limit_reached};
        // What the member read before is released with the new session, too.
        Session session{.epoch = 1, .peer = change.peer};
        if (found != sessions_.end()) session.touched = std::move(found->second.touched);
        apply(change, session);
        Plan plan{.partitions = session.partitions, .news = std::exchange(session.news, {})};
        sessions_[member] = std::move(session);
        return plan;
    }
    if (found == sessions_.end()) return {.error = ErrorCode::share_session_not_found};
    Session& session = found->second;
    if (session.known.size() + change.added.size() > 2 * most_partitions)
        return {.error = ErrorCode::invalid_request};
    ErrorCode error = advance(session, change.epoch);
    if (error != ErrorCode::none) return {.error = error};
    apply(change, session);
    Plan plan{.partitions = session.partitions, .news = std::exchange(session.news, {})};
    if (!plan.partitions.empty()) {
        auto first = static_cast<std::size_t>(change.epoch) % plan.partitions.size();
        std::ranges::rotate(plan.partitions,
                            plan.partitions.begin() + static_cast<std::ptrdiff_t>(first));
    }
    return plan;
}

void ShareSessions::touch(const Member& member, const TopicIdPartition& id) {
    auto found = sessions_.find(member);
    if (found != sessions_.end()) found->second.touched.insert(id);
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

void ShareSessions::leave(const Member& member, const FetchTicket& ticket,
                          std::vector<TopicIdPartition> partitions) {
    scope_.spawn(leaders_.leave(member.group_id, ticket, std::move(partitions)));
}

void ShareSessions::end(const Member& member) {
    auto found = sessions_.find(member);
    if (found == sessions_.end()) return;
    std::vector<TopicIdPartition> touched{found->second.touched.begin(),
                                          found->second.touched.end()};
    sessions_.erase(found);
    limit_.in_node.fetch_sub(1);
    scope_.spawn(leaders_.release(member.group_id, member.member_id, std::move(touched)));
}

void ShareSessions::closed(std::uint64_t peer) {
    std::vector<Member> gone;
    for (const auto& [member, session] : sessions_) {
        if (session.peer == peer) gone.push_back(member);
    }
    if (gone.empty()) return;
    metrics_.registry()
        .meter(metrics::declared::share_session_cache_share_session_evictions_per_sec)
        .mark(gone.size());
    for (const Member& member : gone) end(member);
}

}  // namespace millrace::broker
