#include "broker/metadata_publisher.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/coordinators/group_hosts.h"
#include "broker/log.h"
#include "env/disk.h"

namespace millrace::broker {

using storage::CheckpointKind;
using storage::PartitionDirectoryKind;

MetadataPublisher::MetadataPublisher(PartitionRouter& router, LogDirectories& directories,
                                     const config::BrokerConfig& static_config,
                                     std::int32_t node_id, std::vector<ShardFollower> followers)
    : router_(router),
      directories_(directories),
      static_config_(static_config),
      config_(static_config),
      node_id_(node_id),
      followers_(std::move(followers)) {}

MetadataPublisher::ByShard MetadataPublisher::no_changes() const {
    ByShard changes(followers_.size());
    for (PartitionChanges& each : changes) each.node = NodeTerms::of(config_);
    return changes;
}

config::TopicConfig MetadataPublisher::config_of(const metadata::Topic& topic) const {
    return config::TopicConfig::effective(config_, image_->topic_configs(topic.name));
}

// Starting -------------------------------------------------------------------------------------

MetadataPublisher::FoundPartitions MetadataPublisher::scan() {
    FoundPartitions found;
    for (const auto& directory : directories_.all()) {
        Result<> scanned = scan(*directory, found);
        if (!scanned) directory->health().fail(scanned.error());
    }
    return found;
}

Result<> MetadataPublisher::scan(storage::LogDirectory& directory, FoundPartitions& found) {
    ASSIGN_OR_RETURN(auto recovery_points, directory.checkpoint(CheckpointKind::recovery_point));
    ASSIGN_OR_RETURN(auto log_starts, directory.checkpoint(CheckpointKind::log_start));
    ASSIGN_OR_RETURN(auto first_dirty, directory.checkpoint(CheckpointKind::cleaner));
    ASSIGN_OR_RETURN(auto partitions, directory.partitions());
    auto offset_in = [](const storage::OffsetCheckpoint& checkpoint,
                        const storage::PartitionName& name) {
        auto entry = checkpoint.find(name);
        return entry == checkpoint.end() ? storage::Offset{0} : entry->second;
    };
    for (const storage::PartitionDirectory& each : partitions) {
        if (each.kind == PartitionDirectoryKind::deleted) {
            deleted_.push_back({&directory, directory.path_of(each.name)});
        }
        if (each.kind != PartitionDirectoryKind::live || !each.topic_id) continue;
        found[{*each.topic_id, each.partition.partition}] = {
            &directory,
            {.path = directory.path_of(each.partition),
             .log_start = offset_in(log_starts, each.partition),
             .recovery_point = offset_in(recovery_points, each.partition),
             .first_dirty = first_dirty.contains(each.partition)
                                ? std::optional(offset_in(first_dirty, each.partition))
                                : std::nullopt,
             .clean_shutdown = directory.clean_shutdown(),
             .pages_in_doubt = directory.pages_in_doubt()}};
    }
    return {};
}

void MetadataPublisher::set_stray_aside(FoundPartitions& found) {
    for (auto at = found.begin(); at != found.end();) {
        const metadata::Partition* state =
            image_->topics.find(at->first.topic_id, at->first.partition);
        if (state != nullptr && metadata::contains(state->replicas, node_id_)) {
            ++at;
            continue;
        }
        const std::string& path = at->second.origin.path;
        std::string name = path.substr(path.rfind('/') + 1);
        std::size_t dash = name.rfind('-');
        LOG_WARN("{} is set aside as stray: the cluster does not place it here", path);
        Result<std::string> renamed = at->second.directory->rename_stray(
            {name.substr(0, dash), at->first.partition}, router_.here().random());
        if (!renamed) at->second.directory->health().fail(renamed.error());
        at = found.erase(at);
    }
}

Task<Result<>> MetadataPublisher::start(metadata::ImagePtr image) {
    image_ = std::move(image);
    std::vector<std::string> rejected;
    config_ = static_config_.with_dynamic(
        image_->configs_of(config::ResourceType::broker, ""),
        image_->configs_of(config::ResourceType::broker, std::to_string(node_id_)), rejected);
    FoundPartitions found = scan();
    set_stray_aside(found);
    ByShard changes = no_changes();
    changes[0].deleted = std::move(deleted_);
    for (const auto& [name, topic] : image_->topics.by_name()) {
        for (const auto& [index, partition] : topic->partitions) {
            if (!metadata::contains(partition->replicas, node_id_)) continue;
            open(*topic, index, *partition, found[{topic->id, index}], changes);
        }
    }
    co_await apply(std::move(changes));
    for (const auto& directory : directories_.all()) {
        Result<> cleared = directory->clear_clean_shutdown();
        if (!cleared) directory->health().fail(cleared.error());
    }
    co_await show(image_);
    co_return Result<>{};
}

void MetadataPublisher::open(const metadata::Topic& topic, std::int32_t index,
                             const metadata::Partition& state, Found found, ByShard& changes) {
    TopicIdPartition id{topic.id, index};
    auto shard = static_cast<std::size_t>(router_.owner(id));
    if (found.directory == nullptr) {
        found.directory =
            directories_.place({topic.name, index}, state.directory_of(node_id_), config_);
    }
    if (found.directory == nullptr) {
        LOG_WARN("{}-{} is offline: its log directory is", topic.name, index);
        placements_[id] = nullptr;
        changes[shard].offline.push_back({id});
        return;
    }
    directories_.count(*found.directory, 1);
    placements_[id] = found.directory;
    changed_.push_back(id);
    changes[shard].openings.push_back({.identity = {topic.name, topic.id, index},
                                       .directory = found.directory,
                                       .origin = std::move(found.origin),
                                       .state = state,
                                       .config = config_of(topic)});
}

// Following ------------------------------------------------------------------------------------

Task<void> MetadataPublisher::publish(metadata::ImagePtr image) {
    metadata::Changes changes = metadata::diff(*image_, *image);
    image_ = std::move(image);
    ByShard replaced = no_changes();  // by topics of the same names, in the same directories
    ByShard first = no_changes();
    ByShard last = no_changes();
    note_configs(changes, first);
    for (const metadata::TopicChange& change : changes.topics) {
        bool is_replaced = change.deleted() &&
                           image_->topics.find(std::string_view(change.topic().name)) != nullptr;
        note(change, first, is_replaced ? replaced : last);
    }
    co_await remove(std::move(replaced));
    co_await apply(std::move(first));
    co_await show(image_);
    co_await remove(std::move(last));
    co_await forget_topics(changes);
}

void MetadataPublisher::note(const metadata::TopicChange& change, ByShard& first, ByShard& last) {
    const metadata::Topic& topic = change.topic();
    for (const metadata::PartitionChange& each : change.partitions) {
        TopicIdPartition id{topic.id, each.index};
        auto shard = static_cast<std::size_t>(router_.owner(id));
        auto placed = placements_.find(id);
        bool ours = each.after && metadata::contains(each.after->replicas, node_id_);
        if (ours && placed == placements_.end()) {
            open(topic, each.index, *each.after, {}, first);
        } else if (ours) {
            changed_.push_back(id);
            first[shard].updates.push_back({id, *each.after});
        } else if (placed != placements_.end()) {
            if (placed->second != nullptr) directories_.count(*placed->second, -1);
            last[shard].removals.push_back({id, placed->second});
            placements_.erase(placed);
        }
    }
}

void MetadataPublisher::note_configs(const metadata::Changes& changes, ByShard& first) {
    bool of_broker = false;
    for (const metadata::ConfigResource& resource : changes.configs) {
        if (resource.type == config::ResourceType::broker) {
            of_broker |= resource.name.empty() || resource.name == std::to_string(node_id_);
        } else if (resource.type == config::ResourceType::topic && !of_broker) {
            const metadata::Topic* topic = image_->topics.find(std::string_view(resource.name));
            if (topic != nullptr) reconfigure(*topic, first);
        }
    }
    if (!of_broker) return;
    std::vector<std::string> rejected;
    config_ = static_config_.with_dynamic(
        image_->configs_of(config::ResourceType::broker, ""),
        image_->configs_of(config::ResourceType::broker, std::to_string(node_id_)), rejected);
    for (const std::string& reason : rejected) LOG_WARN("{}", reason);
    for (PartitionChanges& each : first) each.node = NodeTerms::of(config_);
    for (const auto& [name, topic] : image_->topics.by_name()) reconfigure(*topic, first);
}

void MetadataPublisher::reconfigure(const metadata::Topic& topic, ByShard& changes) {
    config::TopicConfig config = config_of(topic);
    for (const auto& [index, partition] : topic.partitions) {
        TopicIdPartition id{topic.id, index};
        if (!placements_.contains(id)) continue;
        changes[static_cast<std::size_t>(router_.owner(id))].configurations.push_back({id, config});
    }
}

Task<void> MetadataPublisher::apply(ByShard changes) {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (std::size_t shard = 0; shard < changes.size(); ++shard) {
            if (changes[shard].empty()) continue;
            scope.spawn(router_.on(static_cast<int>(shard), [&changes, shard](Partitions& there) {
                return there.apply(std::move(changes[shard]));
            }));
        }
        co_await scope.join();
    });
}

