#pragma once

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "protocol/abort_transaction_record.h"
#include "protocol/access_control_entry_record.h"
#include "protocol/begin_transaction_record.h"
#include "protocol/broker_registration_change_record.h"
#include "protocol/clear_elr_record.h"
#include "protocol/client_quota_record.h"
#include "protocol/config_record.h"
#include "protocol/delegation_token_record.h"
#include "protocol/end_transaction_record.h"
#include "protocol/feature_level_record.h"
#include "protocol/fence_broker_record.h"
#include "protocol/no_op_record.h"
#include "protocol/partition_change_record.h"
#include "protocol/partition_record.h"
#include "protocol/producer_ids_record.h"
#include "protocol/register_broker_record.h"
#include "protocol/register_controller_record.h"
#include "protocol/remove_access_control_entry_record.h"
#include "protocol/remove_delegation_token_record.h"
#include "protocol/remove_topic_record.h"
#include "protocol/remove_user_scram_credential_record.h"
#include "protocol/topic_record.h"
#include "protocol/unfence_broker_record.h"
#include "protocol/unregister_broker_record.h"
#include "protocol/user_scram_credential_record.h"
#include "protocol/zk_migration_state_record.h"

namespace millrace::metadata {

using MetadataRecord = std::variant<
    RegisterBrokerRecord, UnregisterBrokerRecord, TopicRecord, PartitionRecord, ConfigRecord,
    PartitionChangeRecord, FenceBrokerRecord, UnfenceBrokerRecord, RemoveTopicRecord,
    DelegationTokenRecord, UserScramCredentialRecord, FeatureLevelRecord, ClientQuotaRecord,
    ProducerIdsRecord, BrokerRegistrationChangeRecord, AccessControlEntryRecord,
    RemoveAccessControlEntryRecord, NoOpRecord, ZkMigrationStateRecord,
    RemoveUserScramCredentialRecord, BeginTransactionRecord, EndTransactionRecord,
    AbortTransactionRecord, RemoveDelegationTokenRecord, RegisterControllerRecord, ClearElrRecord>;

// A record of the metadata log and the version it is, or was, encoded in.
struct VersionedRecord {
    MetadataRecord message;
    std::int16_t version = 0;
};
using Records = std::vector<VersionedRecord>;

std::string_view name_of(const MetadataRecord& record);  // "PartitionRecord"
std::int16_t type_of(const MetadataRecord& record);

// The value of a record of the log: frame version 1, type, version, message (formats.md, 3.2).
// Error unsupported_version when a field that the version lacks is set.
Result<Slice> encode(const VersionedRecord& record);
// Error unsupported_version for a frame, type or version that is not known, invalid_record for
// bytes that do not hold what they claim or go on behind it.
Result<VersionedRecord> decode(Bytes value);

}  // namespace millrace::metadata
