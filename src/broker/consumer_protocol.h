#pragma once

#include <algorithm>
#include <string_view>

#include "config/broker_config.h"
#include "core/metadata/image.h"

namespace millrace::broker {

inline constexpr std::string_view group_version_feature = "group.version";

// Groups of the consumer protocol (KIP-848) are served: group.coordinator.rebalance.protocols has
// it, and the cluster's group.version does.
inline bool serves_consumer_protocol(const config::BrokerConfig& config,
                                     const metadata::Image& image) {
    const auto& protocols = config.group_coordinator_rebalance_protocols();
    return std::ranges::find(protocols, "consumer") != protocols.end() &&
           image.features.level_of(group_version_feature) >= 1;
}

}  // namespace millrace::broker
