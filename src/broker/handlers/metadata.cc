// Metadata (key 3): the brokers, and the topics that were asked for with their partitions' leaders.
//
// Topics are named or, from version 10, given by id; null (empty in version 0) means all. A name
// that does not exist is created when the client allows it and auto.create.topics.enable is on;
// this answer still says that it is unknown, and the client's next one finds it. It is created in
// the client's name, and against its quota.

#include "protocol/metadata.h"

#include <set>

#include "broker/authorized_operations.h"
#include "broker/client_quotas.h"
#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/topic_description.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {
namespace {

using Asked = MetadataRequest::MetadataRequestTopic;
using Told = MetadataResponse::MetadataResponseTopic;

Told describe(const metadata::Image& image, const metadata::Topic& topic, const Caller& caller,
              bool operations) {
    Told told{.name = topic.name,
              .topic_id = topic.id,
              .is_internal = metadata::is_internal_topic(topic.name)};
    if (operations) told.topic_authorized_operations = topic_operations;
    told.partitions.reserve(topic.partitions.size());
    const std::string& listener = caller.peer().listener->name;
    for (const auto& [index, partition] : topic.partitions) {
        ErrorCode error = leader_error(image, *partition, listener);
        told.partitions.push_back({
            .error_code = error,
            .partition_index = index,
            .leader_id = error == ErrorCode::none ? partition->leader : metadata::no_leader,
            .leader_epoch = partition->leader_epoch,
            .replica_nodes = partition->replicas,
            .isr_nodes = partition->isr,
            .offline_replicas = offline_replicas(image, *partition),
        });
    }
    return told;
}

Told describe_asked(const metadata::Image& image, const Asked& asked, const Caller& caller,
                    bool operations) {
    const metadata::Topic* topic = asked.topic_id.is_zero() ? image.topics.find(*asked.name)
                                                            : image.topics.find(asked.topic_id);
    if (topic != nullptr) return describe(image, *topic, caller, operations);
    Told told{.topic_id = asked.topic_id};
    if (!asked.topic_id.is_zero()) {
        told.error_code = ErrorCode::unknown_topic_id;
        told.name = std::nullopt;
        return told;
    }
    told.name = asked.name;
    if (operations) told.topic_authorized_operations = topic_operations;
    told.is_internal = metadata::is_internal_topic(*asked.name);
    told.error_code = metadata::validate_topic_name(*asked.name)
                          ? ErrorCode::unknown_topic_or_partition
                          : ErrorCode::invalid_topic_exception;
    return told;
}

// A request that no client of this version may send; the whole answer then bears the error.
bool is_malformed(const MetadataRequest& request, std::int16_t version) {
    if (!request.topics) return false;
    for (const Asked& asked : *request.topics) {
        if (asked.topic_id.is_zero() ? !asked.name : version < 12) return true;
    }
    return false;
}

std::vector<std::string> missing_topics(const metadata::Image& image,
                                        const MetadataRequest& request) {
    std::vector<std::string> missing;
    if (!request.topics) return missing;
    for (const Asked& asked : *request.topics) {
        if (asked.topic_id.is_zero() && image.topics.find(*asked.name) == nullptr &&
            metadata::validate_topic_name(*asked.name)) {
            missing.push_back(*asked.name);
        }
    }
    return missing;
}

Task<MetadataResponse> answer(const MetadataRequest& request, const Caller& caller,
                              const Node& node, MetadataCache& cache, Controllers& controllers,
                              const config::BrokerConfig& config, ClientQuotas& limits) {
    MetadataResponse response;
    if (is_malformed(request, caller.version())) {
        response.error_code = ErrorCode::invalid_request;
        for (const Asked& asked : *request.topics) {
            response.topics.push_back({.error_code = ErrorCode::invalid_request,
                                       .name = asked.name.value_or(""),
                                       .topic_id = asked.topic_id});
        }
        co_return response;
    }
    if (request.allow_auto_topic_creation && config.auto_create_topics_enable()) {
        std::vector<std::string> missing = missing_topics(*cache.image(), request);
        if (!missing.empty()) {
            auto quota = limits.mutations(caller.request, quotas::MutationQuota::Kind::strict);
            controllers.auto_create_later(std::move(missing), caller, std::move(quota));
        }
    }
    metadata::ImagePtr image = cache.image();
    const std::string& listener = caller.peer().listener->name;
    for (const auto& [id, broker] : image->brokers) {
        const config::Endpoint* endpoint = broker->endpoint(listener);
        if (broker->fenced || endpoint == nullptr) continue;
        response.brokers.push_back(
            {.node_id = id, .host = endpoint->host, .port = endpoint->port, .rack = broker->rack});
    }
    response.cluster_id = node.cluster_id;
    // Clients may send what is for the controller to any broker, which passes it on.
    response.controller_id = response.brokers.empty() ? -1 : node.id;
    if (request.include_cluster_authorized_operations) {
        response.cluster_authorized_operations = cluster_operations;
    }
    bool operations = request.include_topic_authorized_operations;
    if (!request.topics || (caller.version() == 0 && request.topics->empty())) {
        response.topics.reserve(image->topics.size());
        for (const auto& [name, topic] : image->topics.by_name()) {
            response.topics.push_back(describe(*image, *topic, caller, operations));
        }
    } else {
        std::set<std::pair<Uuid, std::string_view>> told;
        for (const Asked& asked : *request.topics) {
            std::string_view name = asked.topic_id.is_zero() ? *asked.name : std::string_view();
            if (!told.emplace(asked.topic_id, name).second) continue;
            response.topics.push_back(describe_asked(*image, asked, caller, operations));
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::metadata = serve<answer>;

}  // namespace millrace::broker
