#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/uuid.h"
#include "config/alter.h"
#include "config/value.h"
#include "core/metadata/features.h"
#include "core/metadata/nodes.h"
#include "core/metadata/partition.h"
#include "core/metadata/security.h"
#include "core/metadata/sorted_map.h"

namespace millrace::metadata {

struct Topic {
    std::string name;
    Uuid id;
    SortedMap<std::int32_t, Partition> partitions;  // 0 .. size - 1

    bool operator==(const Topic&) const = default;
    const Partition* partition(std::int32_t index) const { return partitions.find(index); }
};
using TopicPtr = std::shared_ptr<const Topic>;

class Topics {
  public:
    // The keys are views into the topics.
    using ByName = SortedMap<std::string_view, Topic>;
    using ById = SortedMap<Uuid, Topic>;

    Topics() = default;
    Topics(ByName by_name, ById by_id) : by_name_(std::move(by_name)), by_id_(std::move(by_id)) {}

    // nullptr when there is none; lives as long as the image.
    const Topic* find(std::string_view name) const { return by_name_.find(name); }
    const Topic* find(const Uuid& id) const { return by_id_.find(id); }
    const Partition* find(std::string_view name, std::int32_t partition) const {
        const Topic* topic = find(name);
        return topic == nullptr ? nullptr : topic->partition(partition);
    }
    const Partition* find(const Uuid& id, std::int32_t partition) const {
        const Topic* topic = find(id);
        return topic == nullptr ? nullptr : topic->partition(partition);
    }
    std::size_t size() const { return by_name_.size(); }
    const ByName& by_name() const { return by_name_; }
    const ById& by_id() const { return by_id_; }

    bool operator==(const Topics& other) const { return by_id_ == other.by_id_; }

  private:
    ByName by_name_;
    ById by_id_;
};

// What configs are set on: a topic's name, a broker's id ("" for all), a group, a subscription.
struct ConfigResource {
    config::ResourceType type = config::ResourceType::unknown;
    std::string name;
    auto operator<=>(const ConfigResource&) const = default;
};
struct ConfigResourceView {
    config::ResourceType type;
    std::string_view name;
};
inline bool operator<(const ConfigResource& a, const ConfigResourceView& b) {
    return a.type != b.type ? a.type < b.type : a.name < b.name;
}
inline bool operator<(const ConfigResourceView& a, const ConfigResource& b) {
    return a.type != b.type ? a.type < b.type : a.name < b.name;
}

struct Features {
    std::optional<MetadataVersion> metadata_version;  // none before the bootstrap records
    FeatureLevels levels;  // the other finalized ones, all above 0; kraft.version is never here

    bool operator==(const Features&) const = default;
    std::int16_t level_of(std::string_view feature) const;  // 0: not enabled
    bool elr_enabled() const { return level_of(elr_feature) > 0; }
};

// All that the metadata log says at one offset. Immutable once made; copies and successors share
// what they have in common, and any thread may read it.
struct Image {
    std::int64_t offset = -1;  // of the last record in it
    std::int32_t epoch = -1;   // of the leader that wrote that record

    Features features;
    SortedMap<std::int32_t, Broker> brokers;
    SortedMap<std::int32_t, Controller> controllers;
    Topics topics;
    SortedMap<ConfigResource, config::ConfigMap> configs;
    SortedMap<QuotaEntity, Quotas> quotas;
    std::int64_t next_producer_id = -1;  // -1: no block was given out yet
    SortedMap<Uuid, Acl> acls;
    SortedMap<ScramUser, ScramCredential> scram;
    SortedMap<std::string, DelegationToken> tokens;  // by token id

    // The same content, whatever the offsets.
    bool same_content(const Image& other) const;

    // What is set on a resource itself; empty when nothing is.
    const config::ConfigMap& configs_of(config::ResourceType type, std::string_view name) const;
    const config::ConfigMap& topic_configs(std::string_view topic) const {
        return configs_of(config::ResourceType::topic, topic);
    }
    // Alive and registered: a leader or follower that clients may be sent to.
    const Broker* active_broker(std::int32_t id) const;
};
using ImagePtr = std::shared_ptr<const Image>;

}  // namespace millrace::metadata
