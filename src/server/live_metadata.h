#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "client/admin.h"
#include "quorum/metadata_observer.h"
#include "server/shell_source.h"

namespace millrace::server {

// Where metadata-shell finds a cluster that runs.
struct LiveAddress {
    std::string bootstrap_server;      // brokers, as HOST:PORT, separated by commas
    std::string bootstrap_controller;  // or controllers
    std::string command_config;        // a file of properties for the client
    std::string cluster_id;            // the cluster that it has to be; empty: any
};

// The metadata of a cluster that runs, from its controllers. close() before it is destroyed.
class LiveMetadata {
  public:
    // Brokers are asked where the controllers are; these are reached with the same properties.
    // Errors: invalid_config for properties that cannot be used, else what the cluster says.
    static Task<Result<std::unique_ptr<LiveMetadata>>> open(env::Shard& shard, LiveAddress address);
    Task<void> close() { return admin_.close(); }

    // What is committed by now. Errors of MetadataObserver.
    Task<Result<ShellSource>> read();
    // Sentences about properties that have no effect.
    const std::vector<std::string>& warnings() const { return warnings_; }

    LiveMetadata(env::Shard& shard, const client::AdminConfig& config,
                 std::optional<std::string> cluster_id)
        : admin_(shard, config),
          observer_(admin_.cluster(), std::move(cluster_id)),
          warnings_(config.warnings()) {}

  private:
    client::Admin admin_;
    quorum::MetadataObserver observer_;
    std::vector<std::string> warnings_;
};

}  // namespace millrace::server
