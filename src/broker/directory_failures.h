#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/lifecycle.h"
#include "broker/log_directories.h"
#include "broker/partition_router.h"

namespace millrace::broker {

// What follows when a log directory fails while the node runs (KIP-112, KIP-858): its replicas go
// offline on every shard and the controller is told. The node cannot go on without any directory,
// without the metadata's, or when the controller does not hear of the failure within
// log.dir.failure.timeout.ms. Lives on shard 0.
class DirectoryFailures {
  public:
    // `end_node` is called, once or more, with what the operator must know.
    DirectoryFailures(PartitionRouter& router, LogDirectories& directories, Lifecycle& lifecycle,
                      const config::BrokerConfig& config, std::function<void(Error)> end_node);
    ~DirectoryFailures();

    // Before the first log is opened.
    void start() { scope_.spawn(run()); }
    // When nothing is written any more.
    Task<void> stop();

  private:
    class Notice;

    Task<void> run();
    Task<void> handle(storage::LogDirectory& directory);
    Task<void> take_offline(const storage::LogDirectory& directory);
    Task<void> tell_controller(const storage::LogDirectory& directory);

    PartitionRouter& router_;
    LogDirectories& directories_;
    Lifecycle& lifecycle_;
    const config::BrokerConfig& config_;
    std::function<void(Error)> end_node_;
    std::vector<std::unique_ptr<Notice>> notices_;
    std::atomic<std::size_t> sent_ = 0;  // by the shards on which a directory was seen to fail
    std::vector<storage::LogDirectory*> failed_;
    Condition changed_;
    Scope scope_;
};

}  // namespace millrace::broker
