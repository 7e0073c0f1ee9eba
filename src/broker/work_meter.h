#pragma once

#include <coroutine>
#include <functional>

#include "base/executor.h"
#include "base/task.h"
#include "base/time.h"
#include "env/shard.h"
#include "net/request.h"

namespace millrace::broker {

// Measures how long this shard works on one request: from each time that its coroutines are resumed
// until they wait again. What other shards and helper threads do for it is not measured.
class WorkMeter final : public Executor, public net::WorkClock {
  public:
    // Reads a clock that goes on during a loop turn.
    using Clock = std::function<Time()>;
    WorkMeter(env::Shard& shard, const Clock& clock) : shard_(shard), clock_(clock) {}

    // Runs the task, once; the meter lives until it has ended.
    Task<net::Reply> run(Task<net::Reply> task);

    void post(std::coroutine_handle<> coroutine) override;
    Duration worked() const override { return before_ + (clock_() - resumed_); }

  private:
    struct Step;
    Step step(std::coroutine_handle<> coroutine);

    env::Shard& shard_;
    const Clock& clock_;
    Duration before_;  // until it waited last
    Time resumed_;
};

}  // namespace millrace::broker
