#pragma once

#include <optional>
#include <utility>

#include "base/condition.h"

namespace millrace {

// A value that is set once and awaited by any number of coroutines of the same executor.
template <typename T>
class Completion {
  public:
    bool is_set() const { return value_.has_value(); }
    void set(T value) {
        CHECK(!value_);
        value_.emplace(std::move(value));
        condition_.notify_all();
    }
    Task<T> get() {
        while (!value_) co_await condition_.wait();
        co_return *value_;
    }

  private:
    std::optional<T> value_;
    Condition condition_;
};

}  // namespace millrace
