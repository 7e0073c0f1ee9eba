#pragma once

#include <coroutine>
#include <deque>

#include "base/executor.h"

namespace millrace {

// Runs what is ready, in order, when the test says so.
class Loop final : public Executor {
  public:
    void post(std::coroutine_handle<> coroutine) override { ready_.push_back(coroutine); }
    void run() {
        while (!ready_.empty()) {
            auto next = ready_.front();
            ready_.pop_front();
            next.resume();
        }
    }

  private:
    std::deque<std::coroutine_handle<>> ready_;
};

}  // namespace millrace
