#include "core/metadata/delta.h"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <utility>

namespace millrace::metadata {
namespace {

template <typename... Args>
auto refuse(fmt::format_string<Args...> format, Args&&... args) {
    return fail(ErrorCode::invalid_record, fmt::format(format, std::forward<Args>(args)...));
}

std::string text_of(const Slice& bytes) { return std::string(bytes.view()); }

Result<const Broker*> registered(const SortedMapEditor<std::int32_t, Broker>& brokers,
                                 std::int32_t id, std::int64_t epoch) {
    const Broker* broker = brokers.find(id);
    if (broker == nullptr) return refuse("broker {} is not registered", id);
    if (broker->epoch != epoch)
        return refuse("broker {} is registered with epoch {}, not {}", id, broker->epoch, epoch);
    return broker;
}

}  // namespace

Delta::Delta(const Image& base)
    : base_(base),
      features_(base.features),
      next_producer_id_(base.next_producer_id),
      brokers_(base.brokers),
      controllers_(base.controllers),
      topics_by_name_(base.topics.by_name()),
      topics_by_id_(base.topics.by_id()),
      configs_(base.configs),
      quotas_(base.quotas),
      acls_(base.acls),
      scram_(base.scram),
      tokens_(base.tokens) {}

Result<> Delta::apply(const MetadataRecord& record) {
    Result<> applied = std::visit([this](const auto& message) { return on(message); }, record);
    if (!applied) {
        applied.error().message =
            fmt::format("{}: {}", name_of(record), std::move(applied.error().message));
    }
    return applied;
}

Image Delta::finish(std::int64_t offset, std::int32_t epoch) && {
    Image image;
    image.offset = offset;
    image.epoch = epoch;
    image.features = std::move(features_);
    image.brokers = std::move(brokers_).finish();
    image.controllers = std::move(controllers_).finish();
    finish_topics(image);
    image.configs = std::move(configs_).finish();
    image.quotas = std::move(quotas_).finish();
    image.next_producer_id = next_producer_id_;
    image.acls = std::move(acls_).finish();
    image.scram = std::move(scram_).finish();
    image.tokens = std::move(tokens_).finish();
    return image;
}

Result<> Delta::on(const RegisterBrokerRecord& record) {
    ASSIGN_OR_RETURN(Broker broker, Broker::from(record));
    std::int32_t id = broker.id;
    brokers_.set(id, std::make_shared<const Broker>(std::move(broker)));
    return {};
}

Result<> Delta::on(const UnregisterBrokerRecord& record) {
    RETURN_IF_ERROR(registered(brokers_, record.broker_id, record.broker_epoch));
    brokers_.erase(record.broker_id);
    return {};
}

Result<> Delta::on(const BrokerRegistrationChangeRecord& record) {
    ASSIGN_OR_RETURN(const Broker* broker,
                     registered(brokers_, record.broker_id, record.broker_epoch));
    ASSIGN_OR_RETURN(Broker next, broker->changed_by(record));
    if (next != *broker)
        brokers_.set(record.broker_id, std::make_shared<const Broker>(std::move(next)));
    return {};
}

Result<> Delta::fence(std::int32_t id, std::int64_t epoch, bool fenced) {
    ASSIGN_OR_RETURN(const Broker* broker, registered(brokers_, id, epoch));
    auto next = std::make_shared<Broker>(*broker);
    next->fenced = fenced;
    brokers_.set(id, std::move(next));
    return {};
}

Result<> Delta::on(const FenceBrokerRecord& record) { return fence(record.id, record.epoch, true); }

Result<> Delta::on(const UnfenceBrokerRecord& record) {
    return fence(record.id, record.epoch, false);
}

Result<> Delta::on(const RegisterControllerRecord& record) {
    ASSIGN_OR_RETURN(Controller controller, Controller::from(record));
    std::int32_t id = controller.id;
    controllers_.set(id, std::make_shared<const Controller>(std::move(controller)));
    return {};
}

Result<> Delta::on(const ConfigRecord& record) {
    ConfigResource resource{static_cast<config::ResourceType>(record.resource_type),
                            record.resource_name};
    const config::ConfigMap* current = configs_.find(resource);
    auto next = current == nullptr ? std::make_shared<config::ConfigMap>()
                                   : std::make_shared<config::ConfigMap>(*current);
    if (record.value) {
        next->insert_or_assign(record.name, *record.value);
    } else {
        next->erase(record.name);
    }
    if (next->empty()) {
        configs_.erase(resource);
    } else {
        configs_.set(std::move(resource), std::move(next));
    }
    return {};
}

Result<> Delta::on(const FeatureLevelRecord& record) {
    if (record.name == metadata_version_feature) {
        Result<MetadataVersion> version = MetadataVersion::of_level(record.feature_level);
        if (!version) return refuse("{}", version.error().message);
        features_.metadata_version = *version;
        return {};
    }
    // The quorum keeps its own in control records.
    if (record.name == kraft_version_feature) return {};
    if (record.feature_level == 0) {
        features_.levels.erase(record.name);
    } else {
        features_.levels.insert_or_assign(record.name, record.feature_level);
    }
    return {};
}

Result<> Delta::on(const ClientQuotaRecord& record) {
    QuotaEntity entity;
    for (const auto& part : record.entity) entity.push_back({part.entity_type, part.entity_name});
    std::ranges::sort(entity);
    const Quotas* current = quotas_.find(entity);
    auto next =
        current == nullptr ? std::make_shared<Quotas>() : std::make_shared<Quotas>(*current);
    if (record.remove) {
        next->erase(record.key);
    } else {
        next->insert_or_assign(record.key, record.value);
    }
    if (next->empty()) {
        quotas_.erase(entity);
    } else {
        quotas_.set(std::move(entity), std::move(next));
    }
    return {};
}

Result<> Delta::on(const ProducerIdsRecord& record) {
    if (record.next_producer_id <= next_producer_id_) {
        return refuse("next producer id {} is not above {}", record.next_producer_id,
                      next_producer_id_);
    }
    next_producer_id_ = record.next_producer_id;
    return {};
}

Result<> Delta::on(const AccessControlEntryRecord& record) {
    acls_.set(record.id, std::make_shared<const Acl>(Acl{
                             .resource_type = record.resource_type,
                             .resource_name = record.resource_name,
                             .pattern_type = record.pattern_type,
                             .principal = record.principal,
                             .host = record.host,
                             .operation = record.operation,
                             .permission = record.permission_type,
                         }));
    return {};
}

Result<> Delta::on(const RemoveAccessControlEntryRecord& record) {
    if (!acls_.erase(record.id)) return refuse("no ACL has the id {}", record.id.to_string());
    return {};
}

Result<> Delta::on(const UserScramCredentialRecord& record) {
    scram_.set({record.mechanism, record.name},
               std::make_shared<const ScramCredential>(
                   ScramCredential{.salt = text_of(record.salt),
                                   .stored_key = text_of(record.stored_key),
                                   .server_key = text_of(record.server_key),
                                   .iterations = record.iterations}));
    return {};
}

Result<> Delta::on(const RemoveUserScramCredentialRecord& record) {
    scram_.erase(ScramUser{record.mechanism, record.name});
    return {};
}

Result<> Delta::on(const DelegationTokenRecord& record) {
    tokens_.set(record.token_id, std::make_shared<const DelegationToken>(
                                     DelegationToken{.owner = record.owner,
                                                     .requester = record.requester,
                                                     .renewers = record.renewers,
                                                     .issued = record.issue_timestamp,
                                                     .max = record.max_timestamp,
                                                     .expires = record.expiration_timestamp}));
    return {};
}

Result<> Delta::on(const RemoveDelegationTokenRecord& record) {
    tokens_.erase(record.token_id);
    return {};
}

Result<> Delta::on(const NoOpRecord&) { return {}; }

Result<> Delta::on(const ZkMigrationStateRecord& record) {
    // Clusters that migrated carry the final state along; a migration itself cannot go on here.
    if (record.zk_migration_state < 0 || record.zk_migration_state > 4)
        return refuse("unknown migration state {}", record.zk_migration_state);
    return {};
}

// Replay deals with transactions; within a snapshot there are none.
Result<> Delta::on(const BeginTransactionRecord&) { return refuse("not within a snapshot"); }
Result<> Delta::on(const EndTransactionRecord&) { return refuse("there is no open transaction"); }
Result<> Delta::on(const AbortTransactionRecord&) { return refuse("there is no open transaction"); }

}  // namespace millrace::metadata
