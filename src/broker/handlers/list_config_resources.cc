// ListConfigResources (key 74): names of resources that can have configs. Version 0 knows only
// subscriptions to client metrics; from version 1 on no types mean all types (KIP-1142).

#include "protocol/list_config_resources.h"

#include <algorithm>

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "config/alter.h"

namespace millrace::broker {
namespace {

using config::ResourceType;

Task<ListConfigResourcesResponse> answer(const ListConfigResourcesRequest& request,
                                         const Caller& caller, MetadataCache& cache) {
    ListConfigResourcesResponse response;
    constexpr ResourceType known[] = {ResourceType::topic, ResourceType::broker,
                                      ResourceType::broker_logger, ResourceType::client_metrics,
                                      ResourceType::group};
    std::vector<std::int8_t> types = request.resource_types;
    if (caller.version() == 0) {
        types = {static_cast<std::int8_t>(ResourceType::client_metrics)};
    } else if (types.empty()) {
        for (ResourceType type : known) types.push_back(static_cast<std::int8_t>(type));
    }
    metadata::ImagePtr image = cache.image();
    for (std::int8_t code : types) {
        auto type = static_cast<ResourceType>(code);
        auto add = [&](std::string name) {
            response.config_resources.push_back(
                {.resource_name = std::move(name), .resource_type = code});
        };
        if (std::ranges::find(known, type) == std::end(known)) {
            response.error_code = ErrorCode::unsupported_version;
            response.config_resources.clear();
            break;
        }
        if (type == ResourceType::topic) {
            for (const auto& [name, topic] : image->topics.by_name()) add(std::string(name));
        } else if (type == ResourceType::broker || type == ResourceType::broker_logger) {
            for (const auto& [id, broker] : image->brokers) add(std::to_string(id));
        } else {
            for (const auto& [resource, configs] : image->configs) {
                if (resource.type == type) add(resource.name);
            }
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::list_config_resources = serve<answer>;

}  // namespace millrace::broker
