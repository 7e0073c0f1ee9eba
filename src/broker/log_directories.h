#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/uuid.h"
#include "storage/log_directory.h"

namespace millrace::config {
class BrokerConfig;
}
namespace millrace::env {
class Shard;
}

namespace millrace::broker {

// Whether a directory gets no new replicas (cordoned.log.dirs, KIP-1066).
bool is_cordoned(const config::BrokerConfig& config, std::string_view path);

// The entries of log.dirs and metadata.log.dir, opened and checked at start. Written on shard 0;
// other shards read what does not change, and make and rename partition directories.
class LogDirectories {
  public:
    // Opens and locks every directory. All must be formatted, for this node and for one cluster; a
    // directory without an id of its own gets one (KIP-858). One that cannot be read is offline as
    // long as another one can be and it is not the metadata's.
    static Result<LogDirectories> open(env::Shard& shard, const config::BrokerConfig& config);

    const std::string& cluster_id() const { return cluster_id_; }
    // Those of log.dirs that could be opened: where partitions are.
    std::vector<std::unique_ptr<storage::LogDirectory>>& all() { return directories_; }
    storage::LogDirectory* find(const Uuid& id);
    storage::LogDirectory* find(std::string_view path);  // as the configuration has it
    // False also for a path that is not in log.dirs.
    bool is_online(std::string_view path);
    // Entries of log.dirs that could not be opened, or have failed since.
    std::size_t offline_count() const;
    std::vector<Uuid> online_ids() const;  // ascending
    std::vector<Uuid> cordoned_ids(const config::BrokerConfig& config) const;

    // Where a new replica goes: the directory that was asked for before it existed, the one that
    // the controller assigned, or else the one with the fewest partitions that is not cordoned.
    // Null: it may lie in a directory that is offline.
    storage::LogDirectory* place(const storage::PartitionName& partition, const Uuid& assigned,
                                 const config::BrokerConfig& config);
    // AlterReplicaLogDirs: where a replica is to be made, should it come to be.
    void prefer(const storage::PartitionName& partition, storage::LogDirectory& directory) {
        preferred_[partition] = &directory;
    }
    void count(storage::LogDirectory& directory, int change) { partitions_[&directory] += change; }

  private:
    Result<> check_meta(storage::LogDirectory& directory, env::Shard& shard,
                        const config::BrokerConfig& config);
    storage::LogDirectory& emptiest(const config::BrokerConfig& config);

    std::string cluster_id_;
    std::size_t unopened_ = 0;
    std::vector<std::unique_ptr<storage::LogDirectory>> directories_;
    std::unique_ptr<storage::LogDirectory> metadata_directory_;  // unless it is one of log.dirs
    std::map<storage::LogDirectory*, int> partitions_;
    std::map<storage::PartitionName, storage::LogDirectory*> preferred_;
};

}  // namespace millrace::broker
