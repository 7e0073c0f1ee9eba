#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/task.h"

namespace millrace::broker {

// Work on the logs of several log directories. All directories are worked on side by side; in each
// at most so many pieces of work are under way at once, the first added begun first.
class DirectoryLanes {
  public:
    // `lane`: which of those that are under way in its directory it is, from 0 on.
    using Work = std::function<Task<void>(int lane)>;

    void add(std::string_view directory, Work work);
    // Ends when all of it has.
    Task<void> run(int lanes);

  private:
    static Task<void> work_off(std::deque<Work>& queue, int lane);

    std::map<std::string, std::deque<Work>, std::less<>> queues_;
};

}  // namespace millrace::broker
