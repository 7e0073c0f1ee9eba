#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/task.h"

namespace millrace::broker {

class Controllers;
class MetadataCache;

// Producer ids of one shard, from blocks that the controller gives out (KIP-730).
class ProducerIds {
  public:
    ProducerIds(Controllers& controllers, MetadataCache& metadata, std::int32_t node_id)
        : controllers_(controllers), metadata_(metadata), node_id_(node_id) {}

    // coordinator_load_in_progress while the controller gives out no block, as Apache answers.
    Task<Result<std::int64_t>> next();

  private:
    Task<Result<>> fetch_block();

    Controllers& controllers_;
    MetadataCache& metadata_;
    std::int32_t node_id_;
    std::int64_t next_ = 0;
    std::int64_t end_ = 0;
};

}  // namespace millrace::broker
