#pragma once

#include <set>
#include <string>

#include "base/bytes.h"

namespace millrace::groups {

// Adds the topics of a ConsumerProtocolSubscription (int16 version first) to `topics`. False when
// the bytes are none: members of other protocol types put there what they like.
bool read_subscription(Bytes metadata, std::set<std::string>& topics);

}  // namespace millrace::groups
