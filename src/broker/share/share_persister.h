#pragma once

#include <cstdint>

#include "broker/controllers.h"
#include "broker/fetchers/broker_links.h"
#include "broker/node.h"
#include "broker/share_states.h"

namespace millrace::broker {

// Asks the share coordinator of a partition's share, in this node or another one, and again while
// it moves or is not there yet. An error that stays is told: coordinator_not_available where it was
// not reached.
class SharePersister {
  public:
    using Coordinator = share::ShareCoordinator;

    struct Ways {
        ShareStates& states;
        PartitionRouter& router;
        MetadataCache& metadata;
        Controllers& controllers;
    };
    SharePersister(env::Shard& shard, const Node& node, const Ways& ways,
                   const config::BrokerConfig& config);

    Task<Coordinator::Outcome> initialize(share::ShareKey key, std::int32_t state_epoch,
                                          share::Offset start);
    Task<Coordinator::Outcome> write(share::ShareKey key, Coordinator::Write what);
    Task<Coordinator::Read> read(share::ShareKey key, std::int32_t leader_epoch);
    Task<Coordinator::Summary> summarize(share::ShareKey key);
    Task<Coordinator::Outcome> remove(share::ShareKey key);
    // Where a partition ends for readers, from its leader: what a group lags behind.
    Task<Result<share::Offset>> end_of(std::string topic, TopicIdPartition id);
    Task<void> stop() { co_await links_.stop(); }

  private:
    // `here(ShareHost&) -> Task<T>`, or `request`, whose one result `read` makes a T of.
    template <typename T, typename Here, typename Request, typename ReadResult>
    Task<T> ask(const share::ShareKey& key, Here here, const Request& request, ReadResult read);
    template <typename T, typename Request, typename ReadResult>
    Task<T> ask_there(std::int32_t broker, const Request& request, ReadResult read);

    env::Shard& shard_;
    const Node& node_;
    Ways ways_;
    BrokerLinks links_;
};

}  // namespace millrace::broker
