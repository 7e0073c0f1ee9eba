#include "core/metadata/random_records.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/metadata/snapshot.h"

namespace millrace::metadata {

VersionedRecord RandomRecords::next(const Image& image) {
    if (!image.features.metadata_version)
        return feature_level_record(metadata_version_feature, MetadataVersion::latest().level());
    // Without it a snapshot leaves out eligible leaders.
    if (!image.features.elr_enabled()) return feature_level_record(elr_feature, 1);
    MetadataRecord record = any(image);
    std::int16_t version = std::visit(
        [](const auto& message) { return std::remove_cvref_t<decltype(message)>::max_version; },
        record);
    return {std::move(record), version};
}

MetadataRecord RandomRecords::any(const Image& image) {
    std::uint64_t kind = random_.below(20);
    if (kind < 3 || image.topics.size() == 0) return new_topic();
    if (kind < 8) return new_partition(image);
    if (kind < 12) return change_partition(image);
    if (kind == 12) {
        RemoveTopicRecord remove;
        remove.topic_id = some_topic(image).id;
        return remove;
    }
    if (kind == 13) return register_broker();
    if (kind == 14 && !image.brokers.empty()) return change_broker(image);
    if (kind == 15) return config(image);
    if (kind == 16) return security(image);
    if (kind == 17) return quota();
    if (kind == 18) return token();
    if (random_.chance(0.3)) return ClearElrRecord{};
    ProducerIdsRecord ids;
    ids.next_producer_id = std::max<std::int64_t>(image.next_producer_id, 0) + 1'000;
    return ids;
}

MetadataRecord RandomRecords::new_topic() {
    TopicRecord record;
    record.topic_id = Uuid::random(random_);
    record.name = "topic-" + record.topic_id.to_string();
    return record;
}

MetadataRecord RandomRecords::new_partition(const Image& image) {
    const Topic& topic = some_topic(image);
    PartitionRecord record;
    record.topic_id = topic.id;
    record.partition_id = static_cast<std::int32_t>(topic.partitions.size());
    record.replicas = some_brokers();
    record.isr = record.replicas;
    record.leader = record.isr[0];
    record.leader_epoch = record.partition_epoch = 0;
    for (std::size_t i = 0; i < record.replicas.size(); ++i)
        record.directories.push_back(Uuid::random(random_));
    return record;
}

MetadataRecord RandomRecords::change_partition(const Image& image) {
    const Topic& topic = some_topic(image);
    if (topic.partitions.empty()) return new_partition(image);
    PartitionChangeRecord record;
    record.topic_id = topic.id;
    record.partition_id = static_cast<std::int32_t>(random_.below(topic.partitions.size()));
    if (random_.chance(0.5)) record.isr = some_brokers();
    if (random_.chance(0.5)) record.leader = static_cast<std::int32_t>(random_.between(-1, 5));
    if (random_.chance(0.3)) record.leader_recovery_state = random_.chance(0.5) ? 1 : 0;
    if (random_.chance(0.2)) record.last_known_elr = some_brokers();
    return record;
}

MetadataRecord RandomRecords::register_broker() {
    RegisterBrokerRecord record;
    record.broker_id = static_cast<std::int32_t>(random_.between(1, 6));
    record.broker_epoch = ++epoch_;
    record.incarnation_id = Uuid::random(random_);
    if (random_.chance(0.5)) record.rack = some_name("rack", 3);
    for (const char* name : {"PLAINTEXT", "SSL"}) {
        auto& endpoint = record.end_points.emplace_back();
        endpoint.name = name;
        endpoint.host = some_name("host", 5);
        endpoint.port = static_cast<std::uint16_t>(random_.next());
        endpoint.security_protocol = static_cast<std::int16_t>(random_.below(4));
    }
    record.features.emplace_back().name = "metadata.version";
    for (std::int64_t i = random_.between(0, 3); i > 0; --i)
        record.log_dirs.push_back(Uuid::random(random_));
    if (random_.chance(0.2)) record.cordoned_log_dirs = record.log_dirs;
    return record;
}

MetadataRecord RandomRecords::change_broker(const Image& image) {
    auto at = image.brokers.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(image.brokers.size())));
    if (random_.chance(0.1)) {
        UnregisterBrokerRecord record;
        record.broker_id = at->key;
        record.broker_epoch = at->value->epoch;
        return record;
    }
    BrokerRegistrationChangeRecord record;
    record.broker_id = at->key;
    record.broker_epoch = at->value->epoch;
    record.fenced = static_cast<std::int8_t>(random_.between(-1, 1));
    record.in_controlled_shutdown = random_.chance(0.2) ? 1 : 0;
    if (random_.chance(0.3)) record.log_dirs.push_back(Uuid::random(random_));
    return record;
}

