#pragma once

#include <coroutine>

namespace millrace {

// Where coroutines run: one thread's event loop, or the simulator's scheduler.
class Executor {
  public:
    virtual ~Executor() = default;
    // Resumes the coroutine later, from the loop. Called on the executor's own thread only.
    virtual void post(std::coroutine_handle<> coroutine) = 0;
};

}  // namespace millrace
