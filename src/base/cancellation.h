#pragma once

#include <coroutine>

#include "base/executor.h"
#include "base/list.h"

namespace millrace {

// Thrown from a co_await whose Cancellation was requested. Let it fly; never swallow it.
struct Cancelled {};

class Wait;

// What a group of coroutines is cancelled by: one executor, the waits that are suspended under it,
// and the cancellations below it.
class Cancellation : public ListNode {
  public:
    explicit Cancellation(Executor& executor) : executor_(executor) {}
    // Requested when the parent is.
    explicit Cancellation(Cancellation& parent) : executor_(parent.executor_) {
        parent.children_.push_back(*this);
        requested_ = parent.requested_;
    }

    Executor& executor() const { return executor_; }
    bool requested() const { return requested_; }
    // Wakes every wait under it with Cancelled; later waits throw at once. Twice is once.
    void request();

  private:
    friend class Wait;
    Executor& executor_;
    bool requested_ = false;
    List<Wait> waits_;
    List<Cancellation> children_;
};

// The base of every leaf awaiter: one coroutine that is suspended until one thing happens.
//
// `start()` begins the operation. It returns false when it is complete already; otherwise
// `complete()` is called exactly once afterwards, on the executor's thread. `give_up()` is told of
// a cancellation while waiting: an operation that can stop does so and calls complete(); one that
// cannot returns and completes as ever. await_resume() of the derived awaiter calls
// throw_if_cancelled() first unless it must hand over what it got.
class Wait : public ListNode {
  public:
    bool await_ready() const noexcept { return false; }
    template <typename P>
    bool await_suspend(std::coroutine_handle<P> awaiting) {
        return suspend(awaiting, *awaiting.promise().cancellation);
    }

    // Posts the waiting coroutine to its executor.
    void complete();

  protected:
    Wait() = default;
    ~Wait() = default;

    virtual bool start() = 0;
    virtual void give_up() = 0;
    // Whether the wait ended, or never began, because of a cancellation.
    bool was_cancelled() const { return cancelled_; }
    void throw_if_cancelled() const {
        if (cancelled_) throw Cancelled{};
    }
    Executor& executor() const { return cancellation_->executor(); }

  private:
    friend class Cancellation;
    bool suspend(std::coroutine_handle<> awaiting, Cancellation& cancellation);

    std::coroutine_handle<> coroutine_;
    Cancellation* cancellation_ = nullptr;
    bool cancelled_ = false;
};

}  // namespace millrace
