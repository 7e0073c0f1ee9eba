#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/broker_config.h"
#include "core/controller/partition_index.h"
#include "core/metadata/image.h"
#include "core/metadata/record.h"
#include "core/metadata/replay.h"

namespace millrace::metadata {
struct BrokerChange;
}

namespace millrace::controller {

// What a controller knows without the log.
struct Settings {
    std::string cluster_id;
    std::int32_t node_id = 0;
    config::BrokerConfig config;
    std::vector<std::int32_t> quorum;  // ids of the voters
    std::int16_t kraft_version = 0;
    bool unstable_features = false;  // unstable.feature.versions.enable
    // What keeps the quorum from raising kraft.version to a level now.
    std::function<Result<>(std::int16_t level)> check_kraft_version = [](std::int16_t) {
        return Result<>{};
    };
};

// What decisions are made from: the image of all records applied, committed or not, and what is
// derived from it. Only apply() and load() write.
class State {
  public:
    explicit State(Settings settings);

    // Records of the log at first_offset and behind. Error invalid_record when one contradicts
    // the state: a controller must not go on then.
    Result<> apply(std::span<const metadata::VersionedRecord> records, std::int64_t first_offset,
                   std::int32_t epoch);
    // Control records take offsets too.
    void skip_to(std::int64_t next_offset);
    // Starts again from a snapshot's image.
    void load(metadata::ImagePtr image);

    const metadata::Image& image() const { return *image_; }
    metadata::ImagePtr share() const { return image_; }
    std::int64_t next_offset() const { return next_offset_; }
    const Settings& settings() const { return settings_; }
    void set_quorum(std::vector<std::int32_t> ids) { settings_.quorum = std::move(ids); }
    void set_kraft_version(std::int16_t level) { settings_.kraft_version = level; }
    // With the dynamic values of all brokers and of this node.
    const config::BrokerConfig& config() const { return config_; }
    const PartitionIndex& partitions() const { return partitions_; }

    // CHECK: the bootstrap records were applied.
    metadata::MetadataVersion metadata_version() const;
    bool elr_enabled() const { return image_->features.elr_enabled(); }
    // The open metadata transaction, of a leader that failed within it.
    std::optional<std::int64_t> transaction_start() const { return replay_.transaction_start(); }

    const metadata::Broker* broker(std::int32_t id) const { return image_->brokers.find(id); }
    bool is_active(std::int32_t broker) const;
    // Error stale_broker_epoch unless the broker is registered with this epoch.
    Result<> check_broker_epoch(std::int32_t broker, std::int64_t epoch) const;
    // Offset of the broker's last registration; a broker that has read it may be unfenced.
    std::int64_t registration_offset(std::int32_t broker) const;
    // Where new replicas of a broker go (KIP-858).
    Uuid default_directory(std::int32_t broker) const;
    // The broker that has this log directory.
    std::optional<std::int32_t> owner_of(const Uuid& directory) const;

    // An existing topic whose name differs in '.' and '_' only; "" when there is none.
    std::string_view colliding_topic(std::string_view name) const;
    // min.insync.replicas of a topic, at most its replication factor.
    std::int32_t min_insync_replicas(const metadata::Topic& topic) const;
    bool elects_unclean_leaders(std::string_view topic) const;

    // The same content and the same derived knowledge.
    bool operator==(const State& other) const;

  private:
    void note(const metadata::Changes& changes);
    void note_broker(const metadata::BrokerChange& change);
    void refresh_config();

    Settings settings_;
    config::BrokerConfig config_;
    metadata::Replay replay_;
    metadata::ImagePtr image_;
    std::int64_t next_offset_ = 0;
    PartitionIndex partitions_;
    std::map<std::int32_t, std::int64_t> registration_offsets_;
    std::map<Uuid, std::int32_t> directory_owners_;
    // By name with '_' for '.'; only names that have such characters.
    std::map<std::string, std::set<std::string>, std::less<>> collisions_;
};

}  // namespace millrace::controller
