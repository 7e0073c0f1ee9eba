#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "client/backoff.h"
#include "client/connection.h"
#include "client/coordinated_member.h"

namespace millrace::client {

// What never changes of a member.
struct CoordinatedOptions {
    std::string group_id;
    std::string member_id;
    std::optional<std::string> instance_id;
    std::optional<std::string> rack;
    std::optional<std::string> assignor;                  // group.remote.assignor
    Duration rebalance_timeout = Duration::seconds(300);  // max.poll.interval.ms
    Duration request_timeout = Duration::seconds(30);
    Backoff retry;
};

// One heartbeat of either kind of group. The error is the coordinator's, with its words.
using AskHeartbeat = Task<Result<HeartbeatAnswer>> (*)(std::shared_ptr<BrokerConnection> connection,
                                                       const CoordinatedOptions& member,
                                                       Heartbeat beat);
Task<Result<HeartbeatAnswer>> beat_consumer_group(std::shared_ptr<BrokerConnection> connection,
                                                  const CoordinatedOptions& member, Heartbeat beat);
Task<Result<HeartbeatAnswer>> beat_share_group(std::shared_ptr<BrokerConnection> connection,
                                               const CoordinatedOptions& member, Heartbeat beat);

}  // namespace millrace::client
