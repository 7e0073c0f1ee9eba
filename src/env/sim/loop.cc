#include "env/sim/loop.h"

#include <utility>

#include "env/sim/network.h"
#include "env/sim/node.h"
#include "env/sim/world.h"

namespace millrace::env::sim {
namespace {

constexpr std::size_t resumes_a_turn = 64;

}  // namespace

Loop::Loop(Node& node, int id, Random random)
    : node_(node),
      id_(id),
      random_(random),
      network_(make_network(*this)),
      root_(*this),
      guests_(*this) {}

Loop::~Loop() = default;

Time Loop::now() const { return node_.now(); }
Timestamp Loop::wall_ms() const { return node_.wall_ms(); }
env::Disk& Loop::disk() { return node_.disk(); }
Shards& Loop::shards() { return node_.shards(); }

void Loop::run_blocking(std::function<void()> work, Effort, Wait& wait) {
    node_.complete_later(node_.disk().conditions.helper.draw(random_), std::move(work), wait);
}

bool Loop::runnable() const {
    return !ready_.empty() || !inbox_.empty() || !hooks_.empty() ||
           const_cast<Loop*>(this)->timers().soonest() <= now();
}

void Loop::turn(Random& schedule, bool shuffled) {
    std::deque<Message*> received = std::exchange(inbox_, {});
    for (Message* message : received) message->receive(*this);
    timers().fire_due(now());
    resume_some(schedule, shuffled);
    hooks_.run();
}

void Loop::resume_some(Random& schedule, bool shuffled) {
    std::size_t count = 1 + schedule.below(resumes_a_turn);
    while (!ready_.empty() && count-- > 0) {
        if (shuffled) std::swap(ready_.front(), ready_[schedule.below(ready_.size())]);
        std::coroutine_handle<> next = ready_.front();
        ready_.pop_front();
        next.resume();
    }
}

}  // namespace millrace::env::sim
