#include "broker/work_meter.h"

#include "base/check.h"
#include "base/pool.h"

namespace millrace::broker {

// What the loop resumes in place of the coroutine; frees itself.
struct WorkMeter::Step {
    struct promise_type : PooledFrame {
        Step get_return_object() noexcept {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { CHECK(false && "no coroutine throws into the loop"); }
    };
    std::coroutine_handle<promise_type> coroutine;
};

// The request may end in resume(), but not the meter: whoever waits for it goes on by the loop.
WorkMeter::Step WorkMeter::step(std::coroutine_handle<> coroutine) {
    resumed_ = now();
    coroutine.resume();
    before_ = worked();
    co_return;
}

void WorkMeter::post(std::coroutine_handle<> coroutine) { shard_.post(step(coroutine).coroutine); }

}  // namespace millrace::broker
