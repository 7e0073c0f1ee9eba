#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/assignments.h"
#include "broker/checkpoints.h"
#include "broker/copy_quota.h"
#include "broker/log_directories.h"
#include "broker/metadata_publisher.h"

namespace millrace::broker {

// Replicas on their way from one log directory of this node to another (KIP-113): copied while they
// are written, throttled by replica.alter.log.dirs.io.max.bytes.per.second, and switched when they
// have caught up and the controller knows. Lives on shard 0.
class ReplicaMoves {
  public:
    struct Parts {
        PartitionRouter& router;
        MetadataCache& metadata;
        MetadataPublisher& publisher;
        Assignments& assignments;
        Checkpoints& checkpoints;
    };
    // `config` has the dynamic values of each moment.
    ReplicaMoves(env::Shard& shard, LogDirectories& directories,
                 const config::BrokerConfig& config);
    ~ReplicaMoves();

    // Goes on with the copies that were found at start.
    Task<void> start(Parts parts);
    // Copies end where they are; a start later goes on with them.
    Task<void> stop();

    // Lets a replica of this node move to a directory; one that is not there yet will be made in
    // it. Asked to where it lies, a move that is under way ends. The answer of AlterReplicaLogDirs.
    Task<ErrorCode> alter(std::string topic, std::int32_t partition, std::string path);
    // Whether the controller is told of this directory by a move that is under way.
    bool is_moving_to(const TopicIdPartition& id, const Uuid& directory) const;

  private:
    struct Move;

    Result<storage::LogDirectory*> destination(const storage::PartitionName& name,
                                               const std::string& path);
    Task<ErrorCode> begin(TopicIdPartition id, storage::PartitionName name,
                          storage::LogDirectory& to);
    Task<Result<>> open_future(TopicIdPartition id, storage::LogDirectory& to,
                               storage::LogOrigin origin);
    void follow(TopicIdPartition id, storage::LogDirectory& to);
    Task<void> cancel(TopicIdPartition id);
    Task<void> run(TopicIdPartition id);
    Task<void> carry_out(TopicIdPartition id, Move& move);
    Task<void> tell_controller(TopicIdPartition id, Move& move);
    Task<void> write_checkpoints();
    Task<FutureProgress> advance(TopicIdPartition id, bool may_switch);

    env::Shard& shard_;
    LogDirectories& directories_;
    const config::BrokerConfig& config_;
    CopyQuota quota_;
    std::unique_ptr<Parts> parts_;  // none before start()
    std::map<TopicIdPartition, std::unique_ptr<Move>> moves_;
    int copying_ = 0;
    bool altering_ = false;
    Condition changed_;
    Scope scope_;
};

}  // namespace millrace::broker
