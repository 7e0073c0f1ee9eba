#pragma once

#include <string>

#include "base/scope.h"
#include "config/broker_config.h"
#include "storage/remote/index_cache.h"
#include "storage/remote/remote_reader.h"

namespace millrace::broker {

// The indexes of remote segments that a node has fetched, in its first log directory, and reads by
// them. On shard 0; others call onto it.
class RemoteIndexes {
  public:
    // `config` takes over dynamic values while this lives.
    RemoteIndexes(env::Shard& shard, storage::remote::ObjectStore& store,
                  const config::BrokerConfig& config);
    // Takes over what an earlier run left, and keeps to the bounds from then on.
    Task<Result<>> start();
    Task<void> stop() { return scope_.close(); }

  private:
    Task<void> sweep();

    env::Shard& shard_;
    const config::BrokerConfig& config_;

  public:
    storage::remote::IndexCache cache;
    storage::remote::RemoteReader reader;

  private:
    Scope scope_;
};

}  // namespace millrace::broker
