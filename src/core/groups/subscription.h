#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/bytes.h"
#include "core/groups/reconciliation.h"
#include "core/metadata/image.h"
#include "protocol/consumer_protocol_assignment.h"
#include "protocol/consumer_protocol_subscription.h"

namespace millrace::groups {

// What members of the classic protocol with protocol type "consumer" put into their bytes
// (ConsumerProtocol: int16 version first). None when the bytes are none of it: members of other
// types put there what they like.
std::optional<ConsumerProtocolSubscription> read_subscription(Bytes metadata);
std::optional<ConsumerProtocolAssignment> read_assignment(Bytes assignment);
// Adds the topics of a subscription to `topics`; false when the bytes are none.
bool read_subscription(Bytes metadata, std::set<std::string>& topics);

// The partitions by the names of their topics, in the version of the member's subscription.
Slice write_assignment(const Assignment& partitions, Bytes subscription,
                       const metadata::Image& image);
Assignment by_id(const ConsumerProtocolAssignment& assignment, const metadata::Image& image);
Owned owned_of(const ConsumerProtocolSubscription& subscription, const metadata::Image& image);

}  // namespace millrace::groups
