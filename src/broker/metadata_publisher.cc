#include "broker/metadata_publisher.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/coordinators/group_hosts.h"
#include "broker/coordinators/share_hosts.h"
#include "broker/log.h"
#include "env/disk.h"

namespace millrace::broker {

using storage::CheckpointKind;
using storage::PartitionDirectoryKind;

MetadataPublisher::MetadataPublisher(PartitionRouter& router, LogDirectories& directories,
                                     const config::BrokerConfig& static_config,
                                     std::int32_t node_id, std::vector<ShardFollower> followers,
                                     NodeLogs& logs)
    : router_(router),
      directories_(directories),
      static_config_(static_config),
      config_(static_config),
      node_id_(node_id),
      followers_(std::move(followers)),
      logs_(logs) {}

MetadataPublisher::ByShard MetadataPublisher::no_changes() const {
    ByShard changes(followers_.size());
    for (PartitionChanges& each : changes) each.node = NodeTerms::of(config_);
    return changes;
}

config::TopicConfig MetadataPublisher::config_of(const metadata::Topic& topic) const {
    return config::TopicConfig::effective(config_, image_->topic_configs(topic.name));
}

// Starting -------------------------------------------------------------------------------------

// A directory that cannot be read is offline like one that fails later.
Result<MetadataPublisher::FoundPartitions> MetadataPublisher::scan() {
    FoundPartitions found;
    for (const auto& directory : directories_.all()) {
        Result<> scanned = scan(*directory, found);
        if (scanned) continue;
        if (scanned.error().code != ErrorCode::kafka_storage_error) return fail(scanned.error());
        directory->health().fail(scanned.error());
    }
    adopt_unidentified(found);
    return found;
}

Result<> MetadataPublisher::scan(storage::LogDirectory& directory, FoundPartitions& found) {
    ASSIGN_OR_RETURN(auto recovery_points, directory.checkpoint(CheckpointKind::recovery_point));
    ASSIGN_OR_RETURN(auto log_starts, directory.checkpoint(CheckpointKind::log_start));
    ASSIGN_OR_RETURN(auto first_dirty, directory.checkpoint(CheckpointKind::cleaner));
    ASSIGN_OR_RETURN(auto high_watermarks, directory.checkpoint(CheckpointKind::high_watermark));
    ASSIGN_OR_RETURN(auto partitions, directory.partitions());
    auto offset_in = [](const storage::OffsetCheckpoint& checkpoint,
                        const storage::PartitionName& name) {
        auto entry = checkpoint.find(name);
        return entry == checkpoint.end() ? storage::Offset{0} : entry->second;
    };
    for (const storage::PartitionDirectory& each : partitions) {
        std::string path = directory.path_of(each.name);
        if (each.kind == PartitionDirectoryKind::deleted) {
            deleted_.push_back({&directory, path});
        } else if (each.kind == PartitionDirectoryKind::stray) {
            LOG_WARN(
                "{} is stray: the cluster did not place it here. It is kept; remove it when "
                "nothing in it is needed",
                path);
        }
        if (each.kind != PartitionDirectoryKind::live &&
            each.kind != PartitionDirectoryKind::future) {
            continue;
        }
        Found one{&directory,
                  {.path = std::move(path),
                   .log_start = offset_in(log_starts, each.partition),
                   .recovery_point = offset_in(recovery_points, each.partition),
                   .first_dirty = first_dirty.contains(each.partition)
                                      ? std::optional(offset_in(first_dirty, each.partition))
                                      : std::nullopt,
                   .clean_shutdown = directory.clean_shutdown(),
                   .pages_in_doubt = directory.pages_in_doubt()},
                  each.partition,
                  offset_in(high_watermarks, each.partition)};
        if (!each.topic_id) {
            unidentified_.push_back({std::move(one), each.kind});
            continue;
        }
        Uuid topic_id = *each.topic_id;
        if (const Uuid* meant = mistaken_for(each)) {
            LOG_WARN("{}/partition.metadata is rotten: it names topic {}, and {} is {}",
                     one.origin.path, topic_id.to_string(), each.partition.topic,
                     meant->to_string());
            topic_id = *meant;
            RETURN_IF_ERROR(directory.write_partition_metadata(one.origin.path, topic_id));
        }
        RETURN_IF_ERROR(
            note({topic_id, each.partition.partition}, std::move(one), each.kind, found));
    }
    return {};
}

Result<> MetadataPublisher::note(const TopicIdPartition& id, Found found,
                                 PartitionDirectoryKind kind, FoundPartitions& all) {
    if (kind == PartitionDirectoryKind::live) return note_live(id, std::move(found), all);
    futures_.push_back({id, std::move(found)});
    return {};
}

// Apache writes partition.metadata without a checksum. A flipped bit of it changes one character of
// the topic's id; the random ids of two topics of a name do not differ by so little.
const Uuid* MetadataPublisher::mistaken_for(const storage::PartitionDirectory& directory) const {
    const metadata::Topic* topic = image_->topics.find(std::string_view(directory.partition.topic));
    if (topic == nullptr || image_->topics.find(*directory.topic_id) != nullptr) return nullptr;
    std::string told = directory.topic_id->to_string();
    std::string known = topic->id.to_string();
    int different = 0;
    for (std::size_t i = 0; i < known.size(); ++i) different += told[i] == known[i] ? 0 : 1;
    return different == 1 ? &topic->id : nullptr;
}

// Rot, or a power cut soon after it was made, leaves a directory that does not say whose it is: it
// is taken for that of the topic of its name, unless another one is.
void MetadataPublisher::adopt_unidentified(FoundPartitions& found) {
    for (Unidentified& each : std::exchange(unidentified_, {})) {
        Found& one = each.found;
        if (one.directory->health().failed()) continue;
        const metadata::Topic* topic = image_->topics.find(std::string_view(one.name.topic));
        TopicIdPartition id{topic == nullptr ? Uuid() : topic->id, one.name.partition};
        bool live = each.kind == PartitionDirectoryKind::live;
        if (topic == nullptr || !is_ours(id) || (live && found.contains(id))) {
            LOG_WARN("{} is set aside as stray: what it belongs to is not known", one.origin.path);
            set_aside(one, "-stray");
            continue;
        }
        one.origin.clean_shutdown = false;  // parts of it may be missing
        Result<> noted = one.directory->write_partition_metadata(one.origin.path, id.topic_id);
        if (noted) noted = note(id, one, each.kind, found);
        if (!noted) one.directory->health().fail(noted.error());
    }
}

Result<> MetadataPublisher::note_live(const TopicIdPartition& id, Found found,
                                      FoundPartitions& all) {
    std::string path = found.origin.path;
    auto [other, first] = all.try_emplace(id, std::move(found));
    if (first) return {};
    return fail(ErrorCode::invalid_config,
                fmt::format("{} and {} hold the same partition, probably since a log directory "
                            "failed while the partition moved between them; which one is whole "
                            "cannot be told: remove the one in the directory that failed last, and "
                            "start the node anew",
                            other->second.origin.path, path));
}

bool MetadataPublisher::is_ours(const TopicIdPartition& id) const {
    const metadata::Partition* state = image_->topics.find(id.topic_id, id.partition);
    return state != nullptr && metadata::contains(state->replicas, node_id_);
}

void MetadataPublisher::set_aside(const Found& found, std::string_view suffix) {
    auto renamed =
        found.directory->set_aside(found.origin.path, found.name, suffix, router_.here().random());
    Result<> synced =
        renamed ? found.directory->sync(router_.here().disk()) : Result<>(fail(renamed.error()));
    if (!synced) found.directory->health().fail(synced.error());
}

void MetadataPublisher::set_stray_aside(FoundPartitions& found) {
    auto set_stray = [&](const Found& each) {
        LOG_WARN("{} is set aside as stray: the cluster does not place it here", each.origin.path);
        set_aside(each, "-stray");
    };
    std::erase_if(found, [&](const auto& each) {
        if (is_ours(each.first)) return false;
        set_stray(each.second);
        return true;
    });
    std::erase_if(futures_, [&](const Future& each) {
        if (is_ours(each.id)) return false;
        set_stray(each.found);
        return true;
    });
}

// Of a partition whose log is there, a copy goes on. Where the log is gone, it had been renamed for
// the copy to take its place, or lies in a directory that failed after the controller had assigned
// the copy's: then the copy is the log (KAFKA-16082).
void MetadataPublisher::sort_futures(FoundPartitions& found) {
    std::vector<Future> going_on;
    std::set<TopicIdPartition> copied;
    for (Future& each : std::exchange(futures_, {})) {
        storage::LogDirectory& directory = *each.found.directory;
        if (directory.health().failed()) continue;
        const metadata::Partition& state =
            *image_->topics.find(each.id.topic_id, each.id.partition);
        bool is_assigned = directory.meta()->directory_id == state.directory_of(node_id_);
        if (!copied.insert(each.id).second) {
            LOG_WARN("{} is the second copy of a partition on its way: it goes",
                     each.found.origin.path);
            set_aside(each.found, "-delete");
        } else if (found.contains(each.id)) {
            going_on.push_back(std::move(each));
        } else if (is_assigned || directories_.offline_count() == 0) {
            promote(each.found);
            if (!directory.health().failed()) found[each.id] = std::move(each.found);
        }
    }
    futures_ = std::move(going_on);
}

void MetadataPublisher::promote(Found& future) {
    LOG_WARN("{} takes the place of the log that it was to replace", future.origin.path);
    env::Disk& disk = router_.here().disk();
    std::string live = future.directory->path_of(future.name);
    if (disk.exists(live)) {  // of a topic that is not known
        set_aside({future.directory, {.path = live}, future.name}, "-stray");
    }
    Result<> renamed = disk.rename(future.origin.path, live);
    if (renamed) renamed = future.directory->sync(disk);
    if (!renamed) future.directory->health().fail(renamed.error());
    future.origin.path = std::move(live);
}

void MetadataPublisher::moved(const TopicIdPartition& id, storage::LogDirectory& to) {
    auto placed = placements_.find(id);
    if (placed == placements_.end()) {
        directories_.count(to, -1);
        return;
    }
    if (placed->second != nullptr) directories_.count(*placed->second, -1);
    placed->second = &to;
    changed_.push_back(id);
}

void MetadataPublisher::begin_with(metadata::ImagePtr image) {
    image_ = std::move(image);
    std::vector<std::string> rejected;
    config_ = static_config_.with_dynamic(
        image_->configs_of(config::ResourceType::broker, ""),
        image_->configs_of(config::ResourceType::broker, std::to_string(node_id_)), rejected);
}

Task<void> MetadataPublisher::start_without_partitions(metadata::ImagePtr image) {
    begin_with(std::move(image));
    co_await show(image_);
}

Task<Result<>> MetadataPublisher::start(metadata::ImagePtr image) {
    begin_with(std::move(image));
    ASSIGN_OR_CO_RETURN(FoundPartitions found, scan());
    set_stray_aside(found);
    sort_futures(found);
    ByShard changes = no_changes();
    changes[0].deleted = std::move(deleted_);
    for (const auto& [name, topic] : image_->topics.by_name()) {
        for (const auto& [index, partition] : topic->partitions) {
            if (!metadata::contains(partition->replicas, node_id_)) continue;
            open(*topic, index, *partition, found[{topic->id, index}], changes);
        }
    }
    co_await logs_.open_found(std::exchange(openings_, {}), config_);
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
    if (found.directory == nullptr) {
        found.directory =
            directories_.place({topic.name, index}, state.directory_of(node_id_), config_);
    }
    if (found.directory == nullptr) {
        LOG_WARN("{}-{} is offline: its log directory is", topic.name, index);
        placements_[id] = nullptr;
        changes[static_cast<std::size_t>(router_.owner(id))].offline.push_back({id});
        return;
    }
    directories_.count(*found.directory, 1);
    placements_[id] = found.directory;
    changed_.push_back(id);
    openings_.push_back({.identity = {topic.name, topic.id, index},
                         .directory = found.directory,
                         .origin = std::move(found.origin),
                         .high_watermark = found.high_watermark,
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
    co_await logs_.open(std::exchange(openings_, {}), config_);
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
            last[shard].removals.push_back({id});
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
            follower.groups->set_image(image);
            follower.share_states->set_image(image);
            follower.metadata->publish(image);
            co_return;
        });
    }
}

Task<void> MetadataPublisher::forget_topics(const metadata::Changes& changes) {
    std::set<std::string> gone;
    std::set<Uuid> gone_ids;
    for (const metadata::TopicChange& change : changes.topics) {
        if (!change.deleted()) continue;
        gone.insert(change.topic().name);
        gone_ids.insert(change.topic().id);
    }
    if (gone.empty()) co_return;
    for (std::size_t shard = 0; shard < followers_.size(); ++shard) {
        ShardFollower& follower = followers_[shard];
        co_await router_.on(static_cast<int>(shard), [&](Partitions&) -> Task<void> {
            co_await follower.groups->forget_topics(gone, gone_ids);
            co_await follower.share_states->forget_topics(gone_ids);
        });
    }
}

}  // namespace millrace::broker
