#include "core/groups/subscription.h"

#include <algorithm>

#include "protocol/reader.h"
#include "protocol/writer.h"

namespace millrace::groups {
namespace {

// A version above the known ones is read as the highest of them.
template <typename Message>
std::optional<Message> read(Bytes bytes) {
    if (bytes.size() < 2) return std::nullopt;
    auto version = load_be<std::int16_t>(bytes.data());
    if (version < 0) return std::nullopt;
    Reader reader(bytes.subspan(2));
    Result<Message> message = Message::decode(reader, std::min(version, Message::max_version));
    if (!message) return std::nullopt;
    return *std::move(message);
}

}  // namespace

std::optional<ConsumerProtocolSubscription> read_subscription(Bytes metadata) {
    return read<ConsumerProtocolSubscription>(metadata);
}

std::optional<ConsumerProtocolAssignment> read_assignment(Bytes assignment) {
    return read<ConsumerProtocolAssignment>(assignment);
}

bool read_subscription(Bytes metadata, std::set<std::string>& topics) {
    std::optional<ConsumerProtocolSubscription> subscription = read_subscription(metadata);
    if (!subscription) return false;
    topics.insert(subscription->topics.begin(), subscription->topics.end());
    return true;
}

Slice write_assignment(const Assignment& partitions, Bytes subscription,
                       const metadata::Image& image) {
    ConsumerProtocolAssignment assignment;
    for (const auto& [topic_id, of_topic] : partitions) {
        const metadata::Topic* topic = image.topics.find(topic_id);
        if (topic == nullptr) continue;
        assignment.assigned_partitions.push_back({.topic = topic->name, .partitions = of_topic});
    }
    std::int16_t version =
        subscription.size() < 2 ? std::int16_t{0} : load_be<std::int16_t>(subscription.data());
    version = std::clamp<std::int16_t>(version, 0, ConsumerProtocolAssignment::max_version);
    Writer writer;
    writer.write_int16(version);
    CHECK(assignment.encode(writer, version));
    return std::move(writer).finish_in_memory();
}

Assignment by_id(const ConsumerProtocolAssignment& assignment, const metadata::Image& image) {
    Assignment partitions;
    for (const auto& named : assignment.assigned_partitions) {
        const metadata::Topic* topic = image.topics.find(std::string_view(named.topic));
        if (topic == nullptr || named.partitions.empty()) continue;
        auto& of_topic = partitions[topic->id];
        of_topic.insert(of_topic.end(), named.partitions.begin(), named.partitions.end());
        std::ranges::sort(of_topic);
        auto repeated = std::ranges::unique(of_topic);
        of_topic.erase(repeated.begin(), repeated.end());
    }
    return partitions;
}

Owned owned_of(const ConsumerProtocolSubscription& subscription, const metadata::Image& image) {
    Owned owned(std::in_place);
    for (const auto& named : subscription.owned_partitions) {
        const metadata::Topic* topic = image.topics.find(std::string_view(named.topic));
        if (topic != nullptr) owned->push_back({topic->id, named.partitions});
    }
    return owned;
}

}  // namespace millrace::groups
