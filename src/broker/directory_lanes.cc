#include "broker/directory_lanes.h"

#include <utility>

#include "base/scope.h"

namespace millrace::broker {

void DirectoryLanes::add(std::string_view directory, Work work) {
    queues_[std::string(directory)].push_back(std::move(work));
}

Task<void> DirectoryLanes::run(int lanes) {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (auto& [directory, queue] : queues_) {
            for (int lane = 0; lane < lanes; ++lane) scope.spawn(work_off(queue, lane));
        }
        co_await scope.join();
    });
}

Task<void> DirectoryLanes::work_off(std::deque<Work>& queue, int lane) {
    while (!queue.empty()) {
        Work work = std::move(queue.front());
        queue.pop_front();
        co_await work(lane);
    }
}

}  // namespace millrace::broker
