#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/topic_partition.h"
#include "protocol/api_key.h"

namespace millrace::client {

struct NodeDescription {
    std::int32_t id = -1;
    env::Address address;
    std::optional<std::string> rack;
    bool fenced = false;
};
struct ClusterDescription {
    std::string cluster_id;
    std::int32_t controller_id = -1;
    std::vector<NodeDescription> nodes;  // by id
    std::optional<std::int32_t> authorized_operations;
};
struct DescribeClusterOptions {
    bool fenced_brokers = false;
    bool authorized_operations = false;
};
// Its brokers; its controllers where the admin was made with bootstrap.controllers.
Task<Result<ClusterDescription>> describe_cluster(Admin& admin,
                                                  DescribeClusterOptions options = {});

struct ApiVersionRange {
    std::int16_t key = 0;  // one that this client does not know is there, too
    std::int16_t min = 0;
    std::int16_t max = 0;
};
struct BrokerVersions {
    NodeDescription node;
    Result<std::vector<ApiVersionRange>> apis;  // by key
};
// Of every broker that is registered, by id.
Task<Result<std::vector<BrokerVersions>>> broker_api_versions(Admin& admin);

struct ReplicaSize {
    std::int64_t bytes = 0;
    std::int64_t lag = 0;  // behind the high watermark; of a future one behind the current one
    bool future = false;   // takes the current one's place when it has caught up
};
struct LogDirDescription {
    Result<> status;  // KAFKA_STORAGE_ERROR: offline
    std::map<TopicPartition, ReplicaSize> replicas;
    std::int64_t total_bytes = -1;  // of the volume; -1: the broker does not tell
    std::int64_t usable_bytes = -1;
    bool cordoned = false;
};
// By broker, then by path.
Task<Outcomes<std::int32_t, std::map<std::string, LogDirDescription>>> describe_log_dirs(
    Admin& admin, std::vector<std::int32_t> brokers);

// Lets replicas of one broker move to other of its log directories, by path (KIP-113). Ends when
// the moves have begun; a replica that is not there yet, which is told as
// replica_not_available, will be made there. Nothing is tried again.
Task<Outcomes<TopicPartition>> alter_replica_log_dirs(
    Admin& admin, std::int32_t broker, std::map<TopicPartition, std::string> directories);

struct FeatureRange {
    std::int16_t min = 0;
    std::int16_t max = 0;
};
struct FeatureDescription {
    std::map<std::string, FeatureRange> supported;
    std::map<std::string, std::int16_t> finalized;  // the level that is in effect
    std::optional<std::int64_t> finalized_epoch;
};
// As one node tells it: this one, or any.
Task<Result<FeatureDescription>> describe_features(Admin& admin,
                                                   std::optional<std::int32_t> node = std::nullopt);

// Values are the upgrade types of UpdateFeatures.
enum class FeatureChange : std::int8_t { upgrade = 1, safe_downgrade = 2, unsafe_downgrade = 3 };
struct FeatureUpdate {
    std::int16_t level = 0;  // 0 disables the feature
    FeatureChange change = FeatureChange::upgrade;
};
Task<Outcomes<std::string>> update_features(Admin& admin,
                                            std::map<std::string, FeatureUpdate> updates,
                                            bool validate_only = false);

struct QuorumReplica {
    std::int32_t id = 0;
    Uuid directory_id;
    std::int64_t log_end_offset = 0;
    Timestamp last_fetch = -1;
    Timestamp last_caught_up = -1;
};
struct QuorumListener {
    std::string name;
    env::Address address;
};
struct QuorumDescription {
    std::int32_t leader_id = -1;
    std::int32_t leader_epoch = -1;
    std::int64_t high_watermark = -1;
    std::vector<QuorumReplica> voters;
    std::vector<QuorumReplica> observers;
    std::map<std::int32_t, std::vector<QuorumListener>> nodes;
};
// Of the metadata log, as its leader tells it.
Task<Result<QuorumDescription>> describe_metadata_quorum(Admin& admin);

// Forgets a broker that is gone for good.
Task<Result<>> unregister_broker(Admin& admin, std::int32_t id);

}  // namespace millrace::client
