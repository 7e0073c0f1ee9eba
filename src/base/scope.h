#pragma once

#include <cstddef>
#include <utility>

#include "base/task.h"

namespace millrace {

// Owns the tasks it spawns: they end before it does. An object with background tasks holds a
// Scope and its owner awaits close() before destroying it; a coroutine uses with_scope().
class Scope {
  public:
    explicit Scope(Executor& executor) : cancellation_(executor) {}
    explicit Scope(Cancellation& parent) : cancellation_(parent) {}
    Scope(const Scope&) = delete;
    ~Scope() { CHECK(running_ == 0); }

    // Runs the task now, up to where it first waits.
    void spawn(Task<void> task);
    // Asks all tasks to end; returns at once.
    void cancel() { cancellation_.request(); }
    // Waits until every task has ended; when the caller is cancelled the tasks are, too.
    Task<void> join();
    // cancel() and join().
    Task<void> close();

    std::size_t running() const { return running_; }
    Cancellation& cancellation() { return cancellation_; }
    Executor& executor() const { return cancellation_.executor(); }

  private:
    class Join;
    struct Spawned;
    static Spawned run(Scope& scope, Task<void> task);
    void ended();

    Cancellation cancellation_;
    std::size_t running_ = 0;
    Join* join_ = nullptr;
};

// Runs `body(scope)`; when it returns or is cancelled, cancels and joins what it spawned.
template <typename Body>
auto with_scope(Body body) -> decltype(body(std::declval<Scope&>())) {
    using T = typename decltype(body(std::declval<Scope&>()))::Value;
    Cancellation& current = co_await current_cancellation();
    Scope scope(current);
    bool cancelled = false;
    if constexpr (std::is_void_v<T>) {
        try {
            co_await body(scope);
        } catch (const Cancelled&) {
            cancelled = true;
        }
        co_await scope.close();
        if (cancelled) throw Cancelled{};
    } else {
        std::optional<T> result;
        try {
            result.emplace(co_await body(scope));
        } catch (const Cancelled&) {
            cancelled = true;
        }
        co_await scope.close();
        if (cancelled) throw Cancelled{};
        co_return *std::move(result);
    }
}

}  // namespace millrace
