#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/log_directories.h"
#include "broker/metadata_cache.h"
#include "broker/node_logs.h"
#include "broker/partition_router.h"
#include "config/broker_config.h"
#include "core/metadata/changes.h"

namespace millrace::broker {

class GroupHosts;
class ShareHosts;

// What one shard is told of a new image.
struct ShardFollower {
    Partitions* partitions = nullptr;
    MetadataCache* metadata = nullptr;
    GroupHosts* groups = nullptr;
    ShareHosts* share_states = nullptr;
    config::BrokerConfig* config = nullptr;  // takes over dynamic values
};

// Brings each committed image to the shards. New partitions are opened before any shard shows
// them to clients; deleted ones are closed after all shards have forgotten them. Lives on shard 0.
class MetadataPublisher {
  public:
    MetadataPublisher(PartitionRouter& router, LogDirectories& directories,
                      const config::BrokerConfig& static_config, std::int32_t node_id,
                      std::vector<ShardFollower> followers, NodeLogs& logs);

    // Opens what the image gives this node, from the directories that are there. What lies in a
    // log directory but not in the image is set aside as stray.
    Task<Result<>> start(metadata::ImagePtr image);
    // The same for a node that hosts no partitions: what lies in its log directories is left alone.
    Task<void> start_without_partitions(metadata::ImagePtr image);
    Task<void> publish(metadata::ImagePtr image);
    // Runs when partitions have left their directories, before others get their names.
    void after_removals(std::function<Task<void>()> then) { after_removals_ = std::move(then); }
    std::int64_t published_offset() const { return image_->offset; }
    // Where a partition of this node was placed; null for one that is offline, or not of this node.
    storage::LogDirectory* placement(const TopicIdPartition& id) const {
        auto found = placements_.find(id);
        return found == placements_.end() ? nullptr : found->second;
    }
    bool hosts(const TopicIdPartition& id) const { return placements_.contains(id); }
    // A partition has moved to another directory.
    void moved(const TopicIdPartition& id, storage::LogDirectory& to);
    // Copies of partitions that were on their way to another directory when the node ended.
    struct Found {
        storage::LogDirectory* directory = nullptr;
        storage::LogOrigin origin;
        storage::PartitionName name;
        storage::Offset high_watermark = 0;
    };
    struct Future {
        TopicIdPartition id;
        Found found;
    };
    std::vector<Future> take_futures() { return std::exchange(futures_, {}); }
    // Partitions of this node that the images since the last call have made or changed.
    std::vector<TopicIdPartition> take_changed() { return std::exchange(changed_, {}); }

  private:
    using FoundPartitions = std::map<TopicIdPartition, Found>;
    using ByShard = std::vector<PartitionChanges>;

    void begin_with(metadata::ImagePtr image);
    Result<FoundPartitions> scan();
    Result<> scan(storage::LogDirectory& directory, FoundPartitions& found);
    Result<> note(const TopicIdPartition& id, Found found, storage::PartitionDirectoryKind kind,
                  FoundPartitions& all);
    const Uuid* mistaken_for(const storage::PartitionDirectory& directory) const;
    void adopt_unidentified(FoundPartitions& found);
    Result<> note_live(const TopicIdPartition& id, Found found, FoundPartitions& all);
    void set_stray_aside(FoundPartitions& found);
    bool is_ours(const TopicIdPartition& id) const;
    void set_aside(const Found& found, std::string_view suffix);
    void sort_futures(FoundPartitions& found);
    void promote(Found& future);
    void open(const metadata::Topic& topic, std::int32_t index, const metadata::Partition& state,
              Found found, ByShard& changes);
    void note(const metadata::TopicChange& change, ByShard& first, ByShard& last);
    void note_configs(const metadata::Changes& changes, ByShard& first);
    void reconfigure(const metadata::Topic& topic, ByShard& changes);
    Task<void> apply(ByShard changes);
    Task<void> remove(ByShard changes);
    Task<void> show(metadata::ImagePtr image);
    Task<void> forget_topics(const metadata::Changes& changes);
    ByShard no_changes() const;
    config::TopicConfig config_of(const metadata::Topic& topic) const;

    PartitionRouter& router_;
    LogDirectories& directories_;
    const config::BrokerConfig& static_config_;
    config::BrokerConfig config_;  // with the dynamic values of image_
    std::int32_t node_id_;
    std::vector<ShardFollower> followers_;
    NodeLogs& logs_;
    std::function<Task<void>()> after_removals_;
    std::vector<DeletedDirectory> deleted_;   // that scan() has found
    std::vector<PartitionOpening> openings_;  // that image_ asks for
    metadata::ImagePtr image_ = std::make_shared<const metadata::Image>();
    std::map<TopicIdPartition, storage::LogDirectory*> placements_;
    std::vector<TopicIdPartition> changed_;
    std::vector<Future> futures_;
    struct Unidentified {
        Found found;
        storage::PartitionDirectoryKind kind;
    };
    std::vector<Unidentified> unidentified_;  // whose partition.metadata cannot be read
};

}  // namespace millrace::broker
