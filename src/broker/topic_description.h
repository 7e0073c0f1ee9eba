#pragma once

#include <string_view>
#include <vector>

#include "core/metadata/image.h"

namespace millrace::broker {

// Replicas whose broker is away or whose directory is lost.
metadata::BrokerIds offline_replicas(const metadata::Image& image,
                                     const metadata::Partition& partition);
// What a client on this listener is told of the partition's leader: none, LEADER_NOT_AVAILABLE, or
// LISTENER_NOT_FOUND when the leader is not on that listener.
ErrorCode leader_error(const metadata::Image& image, const metadata::Partition& partition,
                       std::string_view listener);

}  // namespace millrace::broker
