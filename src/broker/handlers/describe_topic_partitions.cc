// DescribeTopicPartitions (key 75): pages through the partitions of topics, with eligible leaders
// (KIP-966). No topics means all; topics come in the order of their names.

#include "protocol/describe_topic_partitions.h"

#include <algorithm>
#include <set>

#include "broker/authorized_operations.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/topic_description.h"
#include "config/broker_config.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {
namespace {

using Response = DescribeTopicPartitionsResponse;
using ToldTopic = Response::DescribeTopicPartitionsResponseTopic;

std::set<std::string> wanted_topics(const DescribeTopicPartitionsRequest& request,
                                    const metadata::Image& image) {
    std::set<std::string> names;
    for (const auto& topic : request.topics) names.insert(topic.name);
    if (request.topics.empty()) {
        for (const auto& [name, topic] : image.topics.by_name()) names.emplace(name);
    }
    if (request.cursor) names.erase(names.begin(), names.lower_bound(request.cursor->topic_name));
    return names;
}

Response::DescribeTopicPartitionsResponsePartition describe(const metadata::Image& image,
                                                            std::int32_t index,
                                                            const metadata::Partition& partition,
                                                            std::string_view listener) {
    ErrorCode error = leader_error(image, partition, listener);
    return {.error_code = error,
            .partition_index = index,
            .leader_id = error == ErrorCode::none ? partition.leader : metadata::no_leader,
            .leader_epoch = partition.leader_epoch,
            .replica_nodes = partition.replicas,
            .isr_nodes = partition.isr,
            .eligible_leader_replicas = partition.elr,
            .last_known_elr = partition.last_known_elr,
            .offline_replicas = offline_replicas(image, partition)};
}

// A cursor has to point into one of the topics asked for.
bool is_cursor_valid(const DescribeTopicPartitionsRequest& request) {
    if (!request.cursor) return true;
    bool among =
        request.topics.empty() || std::ranges::any_of(request.topics, [&](const auto& topic) {
            return topic.name == request.cursor->topic_name;
        });
    return among && request.cursor->partition_index >= 0;
}

Response refuse(const DescribeTopicPartitionsRequest& request, ErrorCode code) {
    Response response;
    for (const auto& topic : request.topics) {
        ToldTopic& told = response.topics.emplace_back();
        told.name = topic.name;
        told.error_code = code;
    }
    return response;
}

Task<Response> answer(const DescribeTopicPartitionsRequest& request, const Caller& caller,
                      MetadataCache& cache, const config::BrokerConfig& config) {
    if (!is_cursor_valid(request)) co_return refuse(request, ErrorCode::invalid_request);
    Response response;
    metadata::ImagePtr image = cache.image();
    std::int32_t room = std::max(
        1, std::min(request.response_partition_limit, config.max_request_partition_size_limit()));
    const std::string& listener = caller.peer().listener->name;
    for (const std::string& name : wanted_topics(request, *image)) {
        const metadata::Topic* topic = image->topics.find(name);
        ToldTopic told{.name = name, .topic_authorized_operations = topic_operations};
        if (topic == nullptr) {
            told.error_code = metadata::validate_topic_name(name)
                                  ? ErrorCode::unknown_topic_or_partition
                                  : ErrorCode::invalid_topic_exception;
            response.topics.push_back(std::move(told));
            continue;
        }
        bool resumed = request.cursor && request.cursor->topic_name == name;
        std::int32_t from = resumed ? request.cursor->partition_index : 0;
        told.topic_id = topic->id;
        told.is_internal = metadata::is_internal_topic(name);
        for (auto at = topic->partitions.lower_bound(from); at != topic->partitions.end(); ++at) {
            if (room == 0) {
                response.next_cursor = {.topic_name = name, .partition_index = at->key};
                break;
            }
            told.partitions.push_back(describe(*image, at->key, *at->value, listener));
            --room;
        }
        if (!told.partitions.empty() || !response.next_cursor) {
            response.topics.push_back(std::move(told));
        }
        if (response.next_cursor) break;
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::describe_topic_partitions = serve<answer>;

}  // namespace millrace::broker
