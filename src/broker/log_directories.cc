#include "broker/log_directories.h"

#include <algorithm>
#include <fmt/core.h>

#include "base/random.h"
#include "broker/log.h"
#include "config/broker_config.h"
#include "core/metadata/partition.h"
#include "env/shard.h"

namespace millrace::broker {

using storage::LogDirectory;

bool is_cordoned(const config::BrokerConfig& config, std::string_view path) {
    return std::ranges::any_of(config.cordoned_log_dirs(), [&](const std::string& each) {
        return each == "*" || each == path;
    });
}

Result<> LogDirectories::check_meta(LogDirectory& directory, env::Shard& shard,
                                    const config::BrokerConfig& config) {
    const auto& meta = directory.meta();
    if (!meta || !meta->cluster_id) {
        return fail(ErrorCode::inconsistent_cluster_id,
                    fmt::format("{} is not formatted: run 'millrace storage format' with this "
                                "node's configuration first",
                                directory.path()));
    }
    if (meta->node_id && *meta->node_id != config.node_id()) {
        return fail(ErrorCode::inconsistent_cluster_id,
                    fmt::format("{} belongs to node {}, and node.id is {}", directory.path(),
                                *meta->node_id, config.node_id()));
    }
    if (!cluster_id_.empty() && cluster_id_ != *meta->cluster_id) {
        return fail(ErrorCode::inconsistent_cluster_id,
                    fmt::format("{} belongs to cluster {}, another of log.dirs to {}",
                                directory.path(), *meta->cluster_id, cluster_id_));
    }
    cluster_id_ = *meta->cluster_id;
    if (!meta->directory_id) {
        storage::MetaProperties with_id = *meta;
        do {
            with_id.directory_id = Uuid::random(shard.random());
        } while (metadata::is_reserved_directory(*with_id.directory_id));
        return directory.write_meta(with_id, shard.wall_ms());
    }
    if (const LogDirectory* twin = find(*meta->directory_id)) {
        return fail(ErrorCode::inconsistent_cluster_id,
                    fmt::format("{} and {} have the same directory.id {}: one is a copy of the "
                                "other; take one out of log.dirs",
                                twin->path(), directory.path(), meta->directory_id->to_string()));
    }
    return {};
}

Result<LogDirectories> LogDirectories::open(env::Shard& shard, const config::BrokerConfig& config) {
    LogDirectories opened;
    std::string reason;
    const std::string& of_metadata = config.metadata_directory();
    std::vector<std::string> paths = config.log_directories();
    if (std::ranges::find(paths, of_metadata) == paths.end()) paths.push_back(of_metadata);
    for (const std::string& path : paths) {
        auto directory = LogDirectory::open(shard.disk(), path);
        Result<> usable = directory ? opened.check_meta(**directory, shard, config)
                                    : Result<>(fail(directory.error()));
        if (!usable) {
            bool unreadable = usable.error().code == ErrorCode::kafka_storage_error;
            if (!unreadable || path == of_metadata) return fail(usable.error());
            reason = usable.error().message;
            LOG_ERROR("{} is offline until the node is started anew: {}", path, reason);
            ++opened.unopened_;
            continue;
        }
        bool of_its_own = path == of_metadata && paths.size() > config.log_directories().size();
        if (of_its_own) {
            opened.metadata_directory_ = std::move(*directory);
        } else {
            opened.directories_.push_back(std::move(*directory));
        }
    }
    if (opened.directories_.empty()) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("none of log.dirs can be used: {}", reason));
    }
    return opened;
}

LogDirectory* LogDirectories::find(const Uuid& id) {
    for (auto& directory : directories_) {
        if (directory->meta()->directory_id == id) return directory.get();
    }
    return nullptr;
}

LogDirectory* LogDirectories::find(std::string_view path) {
    for (auto& directory : directories_) {
        if (directory->path() == path) return directory.get();
    }
    if (metadata_directory_ && metadata_directory_->path() == path) {
        return metadata_directory_.get();
    }
    return nullptr;
}

bool LogDirectories::is_online(std::string_view path) {
    return std::ranges::any_of(directories_, [&](const auto& directory) {
        return directory->path() == path && !directory->health().failed();
    });
}

std::size_t LogDirectories::offline_count() const {
    auto failed = [](const auto& directory) { return directory->health().failed(); };
    return unopened_ + static_cast<std::size_t>(std::ranges::count_if(directories_, failed));
}

LogDirectory* LogDirectories::place(const storage::PartitionName& partition, const Uuid& assigned,
                                    const config::BrokerConfig& config) {
    auto preferred = preferred_.find(partition);
    if (preferred != preferred_.end()) {
        LogDirectory* directory = preferred->second;
        preferred_.erase(preferred);
        if (!directory->health().failed()) return directory;
    }
    LogDirectory* directory = find(assigned);
    if (directory != nullptr && !directory->health().failed()) return directory;
    if (assigned != metadata::unassigned_directory && offline_count() > 0) return nullptr;
    return &emptiest(config);
}

LogDirectory& LogDirectories::emptiest(const config::BrokerConfig& config) {
    auto rank = [&](const auto& directory) {
        int avoided = directory->health().failed() ? 2 : 0;
        if (is_cordoned(config, directory->path())) avoided += 1;
        return std::pair(avoided, partitions_[directory.get()]);
    };
    return **std::ranges::min_element(directories_, {}, rank);
}

std::vector<Uuid> LogDirectories::online_ids() const {
    std::vector<Uuid> ids;
    for (const auto& directory : directories_) {
        if (!directory->health().failed()) ids.push_back(*directory->meta()->directory_id);
    }
    std::ranges::sort(ids);
    return ids;
}

std::vector<Uuid> LogDirectories::cordoned_ids(const config::BrokerConfig& config) const {
    std::vector<Uuid> ids;
    for (const auto& directory : directories_) {
        if (is_cordoned(config, directory->path())) ids.push_back(*directory->meta()->directory_id);
    }
    return ids;
}

}  // namespace millrace::broker
