#include "broker/work_meter.h"

#include <optional>
#include <utility>

#include "base/check.h"
#include "base/pool.h"
#include "base/scope.h"

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
    resumed_ = clock_();
    coroutine.resume();
    before_ = worked();
    co_return;
}

void WorkMeter::post(std::coroutine_handle<> coroutine) { shard_.post(step(coroutine).coroutine); }

Task<net::Reply> WorkMeter::run(Task<net::Reply> task) {
    std::optional<net::Reply> reply;
    auto keep = [&]() -> Task<void> { reply.emplace(co_await std::move(task)); };
    Scope scope(*this);
    resumed_ = clock_();
    scope.spawn(keep());
    before_ = worked();
    co_await scope.join();
    co_return *std::move(reply);
}

}  // namespace millrace::broker
