#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "storage/meta_properties.h"

namespace millrace::env {
class Disk;
}
namespace millrace::config {
class BrokerConfig;
}

namespace millrace::quorum {

// log.dirs and metadata.log.dir, and what their meta.properties say. Sorted by path.
struct NodeDirectories {
    std::map<std::string, storage::MetaProperties> formatted;
    std::set<std::string> unformatted;  // or missing
    std::map<std::string, Error> unreadable;

    static NodeDirectories load(env::Disk& disk, const config::BrokerConfig& config);
    // That all are of this node: error inconsistent_cluster_id with Apache's sentence.
    Result<> verify(const std::string& cluster_id, std::int32_t node_id) const;
};

// Paths, without doubles.
std::set<std::string> directories_of(const config::BrokerConfig& config);
std::string meta_properties_path(const std::string& directory);

}  // namespace millrace::quorum