MetadataRecord RandomRecords::config(const Image& image) {
    ConfigRecord record;
    record.resource_type = random_.chance(0.5) ? 2 : 4;
    record.resource_name = record.resource_type == 2 ? some_topic(image).name : some_name("", 3);
    record.name = some_name("key", 5);
    if (random_.chance(0.7)) {
        record.value = some_name("value", 100);
    } else {
        record.value.reset();
    }
    return record;
}

MetadataRecord RandomRecords::security(const Image& image) {
    if (random_.chance(0.3)) {
        UserScramCredentialRecord record;
        record.name = some_name("user", 5);
        record.mechanism = static_cast<std::int8_t>(random_.between(1, 2));
        record.salt = Slice::copy(some_name("salt", 100));
        record.stored_key = Slice::copy(some_name("stored", 100));
        record.server_key = Slice::copy(some_name("server", 100));
        record.iterations = 4096;
        return record;
    }
    if (random_.chance(0.2)) {
        RemoveUserScramCredentialRecord record;
        record.name = some_name("user", 5);
        record.mechanism = 1;
        return record;
    }
    if (random_.chance(0.3) && !image.acls.empty()) {
        RemoveAccessControlEntryRecord record;
        record.id = image.acls.begin()->key;
        return record;
    }
    AccessControlEntryRecord record;
    record.id = Uuid::random(random_);
    record.resource_type = 2;
    record.resource_name = some_name("topic", 9);
    record.principal = some_name("User:", 9);
    record.operation = 3;
    return record;
}

MetadataRecord RandomRecords::quota() {
    ClientQuotaRecord record;
    auto& user = record.entity.emplace_back();
    user.entity_type = "user";
    user.entity_name = some_name("user", 4);
    if (random_.chance(0.5)) {
        auto& client = record.entity.emplace_back();
        client.entity_type = "client-id";
        client.entity_name.reset();
    }
    record.key = random_.chance(0.5) ? "producer_byte_rate" : "consumer_byte_rate";
    record.value = static_cast<double>(random_.below(1'000));
    record.remove = random_.chance(0.3);
    return record;
}

MetadataRecord RandomRecords::token() {
    if (random_.chance(0.3)) {
        RemoveDelegationTokenRecord record;
        record.token_id = some_name("token", 5);
        return record;
    }
    DelegationTokenRecord record;
    record.token_id = some_name("token", 5);
    record.owner = some_name("User:", 5);
    record.renewers = {some_name("User:", 5)};
    record.expiration_timestamp = static_cast<std::int64_t>(random_.below(1'000'000));
    return record;
}

const Topic& RandomRecords::some_topic(const Image& image) {
    auto at = image.topics.by_id().lower_bound(Uuid{random_.next(), random_.next()});
    if (at == image.topics.by_id().end()) at = image.topics.by_id().begin();
    return *at->value;
}

std::string RandomRecords::some_name(const char* prefix, std::int64_t most) {
    return prefix + std::to_string(random_.between(1, most));
}

std::vector<std::int32_t> RandomRecords::some_brokers() {
    std::vector<std::int32_t> brokers;
    for (std::int32_t id = 1; id <= 5; ++id) {
        if (random_.chance(0.5)) brokers.push_back(id);
    }
    if (brokers.empty()) brokers.push_back(1);
    return brokers;
}

}  // namespace millrace::metadata
