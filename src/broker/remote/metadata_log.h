#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/fetchers/broker_links.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"
#include "storage/remote/remote_log_segments.h"

namespace millrace::broker {

// What one shard has read of __remote_log_metadata about one partition; kept up to date for as long
// as it is followed.
struct FollowedSegments {
    storage::remote::RemotePartition partition;
    storage::remote::RemoteLogSegments segments;
    // Everything that was committed when it began to be followed is applied.
    bool ready = false;
    bool followed = true;
    storage::Offset next = 0;  // of the metadata partition: what lies below is applied
    Condition changed;
};

// __remote_log_metadata as one shard uses it: records are appended by the leader of their partition
// of it, this node or another one, and what they say holds once they are committed and were read
// back.
class RemoteMetadataLog {
  public:
    RemoteMetadataLog(env::Shard& shard, std::int32_t node_id, PartitionRouter& router,
                      MetadataCache& metadata, const config::BrokerConfig& config);

    // Reads what there is, from the beginning, and then what comes.
    std::shared_ptr<FollowedSegments> follow(storage::remote::RemotePartition partition);
    void unfollow(FollowedSegments& followed);
    // Ends when the records are applied to `followed`. Errors as append(); request_timed_out when
    // they were appended and could not be read back in time.
    Task<Result<>> publish(FollowedSegments& followed,
                           std::vector<storage::remote::RemoteLogMetadata> records);
    // Ends when the records are committed. All are about this partition.
    Task<Result<storage::Offset>> append(const storage::remote::RemotePartition& partition,
                                         std::vector<storage::remote::RemoteLogMetadata> records);
    // Whole batches of a partition of the topic, at or above `from`; waits for some when there are
    // none unless `at_once`. not_leader_or_follower: where it is led is not known now.
    struct Batches {
        Slice bytes;
        storage::Offset next = 0;  // behind them
        bool at_end = false;       // nothing more is committed
    };
    Task<Result<Batches>> read(std::int32_t index, storage::Offset from, bool at_once);
    // Calls take(offset, record) for each record of `batches`; what cannot be read is passed over.
    using Take = std::function<void(storage::Offset, const storage::remote::RemoteLogMetadata&)>;
    static void for_each(Bytes batches, const Take& take);
    Task<void> close();

  private:
    struct Reader {
        std::map<TopicIdPartition, std::shared_ptr<FollowedSegments>> followed;
        bool anew = true;   // there are some that have seen nothing yet
        Condition changed;  // of the above
    };
    Task<void> assign(std::shared_ptr<FollowedSegments> followed);
    Task<void> run(std::int32_t index);
    Task<std::optional<Result<Batches>>> read_until_changed(Reader& reader, std::int32_t index,
                                                            storage::Offset from, bool at_once);
    void apply(Reader& reader, Bytes batches);
    Task<TopicIdPartition> partition_for(const storage::remote::RemotePartition& partition);
    Task<Result<Batches>> read_here(TopicIdPartition id, storage::Offset from, bool at_once);
    Task<Result<Batches>> read_there(std::int32_t leader, TopicIdPartition id, storage::Offset from,
                                     bool at_once);
    Task<Result<storage::Offset>> start_there(client::BrokerConnection& link, std::int32_t index);
    Task<Result<storage::Offset>> append_here(TopicIdPartition id, Slice batch);
    Task<Result<storage::Offset>> append_there(std::int32_t leader, TopicIdPartition id,
                                               Slice batch);

    env::Shard& shard_;
    std::int32_t node_id_;
    PartitionRouter& router_;
    MetadataCache& metadata_;
    BrokerLinks links_;
    std::map<std::int32_t, Reader> readers_;  // by partition of the topic
    Scope scope_;
};

}  // namespace millrace::broker
