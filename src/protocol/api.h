#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "protocol/api_key.h"

namespace millrace {

inline constexpr std::int16_t never_flexible = std::numeric_limits<std::int16_t>::max();

// One API as schema/apis.tsv has it.
struct ApiInfo {
    ApiKey key = ApiKey::produce;
    std::string_view name;  // "ListGroups"
    // The versions that are served. With latest_unstable one more, max_version + 1, exists and is
    // served when unstable.api.versions.enable is set.
    std::int16_t min_version = 0;
    std::int16_t max_version = 0;
    // What ApiVersions says: 0 for Produce, for clients that would stay away otherwise.
    std::int16_t advertised_min = 0;
    std::int16_t flexible_since = never_flexible;
    bool on_broker = false;
    bool on_controller = false;
    bool latest_unstable = false;
    bool cluster_action = false;  // asks for CLUSTER_ACTION on the cluster
    bool forwarded = false;       // a broker passes it on to the controller
};

// In the order of keys.
std::span<const ApiInfo> all_apis();
// nullptr for keys that do not exist and for those without a version.
const ApiInfo* find_api(std::int16_t key);
inline const ApiInfo* find_api(ApiKey key) { return find_api(static_cast<std::int16_t>(key)); }

// Which version of the header goes in front (KIP-482). An unknown key has the oldest. The response
// to ApiVersions always has the old header: its reader does not know yet what the server speaks.
std::int16_t request_header_version(ApiKey key, std::int16_t version);
std::int16_t response_header_version(ApiKey key, std::int16_t version);

}  // namespace millrace
