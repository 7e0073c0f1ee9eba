#pragma once

#include <algorithm>
#include <cstddef>

#include "broker/coordinators/coordinator_log.h"

namespace millrace::broker {

// Tells how many of a shard's hosts, in a map by partition, are at a stage whenever it is asked.
template <typename Hosts>
auto count_by_stage(const Hosts& hosts) {
    return [&hosts](CoordinatorLog::Stage stage) {
        return static_cast<std::size_t>(std::ranges::count_if(
            hosts, [stage](const auto& host) { return host.second->stage() == stage; }));
    };
}

}  // namespace millrace::broker
