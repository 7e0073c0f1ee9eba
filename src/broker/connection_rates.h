#pragma once

#include <string>

#include "broker/metadata_cache.h"
#include "core/quotas/counters.h"
#include "core/quotas/limits.h"
#include "core/quotas/rate.h"

namespace millrace::broker {

// How many connections a second come from each address, against its quota (KIP-612). Of all shards;
// lives on shard 0.
class ConnectionRates {
  public:
    ConnectionRates(const MetadataCache& metadata, quotas::Window window)
        : metadata_(metadata), window_(window) {}

    // Counts a new connection. Zero: it may stay; otherwise how long its client is to wait, and it
    // does not count.
    Duration throttle(const std::string& host, Time now);

  private:
    const MetadataCache& metadata_;
    quotas::Window window_;
    quotas::Table table_;  // that limits_ were made of
    quotas::ConnectionLimits limits_;
    quotas::Counters<quotas::Rate, config::IpAddress> rates_;
};

}  // namespace millrace::broker
