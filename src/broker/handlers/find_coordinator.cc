// FindCoordinator (key 10): which node coordinates a group, a transactional id, or from version 6
// on a partition of a share group (GROUP:TOPIC-ID:PARTITION). The topics that they live in are made
// when they are first needed.

#include "protocol/find_coordinator.h"

#include <fmt/core.h>

#include "broker/controllers.h"
#include "broker/coordinators/java_hash.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "core/metadata/topic_names.h"
#include "core/share/share_records.h"

namespace millrace::broker {
namespace {

constexpr std::int8_t share_key_type = 2;
constexpr std::int16_t first_with_shares = 6;

// Where the coordinators of a kind of key live; nothing for kinds that there are none of.
std::optional<std::string_view> topic_of(std::int8_t key_type, std::int16_t version) {
    if (key_type == 0) return metadata::consumer_offsets_topic;
    if (key_type == 1) return metadata::transaction_state_topic;
    if (key_type == share_key_type && version >= first_with_shares)
        return metadata::share_group_state_topic;
    return std::nullopt;
}

using Told = FindCoordinatorResponse::Coordinator;

Told refused(const std::string& key, ErrorCode code, std::string message) {
    return {.key = key,
            .node_id = -1,
            .host = "",
            .port = -1,
            .error_code = code,
            .error_message = std::move(message)};
}

Told find(const std::string& key, const metadata::Image& image, std::string_view topic_name,
          const std::string& listener) {
    const metadata::Topic* topic = image.topics.find(topic_name);
    auto away = [&] {
        return refused(key, ErrorCode::coordinator_not_available,
                       std::string(meaning_of(ErrorCode::coordinator_not_available)));
    };
    if (topic == nullptr) return away();
    auto count = static_cast<std::int32_t>(topic->partitions.size());
    const metadata::Partition* partition = topic->partition(coordinator_partition(key, count));
    const metadata::Broker* leader =
        partition == nullptr ? nullptr : image.active_broker(partition->leader);
    const config::Endpoint* endpoint = leader == nullptr ? nullptr : leader->endpoint(listener);
    if (endpoint == nullptr) return away();
    return {.key = key, .node_id = leader->id, .host = endpoint->host, .port = endpoint->port};
}

Task<FindCoordinatorResponse> answer(const FindCoordinatorRequest& request, const Caller& caller,
                                     MetadataCache& cache, Controllers& controllers) {
    std::vector<std::string> keys = request.coordinator_keys;
    if (caller.version() < 4) keys = {request.key};
    std::optional<std::string_view> topic = topic_of(request.key_type, caller.version());
    if (topic && cache.image()->topics.find(*topic) == nullptr) {
        co_await controllers.auto_create({std::string(*topic)});
    }
    metadata::ImagePtr image = cache.image();
    std::vector<Told> told;
    for (const std::string& key : keys) {
        bool is_share = request.key_type == share_key_type;
        if (is_share && (!topic || !share::parse_share_key(key))) {
            told.push_back(refused(key, ErrorCode::invalid_request, ""));
        } else if (!topic) {
            told.push_back(refused(key, ErrorCode::invalid_request,
                                   fmt::format("There are no keys of type {}.", request.key_type)));
        } else {
            told.push_back(find(key, *image, *topic, caller.peer().listener->name));
        }
    }
    FindCoordinatorResponse response;
    if (caller.version() >= 4) {
        response.coordinators = std::move(told);
        co_return response;
    }
    Told& only = told.front();
    response.error_code = only.error_code;
    response.error_message = only.error_message;
    if (only.error_code == ErrorCode::none) response.error_message = name_of(ErrorCode::none);
    response.node_id = only.node_id;
    response.host = only.host;
    response.port = only.port;
    co_return response;
}

}  // namespace

constinit const Handler handlers::find_coordinator = serve<answer>;

}  // namespace millrace::broker
