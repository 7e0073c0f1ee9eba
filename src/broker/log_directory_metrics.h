#pragma once

#include <vector>

#include "broker/log_directories.h"
#include "metrics/registry.h"

namespace millrace::broker {

// LogManager's figures of the log directories. Read when they are scraped; lives on shard 0.
class LogDirectoryMetrics {
  public:
    LogDirectoryMetrics(metrics::Registry& registry, LogDirectories& directories,
                        const config::BrokerConfig& config);

  private:
    std::vector<metrics::Registry::Reading> readings_;
};

}  // namespace millrace::broker
