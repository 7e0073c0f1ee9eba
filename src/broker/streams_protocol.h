#pragma once

#include <algorithm>
#include <string_view>

#include "config/broker_config.h"
#include "core/metadata/image.h"

namespace millrace::broker {

inline constexpr std::string_view streams_version_feature = "streams.version";

// Streams groups (KIP-1071) are served: group.coordinator.rebalance.protocols has them, and the
// cluster's streams.version does.
inline bool serves_streams_groups(const config::BrokerConfig& config,
                                  const metadata::Image& image) {
    const auto& protocols = config.group_coordinator_rebalance_protocols();
    return std::ranges::find(protocols, "streams") != protocols.end() &&
           image.features.level_of(streams_version_feature) >= 1;
}

}  // namespace millrace::broker
