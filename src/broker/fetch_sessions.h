#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/condition.h"
#include "base/random.h"
#include "base/time.h"
#include "base/uuid.h"
#include "protocol/fetch.h"

namespace millrace::broker {

// One partition of a fetch: what is asked for, and in a session what was last told of it.
struct FetchTarget {
    std::string topic;  // empty from Fetch v13 on
    Uuid topic_id;      // zero before
    std::int32_t partition = 0;
    std::int32_t current_leader_epoch = -1;
    std::int64_t offset = 0;
    std::int32_t last_fetched_epoch = -1;
    std::int64_t follower_log_start = -1;
    std::int32_t max_bytes = 0;

    std::int64_t told_high_watermark = -1;
    std::int64_t told_log_start = -1;
    bool told_error = false;
};

// An incremental fetch session (KIP-227): the partitions a client reads, so that it names only
// what changed and is told only of what changed.
class FetchSession {
  public:
    using Key = std::tuple<Uuid, std::string, std::int32_t>;

    FetchSession(std::int32_t id, bool by_topic_id) : id(id), by_topic_id(by_topic_id) {}
    void update(const FetchRequest& request);
    // Partitions that were served go to the end, so that the byte limit starves none.
    void rotate(const std::vector<FetchTarget*>& served);

    const std::int32_t id;
    const bool by_topic_id;
    std::int32_t epoch = 1;  // the next request must bear it
    Time last_used;
    std::list<FetchTarget> targets;
    // Requests of a connection overlap, but one plan at a time points into the targets.
    bool in_use = false;
    Condition freed;

  private:
    std::map<Key, std::list<FetchTarget>::iterator> by_key_;
};

// What one Fetch request comes to. Has its session for itself while it lives.
struct FetchPlan {
    ErrorCode error = ErrorCode::none;
    std::shared_ptr<FetchSession> session;  // null: a full answer outside any session
    std::shared_ptr<void> lease;            // of the session
    bool incremental = false;               // answer only what changed
    std::list<FetchTarget> sessionless;

    std::list<FetchTarget>& targets() { return session ? session->targets : sessionless; }
    std::int32_t session_id() const { return session ? session->id : 0; }
};

// The sessions of the connections of one shard. Ids bear the shard, and so are unique in a node.
class FetchSessions {
  public:
    FetchSessions(Random random, int shard, std::size_t most, Duration eviction_age)
        : random_(random), shard_(shard), most_(most), eviction_age_(eviction_age) {}

    // Waits while another request uses the session; then begin() may be called at once.
    Task<void> until_free(std::int32_t session_id);
    FetchPlan begin(const FetchRequest& request, std::int16_t version, Time now);
    // The session that the plan has opened is not told to the client.
    void abandon(FetchPlan& plan);
    std::size_t count() const { return sessions_.size(); }
    std::size_t partitions() const;
    std::uint64_t evictions() const { return evictions_; }

  private:
    FetchPlan plan_anew(const FetchRequest& request, bool by_topic_id, Time now);
    std::shared_ptr<FetchSession> open(bool by_topic_id, Time now);
    bool make_room(Time now);

    Random random_;
    int shard_;
    std::size_t most_;       // max.incremental.fetch.session.cache.slots
    Duration eviction_age_;  // a session unused for that long makes room for a new one
    std::map<std::int32_t, std::shared_ptr<FetchSession>> sessions_;
    std::uint64_t evictions_ = 0;
};

}  // namespace millrace::broker
