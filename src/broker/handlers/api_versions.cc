// ApiVersions (key 18): which APIs and versions this node answers, and the cluster's features.
//
// A version above the known ones is answered in version 0 with UNSUPPORTED_VERSION and the versions
// of this API alone, so that any client can find common ground (KIP-511). It needs no
// authorization.

#include "protocol/api_versions.h"

#include <algorithm>

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"

namespace millrace::broker {
namespace {

bool is_software_name(std::string_view text) {
    auto alphanumeric = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    return !text.empty() && alphanumeric(text.front()) && alphanumeric(text.back()) &&
           std::ranges::all_of(text,
                               [&](char c) { return alphanumeric(c) || c == '-' || c == '.'; });
}

ApiVersionsResponse answer_features(ApiVersionsResponse response, const metadata::Image& image,
                                    std::int16_t kraft_version, std::int16_t version) {
    for (const auto& [name, range] : metadata::supported_features()) {
        // Clients before version 4 take a minimum of 0 for a mistake (KAFKA-17011).
        if (version < 4 && range.min == 0) continue;
        response.supported_features.push_back(
            {.name = std::string(name), .min_version = range.min, .max_version = range.max});
    }
    response.finalized_features_epoch = image.offset;
    metadata::FeatureLevels finalized = image.features.levels;
    if (image.features.metadata_version) {
        finalized[std::string(metadata::metadata_version_feature)] =
            image.features.metadata_version->level();
    }
    if (kraft_version > 0) finalized[std::string(metadata::kraft_version_feature)] = kraft_version;
    for (const auto& [name, level] : finalized) {
        response.finalized_features.push_back(
            {.name = name, .max_version_level = level, .min_version_level = level});
    }
    return response;
}

Task<ApiVersionsResponse> answer(const ApiVersionsRequest& request, const Caller& caller,
                                 MetadataCache& metadata, Controllers& controllers) {
    ApiVersionsResponse response;
    if (caller.version() >= 3 && (!is_software_name(request.client_software_name) ||
                                  !is_software_name(request.client_software_version))) {
        response.error_code = ErrorCode::invalid_request;
        co_return response;
    }
    net::Peer& peer = *caller.request.peer;
    peer.software_name = request.client_software_name;
    peer.software_version = request.client_software_version;
    for (const ApiInfo& api : all_apis()) {
        bool here = peer.listener->is_controller ? api.on_controller : api.on_broker;
        if (!here || find_handler(api.key) == nullptr) continue;
        // librdkafka before 2.0 needs to see Produce from 0 on, though 0-2 end the connection.
        response.api_keys.push_back({.api_key = static_cast<std::int16_t>(api.key),
                                     .min_version = api.advertised_min,
                                     .max_version = api.max_version});
    }
    co_return answer_features(std::move(response), *metadata.image(), controllers.kraft_version(),
                              caller.version());
}

}  // namespace

constinit const Handler handlers::api_versions = serve<answer>;

}  // namespace millrace::broker
