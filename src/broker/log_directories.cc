#include "broker/log_directories.h"

#include <algorithm>
#include <fmt/core.h>

#include "config/broker_config.h"

namespace millrace::broker {
namespace {

Result<> check_meta(const storage::LogDirectory& directory, std::int32_t node_id,
                    std::string& cluster_id) {
    const auto& meta = directory.meta();
    if (!meta || !meta->cluster_id) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("{} is not formatted: run 'millrace storage format' with this "
                                "node's configuration first",
                                directory.path()));
    }
    if (meta->node_id && *meta->node_id != node_id) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("{} belongs to node {}, and node.id is {}", directory.path(),
                                *meta->node_id, node_id));
    }
    if (!cluster_id.empty() && cluster_id != *meta->cluster_id) {
        return fail(ErrorCode::inconsistent_cluster_id,
                    fmt::format("{} belongs to cluster {}, another of log.dirs to {}",
                                directory.path(), *meta->cluster_id, cluster_id));
    }
    cluster_id = *meta->cluster_id;
    return {};
}

}  // namespace

Result<LogDirectories> LogDirectories::open(env::Disk& disk, const config::BrokerConfig& config,
                                            std::vector<std::string>& offline) {
    LogDirectories opened;
    const std::string& of_metadata = config.metadata_directory();
    std::vector<std::string> paths = config.log_directories();
    if (std::ranges::find(paths, of_metadata) == paths.end()) paths.push_back(of_metadata);
    for (const std::string& path : paths) {
        auto directory = storage::LogDirectory::open(disk, path);
        if (!directory) {
            if (path == of_metadata) return fail(directory.error());
            offline.push_back(directory.error().message);
            continue;
        }
        RETURN_IF_ERROR(check_meta(**directory, config.node_id(), opened.cluster_id_));
        bool of_its_own = path == of_metadata && paths.size() > config.log_directories().size();
        if (of_its_own) {
            opened.metadata_directory_ = std::move(*directory);
        } else {
            opened.directories_.push_back(std::move(*directory));
        }
    }
    if (opened.directories_.empty()) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("none of log.dirs can be used: {}", offline.front()));
    }
    return opened;
}

storage::LogDirectory* LogDirectories::find(const Uuid& id) {
    for (auto& directory : directories_) {
        if (directory->meta()->directory_id == id) return directory.get();
    }
    return nullptr;
}

storage::LogDirectory* LogDirectories::find(std::string_view path) {
    for (auto& directory : directories_) {
        if (directory->path() == path) return directory.get();
    }
    if (metadata_directory_ && metadata_directory_->path() == path) {
        return metadata_directory_.get();
    }
    return nullptr;
}

storage::LogDirectory& LogDirectories::place(const Uuid& assigned) {
    if (storage::LogDirectory* directory = find(assigned)) return *directory;
    return **std::ranges::min_element(directories_, {}, [&](const auto& directory) {
        int failed = directory->health().failed() ? 1 << 30 : 0;
        return failed + partitions_[directory.get()];
    });
}

std::vector<Uuid> LogDirectories::online_ids() const {
    std::vector<Uuid> ids;
    for (const auto& directory : directories_) {
        if (!directory->health().failed() && directory->meta()->directory_id) {
            ids.push_back(*directory->meta()->directory_id);
        }
    }
    return ids;
}

}  // namespace millrace::broker
