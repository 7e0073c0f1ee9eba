#include "core/groups/subscription.h"

#include <algorithm>

#include "protocol/consumer_protocol_subscription.h"
#include "protocol/reader.h"

namespace millrace::groups {

bool read_subscription(Bytes metadata, std::set<std::string>& topics) {
    if (metadata.size() < 2) return false;
    auto version = load_be<std::int16_t>(metadata.data());
    if (version < 0) return false;
    version = std::min(version, ConsumerProtocolSubscription::max_version);
    Reader reader(metadata.subspan(2));
    Result<ConsumerProtocolSubscription> subscription =
        ConsumerProtocolSubscription::decode(reader, version);
    if (!subscription) return false;
    topics.insert(subscription->topics.begin(), subscription->topics.end());
    return true;
}

}  // namespace millrace::groups
