#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/uuid.h"
#include "client/topic_partition.h"
#include "protocol/fetch.h"

namespace millrace::client {

// What is wanted of one partition.
struct FetchTarget {
    Uuid topic_id;
    std::int64_t offset = 0;
    std::int32_t leader_epoch = -1;
    std::int32_t max_bytes = 0;

    bool operator==(const FetchTarget&) const = default;
};
using FetchTargets = std::map<TopicPartition, FetchTarget>;

// The client's side of a fetch session with one broker (KIP-227): after the first request only what
// has changed is named. Pure.
class FetchSession {
  public:
    // Names what is wanted; `request` refers to this session's names until the next call.
    void prepare(const FetchTargets& wanted, FetchRequest& request);
    // The highest version that can name all topics: from 13 on they have ids.
    std::int16_t max_version() const;
    // What the response says of the session. An error of the session itself: nothing else in the
    // response counts, and the next request begins a new one.
    ErrorCode take(const FetchResponse& response);
    // No response came: what the broker has of the session is not known.
    void lost();
    // "" where the id is none of this session's.
    std::string_view name_of(const Uuid& topic_id) const;
    std::int32_t id() const { return id_; }
    std::int32_t epoch() const { return epoch_; }

  private:
    static FetchRequest::FetchTopic& topic_in(FetchRequest& request,
                                              const TopicPartition& partition,
                                              const FetchTarget& target);
    static void forget_in(FetchRequest& request, const TopicPartition& partition,
                          const Uuid& topic_id);

    std::int32_t id_ = 0;     // 0: none
    std::int32_t epoch_ = 0;  // of the next request; 0: begin one
    FetchTargets known_;      // what the broker has of the session after the last request
    FetchTargets dropped_;    // names that the request just made refers to
    std::map<Uuid, std::string> names_;
};

}  // namespace millrace::client