Task<void> MetadataPublisher::remove(ByShard changes) {
    bool any = std::ranges::any_of(
        changes, [](const PartitionChanges& each) { return !each.removals.empty(); });
    if (!any) co_return;
    co_await apply(std::move(changes));
    if (after_removals_) co_await after_removals_();
}

Task<void> MetadataPublisher::show(metadata::ImagePtr image) {
    config::BrokerConfig config = config_;
    for (std::size_t shard = 0; shard < followers_.size(); ++shard) {
        ShardFollower& follower = followers_[shard];
        co_await router_.on(static_cast<int>(shard), [&](Partitions&) -> Task<void> {
            *follower.config = config;
            follower.metadata->publish(image);
            co_return;
        });
    }
}

Task<void> MetadataPublisher::forget_topics(const metadata::Changes& changes) {
    std::set<std::string> gone;
    for (const metadata::TopicChange& change : changes.topics) {
        if (change.deleted()) gone.insert(change.topic().name);
    }
    if (gone.empty()) co_return;
    for (std::size_t shard = 0; shard < followers_.size(); ++shard) {
        GroupHosts* groups = followers_[shard].groups;
        co_await router_.on(static_cast<int>(shard),
                            [&](Partitions&) { return groups->forget_topics(gone); });
    }
}

}  // namespace millrace::broker
