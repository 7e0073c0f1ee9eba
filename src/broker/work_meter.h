#pragma once

#include <coroutine>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/executor.h"
#include "base/scope.h"
#include "base/task.h"
#include "base/time.h"
#include "env/shard.h"
#include "net/request.h"

namespace millrace::broker {

// Measures how long this node's shards work on one request: from each time that its coroutines are
// resumed until they wait again. It belongs to the shard of the connection; what is measured_on()
// another one, that shard tells with its answer. What a loop does for many at its turn's end, and
// what helper threads do, is not measured.
class WorkMeter final : public Executor, public net::WorkClock {
  public:
    // Reads a clock that goes on during a loop turn, on any shard; none: that of the shard.
    using Clock = std::function<Time()>;
    WorkMeter(env::Shard& shard, const Clock& clock) : shard_(shard), clock_(clock) {}

    // Runs the task, once; the meter lives until it has ended.
    template <typename T>
    Task<T> run(Task<T> task);
    // The meter of who runs on `executor`, which is nullptr or a meter of this shard's.
    static WorkMeter* of(Executor& executor, env::Shard& shard) {
        return &executor == &shard ? nullptr : dynamic_cast<WorkMeter*>(&executor);
    }
    // `function(Shard& there) -> Task<T>` on shard `to`, measured there, too.
    template <typename Function>
    auto measured_on(int to, Function function) -> std::invoke_result_t<Function&, env::Shard&>;

    void post(std::coroutine_handle<> coroutine) override;
    Duration worked() const override { return before_ + (now() - resumed_); }

  private:
    struct Step;
    Step step(std::coroutine_handle<> coroutine);
    Time now() const { return clock_ ? clock_() : shard_.now(); }

    env::Shard& shard_;
    const Clock& clock_;
    Duration before_;  // until it waited last
    Time resumed_;
};

template <typename T>
Task<T> WorkMeter::run(Task<T> task) {
    constexpr bool gives = !std::is_void_v<T>;
    std::optional<std::conditional_t<gives, T, bool>> value;
    auto keep = [&]() -> Task<void> {
        if constexpr (gives) {
            value.emplace(co_await std::move(task));
        } else {
            co_await std::move(task);
        }
    };
    Scope scope(*this);
    resumed_ = now();
    scope.spawn(keep());
    before_ = worked();
    co_await scope.join();
    if constexpr (gives) co_return *std::move(value);
}

template <typename Function>
auto WorkMeter::measured_on(int to, Function function)
    -> std::invoke_result_t<Function&, env::Shard&> {
    using T = typename std::invoke_result_t<Function&, env::Shard&>::Value;
    Duration there;
    auto measured = [&](env::Shard& shard) -> Task<T> {
        WorkMeter meter(shard, clock_);
        if constexpr (std::is_void_v<T>) {
            co_await meter.run(function(shard));
            there = meter.before_;
        } else {
            T value = co_await meter.run(function(shard));
            there = meter.before_;
            co_return value;
        }
    };
    if constexpr (std::is_void_v<T>) {
        co_await env::call_on(shard_, to, measured);
        before_ = before_ + there;
    } else {
        T value = co_await env::call_on(shard_, to, measured);
        before_ = before_ + there;
        co_return value;
    }
}

// env::call_on, measured where the caller is.
template <typename Function>
auto measured_call_on(env::Shard& from, int to, Function function)
    -> std::invoke_result_t<Function&, env::Shard&> {
    WorkMeter* meter = nullptr;
    if (from.id() != to) meter = WorkMeter::of((co_await current_cancellation()).executor(), from);
    if (meter != nullptr) co_return co_await meter->measured_on(to, std::move(function));
    co_return co_await env::call_on(from, to, std::move(function));
}

}  // namespace millrace::broker
