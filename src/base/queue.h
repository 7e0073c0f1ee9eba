#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "base/condition.h"

namespace millrace {

// A bounded queue between coroutines of one executor: a full queue holds its pushers back.
template <typename T>
class Queue {
  public:
    explicit Queue(std::size_t capacity) : capacity_(capacity) {}

    // False when the queue is closed.
    Task<bool> push(T item) {
        while (items_.size() >= capacity_ && !closed_) co_await room_.wait();
        if (closed_) co_return false;
        items_.push_back(std::move(item));
        filled_.notify_one();
        co_return true;
    }
    bool try_push(T item) {
        if (closed_ || items_.size() >= capacity_) return false;
        items_.push_back(std::move(item));
        filled_.notify_one();
        return true;
    }
    // Nothing when the queue is closed and empty.
    Task<std::optional<T>> pop() {
        while (items_.empty() && !closed_) co_await filled_.wait();
        co_return try_pop();
    }
    std::optional<T> try_pop() {
        if (items_.empty()) return std::nullopt;
        std::optional<T> item(std::move(items_.front()));
        items_.pop_front();
        room_.notify_one();
        return item;
    }
    void close() {
        closed_ = true;
        room_.notify_all();
        filled_.notify_all();
    }
    std::size_t size() const { return items_.size(); }
    bool closed() const { return closed_; }

  private:
    std::size_t capacity_;
    std::deque<T> items_;
    bool closed_ = false;
    Condition room_;
    Condition filled_;
};

// A bound on something countable (bytes in flight, requests): acquire() waits until there is room.
// An amount larger than the whole bound is admitted alone.
class Budget {
  public:
    explicit Budget(std::size_t capacity) : capacity_(capacity) {}

    Task<void> acquire(std::size_t amount) {
        while (used_ > 0 && used_ + amount > capacity_) co_await room_.wait();
        used_ += amount;
    }
    bool try_acquire(std::size_t amount) {
        if (used_ > 0 && used_ + amount > capacity_) return false;
        used_ += amount;
        return true;
    }
    void release(std::size_t amount) {
        CHECK(amount <= used_);
        used_ -= amount;
        room_.notify_all();
    }
    std::size_t used() const { return used_; }

  private:
    std::size_t capacity_;
    std::size_t used_ = 0;
    Condition room_;
};

}  // namespace millrace
