#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "base/result.h"
#include "core/metadata/image.h"
#include "core/metadata/record.h"
#include "core/metadata/sorted_map_editor.h"

namespace millrace::metadata {

// Records on top of an image, on the way to the next one. A record that contradicts the state is
// an error invalid_record that names the record and what was wrong; what was applied before stays.
class Delta {
  public:
    explicit Delta(const Image& base);

    Result<> apply(const MetadataRecord& record);
    // The image with the records in it.
    Image finish(std::int64_t offset, std::int32_t epoch) &&;

  private:
    struct TopicEdit {
        std::string name;
        SortedMapEditor<std::int32_t, Partition> partitions;
    };

    Result<> on(const RegisterBrokerRecord& record);
    Result<> on(const UnregisterBrokerRecord& record);
    Result<> on(const TopicRecord& record);
    Result<> on(const PartitionRecord& record);
    Result<> on(const ConfigRecord& record);
    Result<> on(const PartitionChangeRecord& record);
    Result<> on(const FenceBrokerRecord& record);
    Result<> on(const UnfenceBrokerRecord& record);
    Result<> on(const RemoveTopicRecord& record);
    Result<> on(const DelegationTokenRecord& record);
    Result<> on(const UserScramCredentialRecord& record);
    Result<> on(const FeatureLevelRecord& record);
    Result<> on(const ClientQuotaRecord& record);
    Result<> on(const ProducerIdsRecord& record);
    Result<> on(const BrokerRegistrationChangeRecord& record);
    Result<> on(const AccessControlEntryRecord& record);
    Result<> on(const RemoveAccessControlEntryRecord& record);
    Result<> on(const NoOpRecord& record);
    Result<> on(const ZkMigrationStateRecord& record);
    Result<> on(const RemoveUserScramCredentialRecord& record);
    Result<> on(const BeginTransactionRecord& record);
    Result<> on(const EndTransactionRecord& record);
    Result<> on(const AbortTransactionRecord& record);
    Result<> on(const RemoveDelegationTokenRecord& record);
    Result<> on(const RegisterControllerRecord& record);
    Result<> on(const ClearElrRecord& record);

    // nullptr when there is no such topic.
    TopicEdit* edit(const Uuid& id);
    void clear_elr(const Uuid& id);
    Result<> fence(std::int32_t id, std::int64_t epoch, bool fenced);
    void finish_topics(Image& image);

    Image base_;
    Features features_;
    std::int64_t next_producer_id_;
    SortedMapEditor<std::int32_t, Broker> brokers_;
    SortedMapEditor<std::int32_t, Controller> controllers_;
    SortedMapEditor<std::string_view, Topic> topics_by_name_;
    SortedMapEditor<Uuid, Topic> topics_by_id_;
    std::map<Uuid, TopicEdit> open_topics_;
    SortedMapEditor<ConfigResource, config::ConfigMap> configs_;
    SortedMapEditor<QuotaEntity, Quotas> quotas_;
    SortedMapEditor<Uuid, Acl> acls_;
    SortedMapEditor<ScramUser, ScramCredential> scram_;
    SortedMapEditor<std::string, DelegationToken> tokens_;
};

}  // namespace millrace::metadata
