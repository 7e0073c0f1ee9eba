#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "storage/log_directory.h"

namespace millrace::config {
class BrokerConfig;
}
namespace millrace::metadata {
struct Partition;
}

namespace millrace::broker {

// The entries of log.dirs and metadata.log.dir, opened and checked at start. Written on shard 0;
// other shards read what does not change, and make and rename partition directories.
class LogDirectories {
  public:
    // Opens and locks every directory. All must be formatted, for this node and for one cluster.
    // A directory that cannot be read is told in `offline` as long as another one can be.
    static Result<LogDirectories> open(env::Disk& disk, const config::BrokerConfig& config,
                                       std::vector<std::string>& offline);

    const std::string& cluster_id() const { return cluster_id_; }
    // Those of log.dirs: where partitions are.
    std::vector<std::unique_ptr<storage::LogDirectory>>& all() { return directories_; }
    storage::LogDirectory* find(const Uuid& id);
    storage::LogDirectory* find(std::string_view path);  // as the configuration has it
    // Where a new replica goes: the directory the controller chose, or else the one with the
    // fewest partitions.
    storage::LogDirectory& place(const Uuid& assigned);
    void count(storage::LogDirectory& directory, int change) { partitions_[&directory] += change; }
    std::vector<Uuid> online_ids() const;

  private:
    std::string cluster_id_;
    std::vector<std::unique_ptr<storage::LogDirectory>> directories_;
    std::unique_ptr<storage::LogDirectory> metadata_directory_;  // unless it is one of log.dirs
    std::map<storage::LogDirectory*, int> partitions_;
};

}  // namespace millrace::broker
