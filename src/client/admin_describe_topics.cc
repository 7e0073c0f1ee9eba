// The descriptions of topics, page by page or all at once.

#include <algorithm>
#include <fmt/core.h>
#include <limits>
#include <utility>

#include "client/admin_calls.h"
#include "client/admin_topics.h"
#include "protocol/describe_topic_partitions.h"
#include "protocol/metadata.h"

namespace millrace::client {
namespace {

constexpr std::int32_t not_told = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t partitions_a_page = 2000;

using Described = Outcomes<std::string, TopicDescription>;

std::optional<std::int32_t> operations_of(std::int32_t told) {
    return told == not_told ? std::nullopt : std::optional(told);
}

PartitionDescription description_of(
    const DescribeTopicPartitionsResponse::DescribeTopicPartitionsResponsePartition& partition) {
    return {
        .index = partition.partition_index,
        .leader = partition.leader_id,
        .leader_epoch = partition.leader_epoch,
        .replicas = partition.replica_nodes,
        .isr = partition.isr_nodes,
        .offline = partition.offline_replicas,
        .eligible_leaders = partition.eligible_leader_replicas,
        .last_known_eligible = partition.last_known_elr,
    };
}

TopicDescription description_of(const MetadataResponse::MetadataResponseTopic& topic) {
    TopicDescription made;
    made.name = topic.name.value_or("");
    made.id = topic.topic_id;
    made.internal = topic.is_internal;
    made.authorized_operations = operations_of(topic.topic_authorized_operations);
    for (const auto& partition : topic.partitions) {
        made.partitions.push_back({
            .index = partition.partition_index,
            .leader = partition.leader_id,
            .leader_epoch = partition.leader_epoch,
            .replicas = partition.replica_nodes,
            .isr = partition.isr_nodes,
            .offline = partition.offline_replicas,
        });
    }
    std::ranges::sort(made.partitions, {}, &PartitionDescription::index);
    return made;
}

// A page's part of a topic goes behind what the pages before had of it.
void add_page(Described& described,
              const DescribeTopicPartitionsResponse::DescribeTopicPartitionsResponseTopic& topic,
              bool authorized_operations) {
    std::string name = topic.name.value_or("");
    if (topic.error_code != ErrorCode::none) {
        described.insert_or_assign(
            name, fail(error_about(fmt::format("topic '{}'", name), topic.error_code)));
        return;
    }
    auto at = described.find(name);
    if (at == described.end() || !at->second) {
        TopicDescription made;
        made.name = name;
        made.id = topic.topic_id;
        made.internal = topic.is_internal;
        at = described.insert_or_assign(name, std::move(made)).first;
    }
    if (authorized_operations) {
        at->second->authorized_operations = operations_of(topic.topic_authorized_operations);
    }
    for (const auto& partition : topic.partitions) {
        at->second->partitions.push_back(description_of(partition));
    }
}

Task<Described> describe_in_pages(std::shared_ptr<BrokerConnection> connection,
                                  std::vector<std::string> names, bool authorized_operations) {
    std::ranges::sort(names);  // pages go by name
    DescribeTopicPartitionsRequest request;
    for (const std::string& name : names) request.topics.push_back({name});
    request.response_partition_limit = partitions_a_page;
    Described described;
    for (;;) {
        auto reply = co_await connection->call(request);
        if (!reply) co_return all_failed<TopicDescription>(names, reply.error());
        for (const auto& topic : reply->response.topics) {
            add_page(described, topic, authorized_operations);
        }
        const auto& next = reply->response.next_cursor;
        if (!next) co_return described;
        DescribeTopicPartitionsRequest::Cursor cursor{next->topic_name, next->partition_index};
        bool further = !request.cursor ||
                       std::pair(request.cursor->topic_name, request.cursor->partition_index) <
                           std::pair(cursor.topic_name, cursor.partition_index);
        if (!further) {
            Error stuck{ErrorCode::unknown_server_error,
                        fmt::format("{} answers DescribeTopicPartitions with the same page again",
                                    connection->name())};
            co_return all_failed<TopicDescription>(names, stuck);
        }
        std::erase_if(request.topics,
                      [&](const auto& topic) { return topic.name < cursor.topic_name; });
        request.cursor = std::move(cursor);
    }
}

MetadataRequest metadata_request(bool authorized_operations) {
    MetadataRequest request;
    request.allow_auto_topic_creation = false;
    request.include_topic_authorized_operations = authorized_operations;
    return request;
}

Task<Described> describe_at_once(std::shared_ptr<BrokerConnection> connection,
                                 std::vector<std::string> names, bool authorized_operations) {
    MetadataRequest request = metadata_request(authorized_operations);
    for (const std::string& name : names) request.topics->emplace_back().name = name;
    auto reply = co_await connection->call(request);
    if (!reply) co_return all_failed<TopicDescription>(names, reply.error());
    Described described;
    for (const auto& topic : reply->response.topics) {
        std::string name = topic.name.value_or("");
        if (topic.error_code == ErrorCode::none) {
            described.insert_or_assign(name, description_of(topic));
        } else {
            described.insert_or_assign(
                name, fail(error_about(fmt::format("topic '{}'", name), topic.error_code)));
        }
    }
    co_return described;
}

}  // namespace

Task<Described> describe_topics(Admin& admin, std::vector<std::string> names,
                                bool authorized_operations) {
    auto attempt = [&](std::vector<std::string> pending) -> Task<Described> {
        auto connection = co_await admin.cluster().any();
        if (!connection) co_return all_failed<TopicDescription>(pending, connection.error());
        if ((*connection)->version_of(ApiKey::describe_topic_partitions)) {
            co_return co_await describe_in_pages(*connection, pending, authorized_operations);
        }
        co_return co_await describe_at_once(*connection, pending, authorized_operations);
    };
    co_return co_await settle<TopicDescription>(admin, "describing topics", std::move(names),
                                                admin.deadline(), attempt);
}

Task<Outcomes<Uuid, TopicDescription>> describe_topics(Admin& admin, std::vector<Uuid> ids,
                                                       bool authorized_operations) {
    using ById = Outcomes<Uuid, TopicDescription>;
    auto attempt = [&](std::vector<Uuid> pending) -> Task<ById> {
        MetadataRequest request = metadata_request(authorized_operations);
        for (const Uuid& id : pending) {
            auto& topic = request.topics->emplace_back();
            topic.topic_id = id;
            topic.name.reset();
        }
        auto reply = co_await call_over(admin.cluster().any(), std::move(request));
        if (!reply) co_return all_failed<TopicDescription>(pending, reply.error());
        ById described;
        for (const auto& topic : reply->response.topics) {
            if (topic.error_code == ErrorCode::none) {
                described.insert_or_assign(topic.topic_id, description_of(topic));
            } else {
                std::string what = fmt::format("topic id {}", topic.topic_id.to_string());
                described.insert_or_assign(topic.topic_id,
                                           fail(error_about(what, topic.error_code)));
            }
        }
        co_return described;
    };
    co_return co_await settle<TopicDescription>(admin, "describing topics", std::move(ids),
                                                admin.deadline(), attempt);
}

}  // namespace millrace::client
