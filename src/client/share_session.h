#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "client/share_records.h"
#include "protocol/share_acknowledge.h"
#include "protocol/share_fetch.h"

namespace millrace::client {

// The client's side of a share session with one broker (KIP-932): after the first request only the
// partitions that come and go are named. What the session's member has acquired is given back when
// the session ends. Pure.
class ShareSession {
  public:
    using AcknowledgedPartitions = std::map<SharePartition, Acknowledgements>;

    ShareSession(std::string group_id, std::string member_id)
        : group_id_(std::move(group_id)), member_id_(std::move(member_id)) {}

    // A new one cannot be told what became of records of an earlier one.
    bool is_new() const { return epoch_ == 0; }
    std::int32_t epoch() const { return epoch_; }

    // A request that reads from exactly the wanted partitions; those that are acknowledged are
    // among them. CHECK: a new session acknowledges nothing.
    ShareFetchRequest fetch(const std::set<SharePartition>& wanted,
                            const AcknowledgedPartitions& acknowledged);
    // A request that tells only; CHECK: the session is not new.
    ShareAcknowledgeRequest acknowledge(const AcknowledgedPartitions& acknowledged) const;
    // The same as the last one of the session, which is new then.
    ShareAcknowledgeRequest end(const AcknowledgedPartitions& acknowledged);

    // What an answer says of the session. False: nothing else in it counts.
    bool answered(ErrorCode code);
    // No answer came: the next request begins another session.
    void lost();

  private:
    std::string group_id_;
    std::string member_id_;
    std::int32_t epoch_ = 0;  // of the next request
    std::set<SharePartition> known_;
};

}  // namespace millrace::client
