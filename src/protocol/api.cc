#include "protocol/api.h"

namespace millrace {
namespace {

bool is_flexible(ApiKey key, std::int16_t version) {
    const ApiInfo* api = find_api(key);
    return api != nullptr && version >= api->flexible_since;
}

}  // namespace

std::int16_t request_header_version(ApiKey key, std::int16_t version) {
    return is_flexible(key, version) ? 2 : 1;
}

std::int16_t response_header_version(ApiKey key, std::int16_t version) {
    return key != ApiKey::api_versions && is_flexible(key, version) ? 1 : 0;
}

}  // namespace millrace
