#pragma once

#include <cstdint>

#include "base/task.h"
#include "base/time.h"

namespace millrace::env {
class Shard;
}

namespace millrace::cli {

// Holds back whoever has done more than `rate` a second since it was made; a negative rate lets
// everybody go, and 0 nobody on, once the first is done.
class Pace {
  public:
    Pace(env::Shard& shard, double rate);

    // Also gives way now and then: what is produced without a pause would leave only when memory is
    // full.
    Task<void> after(std::int64_t done);

  private:
    env::Shard& shard_;
    double rate_;
    Time began_;
};

}  // namespace millrace::cli
