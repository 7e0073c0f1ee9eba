#pragma once

#include <utility>

namespace millrace {

// Does something when a block is left, by a cancellation, too. What it does may neither wait nor
// throw.
template <typename Function>
class Finally {
  public:
    explicit Finally(Function function) : function_(std::move(function)) {}
    Finally(const Finally&) = delete;
    ~Finally() { function_(); }

  private:
    Function function_;
};

}  // namespace millrace
