#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/scope.h"
#include "broker/partition_router.h"
#include "broker/share/share_leaders.h"

namespace millrace::broker {

// The share sessions (KIP-932) of one shard's connections: which partitions each member reads, so
// that its requests name only changes. A session ends with its connection: what the member holds is
// then given out again.
class ShareSessions {
  public:
    static constexpr std::int32_t opening_epoch = 0;
    static constexpr std::int32_t final_epoch = -1;
    // Of one request; a session has twice as many at the most.
    static constexpr std::size_t most_partitions = 100'000;

    // At most `most` at once on all shards of the node, which count theirs in `in_node`.
    struct Limit {
        std::atomic<std::size_t>& in_node;
        std::size_t most;
    };
    ShareSessions(env::Shard& shard, ShareLeaders& leaders, Limit limit, ShareMetrics& metrics);

    struct Member {
        std::string group_id;
        std::string member_id;
        auto operator<=>(const Member&) const = default;
    };
    struct Change {
        std::int32_t epoch = 0;
        std::vector<TopicIdPartition> added;
        std::vector<TopicIdPartition> forgotten;
        bool acknowledges = false;
        std::uint64_t peer = 0;
    };
    struct Plan {
        ErrorCode error = ErrorCode::none;
        // To be read, beginning with others each time.
        std::vector<TopicIdPartition> partitions;
        // Those whose answer tells them though there is nothing.
        std::set<TopicIdPartition> news;
    };
    // Of a ShareFetch. share_session_not_found, invalid_share_session_epoch,
    // share_session_limit_reached, invalid_request.
    Plan fetch(const Member& member, const Change& change);
    // The same of a ShareAcknowledge, which changes no partitions.
    ErrorCode acknowledge(const Member& member, std::int32_t epoch);
    // The member may hold records of the partition until its session ends.
    void touch(const Member& member, const TopicIdPartition& id);
    // The next answer mentions the partition even if it has nothing: this one had an error.
    void note_error(const Member& member, const TopicIdPartition& id);
    // Of a fetch that begins.
    FetchTicket ticket(Time received) { return {received, leaders_.here().id(), ++tickets_}; }
    // It is over; it is told to the partitions after this returns, where they are not here.
    void leave(const Member& member, const FetchTicket& ticket,
               std::vector<TopicIdPartition> partitions);
    // After the answer to its final epoch.
    void end(const Member& member);
    // The connection is closed.
    void closed(std::uint64_t peer);
    std::size_t count() const { return sessions_.size(); }
    ShareMetrics& metrics() { return metrics_; }
    Task<void> stop() { co_await scope_.close(); }

  private:
    struct Session {
        std::int32_t epoch = 0;
        std::vector<TopicIdPartition> partitions;  // in the order in which they came
        std::set<TopicIdPartition> known;          // the same
        std::set<TopicIdPartition> touched;        // that were ever read in it
        std::set<TopicIdPartition> news;
        std::uint64_t peer = 0;
    };
    bool admit();
    ErrorCode advance(Session& session, std::int32_t epoch) const;
    static void apply(const Change& change, Session& session);

    ShareLeaders& leaders_;
    Limit limit_;
    ShareMetrics& metrics_;
    std::map<Member, Session> sessions_;
    std::uint64_t tickets_ = 0;
    std::vector<metrics::Registry::Reading> readings_;
    Scope scope_;
};

}  // namespace millrace::broker
