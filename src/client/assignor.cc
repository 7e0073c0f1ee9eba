#include "client/assignor.h"

#include <algorithm>
#include <fmt/format.h>

#include "client/assignor_plain.h"
#include "client/assignor_sticky.h"
#include "protocol/consumer_protocol_assignment.h"
#include "protocol/consumer_protocol_subscription.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

namespace millrace::client {
namespace {

// By topic, both in the order they first came.
template <typename Topic>
std::vector<Topic> by_topic(std::span<const TopicPartition> partitions) {
    std::vector<Topic> topics;
    std::map<std::string_view, std::size_t> places;
    for (const TopicPartition& partition : partitions) {
        auto [at, added] = places.emplace(partition.topic, topics.size());
        if (added) topics.push_back({partition.topic, {}});
        topics[at->second].partitions.push_back(partition.partition);
    }
    return topics;
}

template <typename Topic>
std::vector<TopicPartition> flat(const std::vector<Topic>& topics) {
    std::vector<TopicPartition> partitions;
    for (const Topic& topic : topics)
        for (std::int32_t partition : topic.partitions)
            partitions.push_back({topic.topic, partition});
    return partitions;
}

template <typename Message>
Slice encode_versioned(const Message& message) {
    Writer writer(256);
    writer.write_int16(Message::max_version);
    CHECK(message.encode(writer, Message::max_version));
    return std::move(writer).finish_in_memory();
}

template <typename Message>
Result<Message> decode_versioned(Slice bytes) {
    Reader reader(std::move(bytes));
    std::int16_t version = reader.read_int16("version");
    if (!reader.ok() || version < 0)
        return fail(ErrorCode::inconsistent_group_protocol,
                    "Another member of the group sends what is no consumer's subscription or "
                    "assignment; give this consumer a group.id of its own");
    // Later versions add fields at the end.
    return Message::decode(reader, std::min(version, Message::max_version));
}

}  // namespace

Slice encode_subscription(const Subscription& subscription) {
    ConsumerProtocolSubscription message;
    message.topics = subscription.topics;
    std::ranges::sort(message.topics);
    message.user_data = subscription.user_data;
    std::vector<TopicPartition> owned = subscription.owned;
    std::ranges::sort(owned);
    message.owned_partitions = by_topic<ConsumerProtocolSubscription::TopicPartition>(owned);
    message.generation_id = subscription.generation;
    message.rack_id = subscription.rack;
    return encode_versioned(message);
}

Result<Subscription> decode_subscription(Slice bytes) {
    ASSIGN_OR_RETURN(auto message,
                     decode_versioned<ConsumerProtocolSubscription>(std::move(bytes)));
    Subscription subscription;
    subscription.topics = std::move(message.topics);
    subscription.user_data = std::move(message.user_data);
    subscription.owned = flat(message.owned_partitions);
    subscription.generation = message.generation_id;
    subscription.rack = std::move(message.rack_id);
    return subscription;
}

Slice encode_assignment(std::span<const TopicPartition> partitions) {
    ConsumerProtocolAssignment message;
    message.assigned_partitions = by_topic<ConsumerProtocolAssignment::TopicPartition>(partitions);
    return encode_versioned(message);
}

Result<std::vector<TopicPartition>> decode_assignment(Slice bytes) {
    if (bytes.empty()) return std::vector<TopicPartition>();
    ASSIGN_OR_RETURN(auto message, decode_versioned<ConsumerProtocolAssignment>(std::move(bytes)));
    return flat(message.assigned_partitions);
}

std::optional<Slice> Assignor::user_data(std::span<const TopicPartition>, std::int32_t) const {
    return std::nullopt;
}

Result<std::unique_ptr<Assignor>> assignor_named(std::string_view name) {
    constexpr std::string_view package = "org.apache.kafka.clients.consumer.";
    if (name.starts_with(package)) name.remove_prefix(package.size());
    if (name == "range" || name == "RangeAssignor") return std::make_unique<RangeAssignor>();
    if (name == "roundrobin" || name == "RoundRobinAssignor")
        return std::make_unique<RoundRobinAssignor>();
    if (name == "sticky" || name == "StickyAssignor") return std::make_unique<StickyAssignor>();
    if (name == "cooperative-sticky" || name == "CooperativeStickyAssignor")
        return std::make_unique<CooperativeStickyAssignor>();
    return fail(ErrorCode::invalid_config,
                fmt::format("partition.assignment.strategy names {}; there are range, roundrobin, "
                            "sticky and cooperative-sticky, and Kafka's class names of these",
                            name));
}

}  // namespace millrace::client
