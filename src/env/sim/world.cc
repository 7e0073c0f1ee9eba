#include "env/sim/world.h"

#include <algorithm>

#include "env/sim/fabric.h"

namespace millrace::env::sim {
namespace {

// What a turn costs, so that a shard which never waits does not stop the clock.
constexpr Duration turn_time = Duration::microseconds(1);

}  // namespace

World::World(std::uint64_t seed, Options options)
    : seed_(seed),
      options_(options),
      random_(seed),
      schedule_(random_.fork()),
      fabric_(std::make_unique<Fabric>(*this, random_.fork())) {}

World::~World() {
    for (auto& each : nodes_) each->end(Node::End::power_lost);
}

Node& World::add_node(std::string name, Node::Options options) {
    int number = static_cast<int>(nodes_.size());
    return *nodes_.emplace_back(
        std::make_unique<Node>(*this, std::move(name), number, options, random_.fork()));
}

void World::at(Time when, std::function<void()> event) {
    events_.push({when, ++events_added_, std::move(event)});
}

void World::run_event() {
    // The queue gives no way to move its top out but this.
    Event event = std::move(const_cast<Event&>(events_.top()));
    events_.pop();
    trace_.note(Trace::Kind::event, static_cast<std::uint64_t>(event.when.ns()), event.number);
    event.run();
}

// A process whose main has returned and whose guests have ended is gone.
void World::reap() {
    for (auto& each : nodes_) {
        if (each->running() && each->main_returned()) each->end(Node::End::main_returned);
    }
}

bool World::pass_time(Time end) {
    Time next = events_.empty() ? Time::never() : events_.top().when;
    for (auto& node : nodes_) {
        for (auto& loop : node->loops()) next = std::min(next, loop->timers().soonest());
    }
    if (next == Time::never()) return false;
    now_ = std::max(now_, std::min(next, end));
    return next <= end;
}

bool World::step_until(Time end) {
    reap();
    runnable_.clear();
    for (auto& node : nodes_) {
        for (auto& loop : node->loops()) {
            if (loop->runnable()) runnable_.push_back(loop.get());
        }
    }
    bool event_due = !events_.empty() && events_.top().when <= now_;
    if (runnable_.empty() && !event_due) return pass_time(end);
    std::size_t chosen = schedule_.below(runnable_.size() + (event_due ? 1 : 0));
    if (chosen == runnable_.size()) {
        run_event();
    } else {
        Loop& loop = *runnable_[chosen];
        trace_.note(Trace::Kind::turn, static_cast<std::uint64_t>(now_.ns()), chosen);
        loop.turn(schedule_, options_.shuffle_coroutines);
        now_ = now_ + turn_time;
    }
    reap();
    if (check_) check_();
    return true;
}

bool World::run_until(const std::function<bool()>& done, Duration limit) {
    Time end = now_ + limit;
    while (!done()) {
        if (now_ >= end || !step_until(end)) return done();
    }
    return true;
}

void World::run_for(Duration duration) {
    Time end = now_ + duration;
    bool ended = false;
    at(end, [&] { ended = true; });
    run_until([&] { return ended; }, Duration::max());
}

int World::run(Node& node, std::function<Task<int>(Shard&)> main) {
    node.start(std::move(main));
    bool ended = run_until([&] { return !node.running(); });
    CHECK(ended && "a main that is stuck");
    return node.exit_code().value();
}

}  // namespace millrace::env::sim
