#pragma once

#include <cstdint>

#include "base/condition.h"

namespace millrace::client {

// "Something has changed": no raise() is missed by who reads the count before it looks.
class Signal {
  public:
    void raise() {
        ++count_;
        condition_.notify_all();
    }
    std::uint64_t count() const { return count_; }
    Task<void> changed_since(std::uint64_t count) {
        while (count_ == count) co_await condition_.wait();
    }

  private:
    std::uint64_t count_ = 0;
    Condition condition_;
};

}  // namespace millrace::client
