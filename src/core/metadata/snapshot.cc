#include "core/metadata/snapshot.h"

#include <fmt/format.h>
#include <string>
#include <utility>

namespace millrace::metadata {
namespace {

template <typename Listener>
std::vector<Listener> listeners_of(const std::vector<config::Endpoint>& endpoints) {
    std::vector<Listener> listeners;
    for (const config::Endpoint& endpoint : endpoints) {
        Listener listener;
        listener.name = endpoint.listener;
        listener.host = endpoint.host;
        listener.port = endpoint.port;
        listener.security_protocol = static_cast<std::int16_t>(endpoint.protocol);
        listeners.push_back(std::move(listener));
    }
    return listeners;
}

template <typename Supported>
std::vector<Supported> supported_of(const SupportedFeatures& features) {
    std::vector<Supported> supported;
    for (const auto& [name, range] : features) {
        Supported feature;
        feature.name = name;
        feature.min_supported_version = range.min;
        feature.max_supported_version = range.max;
        supported.push_back(std::move(feature));
    }
    return supported;
}

Slice bytes_of(const std::string& text) { return Slice::copy(text); }

auto cannot_say(std::string_view what, MetadataVersion version) {
    return fail(ErrorCode::unsupported_version,
                fmt::format("metadata.version {} has no record for {}; raise it with the features "
                            "tool first",
                            version.level(), what));
}

void write_topics(const Image& image, const RecordSink& sink) {
    for (const auto& [id, topic] : image.topics.by_id()) {
        TopicRecord record;
        record.name = topic->name;
        record.topic_id = id;
        sink({std::move(record), 0});
        for (const auto& [index, partition] : topic->partitions) {
            sink(partition_record(id, index, *partition, *image.features.metadata_version,
                                  image.features.elr_enabled()));
        }
    }
}

Result<> write_nodes(const Image& image, const RecordSink& sink) {
    MetadataVersion version = *image.features.metadata_version;
    for (const auto& [id, broker] : image.brokers) {
        if (!broker->directories.empty() && !version.supports_directories())
            return cannot_say("log directories of a broker", version);
        if (broker->cordoned_directories && !version.supports_cordoned_directories())
            return cannot_say("cordoned log directories", version);
        sink(register_broker_record(*broker, version));
    }
    if (!image.controllers.empty() && !version.supports_controller_registration())
        return cannot_say("controller registrations", version);
    for (const auto& [id, controller] : image.controllers) {
        RegisterControllerRecord record;
        record.controller_id = id;
        record.incarnation_id = controller->incarnation;
        record.zk_migration_ready = controller->zookeeper_migration_ready;
        record.end_points =
            listeners_of<RegisterControllerRecord::ControllerEndpoint>(controller->endpoints);
        record.features =
            supported_of<RegisterControllerRecord::ControllerFeature>(controller->features);
        sink({std::move(record), 0});
    }
    return {};
}

void write_configs(const Image& image, const RecordSink& sink) {
    for (const auto& [resource, configs] : image.configs) {
        for (const auto& [name, value] : *configs) {
            ConfigRecord record;
            record.resource_type = static_cast<std::int8_t>(resource.type);
            record.resource_name = resource.name;
            record.name = name;
            record.value = value;
            sink({std::move(record), 0});
        }
    }
}

void write_quotas(const Image& image, const RecordSink& sink) {
    for (const auto& [entity, quotas] : image.quotas) {
        for (const auto& [key, value] : *quotas) {
            ClientQuotaRecord record;
            for (const QuotaEntityPart& part : entity) {
                ClientQuotaRecord::EntityData data;
                data.entity_type = part.type;
                data.entity_name = part.name;
                record.entity.push_back(std::move(data));
            }
            record.key = key;
            record.value = value;
            sink({std::move(record), 0});
        }
    }
}

void write_acls(const Image& image, const RecordSink& sink) {
    for (const auto& [id, acl] : image.acls) {
        AccessControlEntryRecord record;
        record.id = id;
        record.resource_type = acl->resource_type;
        record.resource_name = acl->resource_name;
        record.pattern_type = acl->pattern_type;
        record.principal = acl->principal;
        record.host = acl->host;
        record.operation = acl->operation;
        record.permission_type = acl->permission;
        sink({std::move(record), 0});
    }
}

Result<> write_credentials(const Image& image, const RecordSink& sink) {
    MetadataVersion version = *image.features.metadata_version;
    if (!image.scram.empty() && !version.supports_scram())
        return cannot_say("SCRAM credentials", version);
    for (const auto& [user, credential] : image.scram) {
        UserScramCredentialRecord record;
        record.name = user.name;
        record.mechanism = user.mechanism;
        record.salt = bytes_of(credential->salt);
        record.stored_key = bytes_of(credential->stored_key);
        record.server_key = bytes_of(credential->server_key);
        record.iterations = credential->iterations;
        sink({std::move(record), 0});
    }
    if (!image.tokens.empty() && !version.supports_delegation_tokens())
        return cannot_say("delegation tokens", version);
    for (const auto& [id, token] : image.tokens) {
        DelegationTokenRecord record;
        record.owner = token->owner;
        record.requester = token->requester;
        record.renewers = token->renewers;
        record.issue_timestamp = token->issued;
        record.max_timestamp = token->max;
        record.expiration_timestamp = token->expires;
        record.token_id = id;
        sink({std::move(record), 0});
    }
    return {};
}

}  // namespace

VersionedRecord feature_level_record(std::string_view feature, std::int16_t level) {
    FeatureLevelRecord record;
    record.name = feature;
    record.feature_level = level;
    return {std::move(record), 0};
}

VersionedRecord register_broker_record(const Broker& broker, MetadataVersion version) {
    RegisterBrokerRecord record;
    record.broker_id = broker.id;
    record.is_migrating_zk_broker = broker.migrating_from_zookeeper;
    record.incarnation_id = broker.incarnation;
    record.broker_epoch = broker.epoch;
    record.end_points = listeners_of<RegisterBrokerRecord::BrokerEndpoint>(broker.endpoints);
    record.features = supported_of<RegisterBrokerRecord::BrokerFeature>(broker.features);
    record.rack = broker.rack;
    record.fenced = broker.fenced;
    record.in_controlled_shutdown = broker.in_controlled_shutdown;
    record.log_dirs = broker.directories;
    record.cordoned_log_dirs = broker.cordoned_directories;
    return {std::move(record), version.register_broker_record()};
}

VersionedRecord partition_record(const Uuid& topic, std::int32_t index, const Partition& partition,
                                 MetadataVersion version, bool elr_enabled) {
    PartitionRecord record;
    record.partition_id = index;
    record.topic_id = topic;
    record.replicas = partition.replicas;
    record.isr = partition.isr;
    record.removing_replicas = partition.removing;
    record.adding_replicas = partition.adding;
    record.leader = partition.leader;
    record.leader_recovery_state = static_cast<std::int8_t>(partition.recovery);
    record.leader_epoch = partition.leader_epoch;
    record.partition_epoch = partition.epoch;
    if (version.supports_directories()) record.directories = partition.directories;
    if (elr_enabled && !partition.elr.empty()) record.eligible_leader_replicas = partition.elr;
    if (elr_enabled && !partition.last_known_elr.empty())
        record.last_known_elr = partition.last_known_elr;
    return {std::move(record), version.partition_record()};
}

Result<> write_records(const Image& image, const RecordSink& sink) {
    if (!image.features.metadata_version) {
        return fail(ErrorCode::unsupported_version,
                    "an image without metadata.version cannot be written");
    }
    sink(feature_level_record(metadata_version_feature, image.features.metadata_version->level()));
    for (const auto& [name, level] : image.features.levels) sink(feature_level_record(name, level));
    RETURN_IF_ERROR(write_nodes(image, sink));
    write_topics(image, sink);
    write_configs(image, sink);
    write_quotas(image, sink);
    if (image.next_producer_id >= 0) {
        ProducerIdsRecord record;
        record.broker_id = -1;
        record.broker_epoch = -1;
        record.next_producer_id = image.next_producer_id;
        sink({std::move(record), 0});
    }
    write_acls(image, sink);
    return write_credentials(image, sink);
}

Result<Records> to_records(const Image& image) {
    Records records;
    RETURN_IF_ERROR(write_records(
        image, [&](VersionedRecord record) { records.push_back(std::move(record)); }));
    return records;
}

}  // namespace millrace::metadata
