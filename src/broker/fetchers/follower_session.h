#pragma once

#include <cstdint>
#include <map>

#include "broker/partitions/partition.h"
#include "protocol/fetch.h"

namespace millrace::broker {

// Where a follower goes on reading, as a leader is told.
struct FetchPosition {
    storage::Offset offset = 0;
    std::int32_t leader_epoch = -1;
    std::int32_t last_epoch = -1;  // of the record before; -1: none is known
    storage::Offset log_start = 0;

    bool operator==(const FetchPosition&) const = default;
};
using FetchPositions = std::map<TopicIdPartition, FetchPosition>;

// A follower's side of a fetch session with one leader (KIP-227): after the first request only what
// has changed is named. Topics are named by their ids. Pure.
class FollowerSession {
  public:
    void prepare(const FetchPositions& wanted, std::int32_t max_bytes, FetchRequest& request);
    // What the response says of the session. An error: nothing else in it counts, and the next
    // request begins a new session.
    ErrorCode take(const FetchResponse& response);
    // No response came: what the leader has of the session is not known.
    void lost() { epoch_ = 0; }

  private:
    std::int32_t id_ = 0;     // 0: none
    std::int32_t epoch_ = 0;  // of the next request; 0: begin one
    FetchPositions told_;
};

}  // namespace millrace::broker
