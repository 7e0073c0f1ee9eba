#include "broker/remote/metadata_topic.h"

#include <charconv>
#include <fmt/core.h>
#include <limits>

#include "broker/log.h"
#include "broker/remote/metadata_log.h"
#include "core/controller/create_topics.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {

using metadata::remote_log_metadata_topic;

namespace {

// The value of a key below the prefix, when it is set.
template <typename Number>
Result<> read(const config::BrokerConfig& config, std::string_view name, std::int64_t least,
              Number& into) {
    std::string key = config.remote_log_metadata_manager_impl_prefix() + std::string(name);
    auto found = config.file_values().find(key);
    if (found == config.file_values().end()) return {};
    const std::string& text = found->second;
    std::int64_t value = 0;
    auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
    if (!whole || value < least || value > std::numeric_limits<Number>::max()) {
        return fail(ErrorCode::invalid_config,
                    fmt::format("{}={} is no number from {} to {}", key, text, least,
                                std::numeric_limits<Number>::max()));
    }
    into = static_cast<Number>(value);
    return {};
}

CreateTopicsRequest request_of(const RemoteLogMetadataTopic& settings) {
    CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = remote_log_metadata_topic;
    topic.num_partitions = settings.partitions;
    topic.replication_factor = settings.replication_factor;
    auto set = [&](std::string name, std::string value) {
        auto& entry = topic.configs.emplace_back();
        entry.name = std::move(name);
        entry.value = std::move(value);
    };
    set("retention.ms", std::to_string(settings.retention_ms));
    set("cleanup.policy", "delete");
    set("remote.storage.enable", "false");
    set("min.insync.replicas", std::to_string(settings.min_isr));
    return request;
}

// Whether there is nothing left to do.
Task<bool> created(Controllers& controllers, const RemoteLogMetadataTopic& topic) {
    controller::CreateTopics command{.request = request_of(topic)};
    auto answered = co_await controllers.submit(std::move(command));
    if (!answered) {
        LOG_DEBUG("{} cannot be made now: {}", remote_log_metadata_topic, answered.error().message);
        co_return false;
    }
    const auto& told = answered->topics.front();
    bool is_there =
        told.error_code == ErrorCode::none || told.error_code == ErrorCode::topic_already_exists;
    if (!is_there) {
        LOG_WARN("{}, which tiered storage needs, cannot be made: {}", remote_log_metadata_topic,
                 told.error_message.value_or(std::string(meaning_of(told.error_code))));
    }
    co_return is_there;
}

}  // namespace

Result<RemoteLogMetadataTopic> RemoteLogMetadataTopic::parse(const config::BrokerConfig& config) {
    RemoteLogMetadataTopic topic;
    RETURN_IF_ERROR(read(config, "remote.log.metadata.topic.num.partitions", 1, topic.partitions));
    RETURN_IF_ERROR(
        read(config, "remote.log.metadata.topic.replication.factor", 1, topic.replication_factor));
    RETURN_IF_ERROR(read(config, "remote.log.metadata.topic.retention.ms", -1, topic.retention_ms));
    RETURN_IF_ERROR(read(config, "remote.log.metadata.topic.min.isr", 1, topic.min_isr));
    return topic;
}

Task<void> create_metadata_topic(env::Shard& shard, Controllers& controllers,
                                 MetadataCache& metadata, RemoteLogMetadataTopic topic) {
    Duration pause = Duration::milliseconds(100);
    constexpr Duration longest_pause = Duration::seconds(30);
    while (metadata.image()->topics.find(remote_log_metadata_topic) == nullptr) {
        if (co_await created(controllers, topic)) break;
        co_await env::sleep_for(shard, pause);
        pause = std::min(pause * 2, longest_pause);
    }
    metadata::ImagePtr image = co_await metadata.until([](const metadata::Image& now) {
        return now.topics.find(remote_log_metadata_topic) != nullptr;
    });
    std::size_t partitions = image->topics.find(remote_log_metadata_topic)->partitions.size();
    if (partitions != static_cast<std::size_t>(topic.partitions)) {
        LOG_WARN("{} has {} partitions, and the configuration says {}: the topic counts",
                 remote_log_metadata_topic, partitions, topic.partitions);
    }
}

}  // namespace millrace::broker
