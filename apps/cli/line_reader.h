#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/task.h"

namespace millrace::env {
class Shard;
}

namespace millrace::cli {

class Process;

// Standard input, line by line: a helper thread reads large blocks, and lines are views into them.
// A line ends with \n, \r, \r\n or the input.
//
//   while (true) {
//       while (auto line = reader.next()) ...
//       ASSIGN_OR_CO_RETURN(bool more, co_await reader.fill(shard));
//       if (!more) break;
//   }
class LineReader {
  public:
    // Error of fill() for a line above `longest` bytes.
    explicit LineReader(Process& process, std::size_t longest = std::size_t{256} << 20U)
        : process_(process), longest_(longest) {}

    // The next line that is here whole; a view that holds until fill().
    std::optional<std::string_view> next();
    // Reads more behind what is left; false when there are no lines any more.
    Task<Result<bool>> fill(env::Shard& shard);
    // Of the line that next() gave last, from 1.
    std::uint64_t number() const { return number_; }

  private:
    std::string_view rest() const {
        return {reinterpret_cast<const char*>(block_.data()) + at_, end_ - at_};
    }
    std::string_view take(std::size_t length, std::size_t separator);

    Process& process_;
    std::size_t longest_;
    Buffer block_;
    std::size_t at_ = 0;         // of the first byte that is not in a line yet
    std::size_t end_ = 0;        // of what was read
    std::size_t searched_ = 0;   // bytes behind at_ without a line's end
    bool after_return_ = false;  // a \n that comes first belongs to the \r before it
    bool ended_ = false;
    std::uint64_t number_ = 0;
};

}  // namespace millrace::cli
