#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/task.h"

namespace millrace::broker {

class Controllers;

// Producer ids of one shard, from blocks that the controller gives out (KIP-730).
class ProducerIds {
  public:
    ProducerIds(Controllers& controllers, std::int32_t node_id)
        : controllers_(controllers), node_id_(node_id) {}

    Task<Result<std::int64_t>> next();

  private:
    Controllers& controllers_;
    std::int32_t node_id_;
    std::int64_t next_ = 0;
    std::int64_t end_ = 0;
};

}  // namespace millrace::broker
