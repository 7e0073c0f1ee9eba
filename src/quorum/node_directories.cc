#include "quorum/node_directories.h"

#include <fmt/format.h>
#include <utility>

#include "config/broker_config.h"
#include "env/disk.h"

namespace millrace::quorum {
namespace {

auto refuse(std::string message) {
    return fail(ErrorCode::inconsistent_cluster_id, std::move(message));
}

Result<storage::MetaProperties> read_meta(env::Disk& disk, const std::string& path) {
    ASSIGN_OR_RETURN(std::string text, env::read_file(disk, path));
    return storage::MetaProperties::parse(text, path);
}

}  // namespace

std::set<std::string> directories_of(const config::BrokerConfig& config) {
    const auto& listed = config.log_directories();
    std::set<std::string> directories(listed.begin(), listed.end());
    directories.insert(config.metadata_directory());
    return directories;
}

std::string meta_properties_path(const std::string& directory) {
    return fmt::format("{}/meta.properties", directory);
}

NodeDirectories NodeDirectories::load(env::Disk& disk, const config::BrokerConfig& config) {
    NodeDirectories directories;
    for (const std::string& directory : directories_of(config)) {
        std::string path = meta_properties_path(directory);
        if (!disk.exists(path)) {
            directories.unformatted.insert(directory);
            continue;
        }
        auto meta = read_meta(disk, path);
        if (meta) {
            directories.formatted.emplace(directory, *std::move(meta));
        } else {
            directories.unreadable.emplace(directory, std::move(meta).error());
        }
    }
    return directories;
}

Result<> NodeDirectories::verify(const std::string& cluster_id, std::int32_t node_id) const {
    std::map<Uuid, std::string> owners;
    for (const auto& [directory, meta] : formatted) {
        std::string path = meta_properties_path(directory);
        if (meta.cluster_id && *meta.cluster_id != cluster_id) {
            return refuse(fmt::format("Invalid cluster.id in: {}. Expected {}, but read {}", path,
                                      cluster_id, *meta.cluster_id));
        }
        if (meta.node_id && *meta.node_id != node_id) {
            return refuse(fmt::format(
                "Stored node id {} doesn't match previous node id {} in {}. If you moved your "
                "data, make sure your configured node id matches. If you intend to create a new "
                "node, you should remove all data in your data directories.",
                *meta.node_id, node_id, path));
        }
        if (!meta.directory_id) continue;
        auto [owner, first] = owners.emplace(*meta.directory_id, directory);
        if (!first) {
            return refuse(
                fmt::format("Duplicate directory ID {} found. It was the ID of {}, but also of {}",
                            meta.directory_id->to_string(), owner->second, directory));
        }
    }
    return {};
}

}  // namespace millrace::quorum
