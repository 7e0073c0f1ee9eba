#include "base/cancellation.h"

#include "base/task.h"

namespace millrace {

void Cancellation::request() {
    if (requested_) return;
    requested_ = true;
    List<Cancellation> visited;
    while (Cancellation* child = children_.pop_front()) {
        visited.push_back(*child);
        child->request();
    }
    while (Cancellation* child = visited.pop_front()) children_.push_back(*child);
    List<Wait> told;  // those that go on until their operation ends stay linked
    while (Wait* wait = waits_.pop_front()) {
        told.push_back(*wait);
        wait->cancelled_ = true;
        wait->give_up();
    }
    while (Wait* wait = told.pop_front()) waits_.push_back(*wait);
}

bool Wait::suspend(std::coroutine_handle<> awaiting, Cancellation& cancellation) {
    coroutine_ = awaiting;
    cancellation_ = &cancellation;
    if (cancellation.requested()) {
        cancelled_ = true;
        return false;
    }
    if (!start()) return false;
    // start() may have caused the completion of this very wait; then it is posted already.
    if (coroutine_) cancellation.waits_.push_back(*this);
    return true;
}

void Wait::complete() {
    CHECK(coroutine_);
    unlink();
    cancellation_->executor().post(std::exchange(coroutine_, nullptr));
}

bool detail::TaskPromise::thrown_is_cancelled() noexcept {
    try {
        throw;
    } catch (const Cancelled&) {
        return true;
    }  // noexcept: anything else ends the process where it was thrown
}

}  // namespace millrace
