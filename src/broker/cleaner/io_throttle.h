#pragma once

#include <cstdint>

#include "base/task.h"
#include "base/time.h"

namespace millrace::env {
class Shard;
}

namespace millrace::broker {

// At most so many bytes a second for all that take from it, in the order they ask; what was not
// used is not saved up. For one shard.
class IoThrottle {
  public:
    IoThrottle(env::Shard& shard, double bytes_a_second);

    // Takes effect on what waits, too.
    void set_rate(double bytes_a_second);
    // Bytes that were moved: ends when it is time for the next ones.
    Task<void> take(std::uint64_t bytes);
    // Most bytes to move at one go, so that the rate holds within a quarter of a second.
    std::uint64_t portion() const;

  private:
    void settle();

    env::Shard& shard_;
    double rate_;
    double taken_ = 0;  // in all
    double paid_ = 0;   // of them
    Time settled_;
};

}  // namespace millrace::broker
