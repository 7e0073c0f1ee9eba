#pragma once

#include <functional>
#include <map>
#include <string>

#include "client/client_config.h"
#include "client/cluster.h"

namespace millrace::client {

// What became of each item of a call, as Java's admin has a future for each. A call that fails
// altogether gives every item its error.
template <typename Key, typename T = void>
using Outcomes = std::map<Key, Result<T>, std::less<>>;

// What administers a cluster: the functions of admin_topics.h, admin_configs.h, admin_groups.h,
// admin_group_offsets.h, admin_offsets.h and admin_cluster.h take it. Each function takes what it
// is told by value, goes to the nodes that know (the controller, leaders, coordinators, all
// brokers), and repeats what is retriable until default.api.timeout.ms is over. Lives on one shard;
// close() before it is destroyed.
class Admin {
  public:
    Admin(env::Shard& shard, const AdminConfig& config)
        : cluster_(shard, config.cluster()), timeout_(config.api_timeout()) {}
    Task<void> close() { return cluster_.close(); }

    Cluster& cluster() { return cluster_; }
    env::Shard& shard() const { return cluster_.shard(); }
    Duration timeout() const { return timeout_; }
    // Of a call that begins now.
    Time deadline() const { return shard().now() + timeout_; }

  private:
    Cluster cluster_;
    Duration timeout_;
};

}  // namespace millrace::client
