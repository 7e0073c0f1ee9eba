#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/cancellation.h"
#include "base/check.h"
#include "base/pool.h"

namespace millrace {

// Task<T>: a lazily started coroutine with one awaiter, which it resumes by symmetric transfer. It
// runs on its awaiter's executor and under its awaiter's Cancellation. Cancelled is the only
// exception that leaves it; any other is a bug and stops the process.
template <typename T = void>
class [[nodiscard]] Task;

namespace detail {

class TaskPromise : public PooledFrame {
  public:
    std::suspend_always initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept {
        struct Return {
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<>) noexcept { return to; }
            void await_resume() noexcept {}
            std::coroutine_handle<> to;
        };
        return Return{continuation};
    }
    void unhandled_exception() noexcept { cancelled = thrown_is_cancelled(); }

    Cancellation* cancellation = nullptr;
    std::coroutine_handle<> continuation;
    bool cancelled = false;

  private:
    static bool thrown_is_cancelled() noexcept;
};

template <typename T>
class Promise : public TaskPromise {
  public:
    Task<T> get_return_object() noexcept;
    template <typename U>
    void return_value(U&& value) {
        result.emplace(std::forward<U>(value));
    }
    T take() { return *std::move(result); }
    std::optional<T> result;
};

template <>
class Promise<void> : public TaskPromise {
  public:
    Task<void> get_return_object() noexcept;
    void return_void() noexcept {}
    void take() noexcept {}
};

}  // namespace detail

template <typename T>
class [[nodiscard]] Task {
  public:
    using promise_type = detail::Promise<T>;
    using Value = T;

    Task() = default;
    Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    ~Task() {
        if (coroutine_) coroutine_.destroy();
    }

    // Runs it under another Cancellation than its awaiter's.
    Task under(Cancellation& cancellation) && {
        coroutine_.promise().cancellation = &cancellation;
        return std::move(*this);
    }

    auto operator co_await() && noexcept { return Awaiter{coroutine_}; }

  private:
    friend promise_type;
    explicit Task(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}

    struct Awaiter {
        bool await_ready() const noexcept { return false; }
        template <typename P>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<P> awaiting) noexcept {
            auto& promise = coroutine.promise();
            promise.continuation = awaiting;
            if (promise.cancellation == nullptr)
                promise.cancellation = awaiting.promise().cancellation;
            return coroutine;
        }
        T await_resume() {
            if (coroutine.promise().cancelled) throw Cancelled{};
            return coroutine.promise().take();
        }
        std::coroutine_handle<promise_type> coroutine;
    };

    std::coroutine_handle<promise_type> coroutine_;
};

namespace detail {

template <typename T>
Task<T> Promise<T>::get_return_object() noexcept {
    return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
    return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

}  // namespace detail

// co_await current_cancellation(): what the calling coroutine runs under (and so its executor).
struct CurrentCancellation {
    bool await_ready() const noexcept { return false; }
    template <typename P>
    bool await_suspend(std::coroutine_handle<P> awaiting) noexcept {
        cancellation = awaiting.promise().cancellation;
        return false;
    }
    Cancellation& await_resume() const noexcept { return *cancellation; }
    Cancellation* cancellation = nullptr;
};
inline CurrentCancellation current_cancellation() { return {}; }

}  // namespace millrace
