#include "env/sim/node.h"

#include <algorithm>
#include <fmt/core.h>

#include "env/sim/fabric.h"
#include "env/sim/world.h"

namespace millrace::env::sim {
namespace {

// 2026-01-01: where every clock of a world starts, but for its skew.
constexpr Timestamp epoch_ms = 1'767'225'600'000;
// A dying process whose tasks still run after this many turns ignores its cancellation.
constexpr int most_turns_to_unwind = 1'000'000;

}  // namespace

Node::Node(World& world, std::string name, int number, Options options, Random random)
    : world_(world),
      name_(std::move(name)),
      number_(number),
      options_(options),
      random_(random),
      disk_(*this, random_.fork(), world.trace()) {}

Node::~Node() { CHECK(loops_.empty()); }

std::string Node::address() const {
    return fmt::format("10.0.{}.{}", number_ / 250, number_ % 250 + 1);
}

Time Node::now() const { return std::max(world_.now(), dying_now_); }

Timestamp Node::wall_ms() const {
    return epoch_ms + options_.clock_skew_ms + Duration(now() - Time()).ms();
}

void Node::start(std::function<Task<int>(Shard&)> main) {
    CHECK(!running());
    world_.trace().note(Trace::Kind::start, static_cast<std::uint64_t>(number_));
    powered_ = true;
    exit_code_.reset();
    for (int id = 0; id < options_.shards; ++id) {
        loops_.push_back(std::make_unique<Loop>(*this, id, random_.fork()));
    }
    loops_.front()->root().spawn(run_main(std::move(main)));
}

Task<void> Node::run_main(std::function<Task<int>(Shard&)> main) {
    int exit_code = co_await main(*loops_.front());
    // Twice: a guest may have called onto a shard whose guests had all ended already.
    for (int round = 0; round < 2; ++round) {
        for (auto& each : loops_) co_await each->guests().close();
    }
    exit_code_ = exit_code;
}

void Node::spawn(int shard, std::function<Task<void>(Shard&)> body) {
    CHECK(running());
    Loop& loop = *loops_.at(static_cast<std::size_t>(shard));
    loop.root().spawn([](Loop& here, std::function<Task<void>(Shard&)> f) -> Task<void> {
        co_await f(here);
    }(loop, std::move(body)));
}

void Node::send(int to, Message& message) {
    loops_.at(static_cast<std::size_t>(to))->receive_later(message);
}

void Node::complete_later(Duration delay, std::function<void()> work, Wait& wait) {
    std::uint64_t number = ++helped_count_;
    helped_.emplace(number, Helped{std::move(work), wait});
    world_.at(world_.now() + delay, [this, number] { finish_helper(number); });
}

void Node::finish_helper(std::uint64_t number) {
    auto helped = helped_.extract(number);
    if (helped.empty()) return;  // its process has ended
    helped.mapped().work();
    helped.mapped().wait.complete();
}

void Node::finish_helpers() {
    while (!helped_.empty()) finish_helper(helped_.begin()->first);
}

bool Node::joined() const {
    return std::ranges::all_of(loops_, [](const std::unique_ptr<Loop>& each) {
        return each->root().running() == 0 && each->guests().running() == 0;
    });
}

// A process that dies waits for nothing: its own clock goes to the next of its timers.
void Node::hurry() {
    Time next = Time::never();
    for (auto& each : loops_) next = std::min(next, each->timers().soonest());
    if (next != Time::never()) dying_now_ = std::max(dying_now_, next);
}

// Cancels every task and lets it end, in no time. Whatever it still does is lost.
void Node::unwind() {
    for (auto& each : loops_) {
        each->root().cancel();
        each->guests().cancel();
    }
    finish_helpers();
    for (int turns = 0; !joined(); ++turns) {
        CHECK(turns < most_turns_to_unwind);
        bool moved = false;
        for (auto& each : loops_) {
            while (each->runnable()) {
                each->turn(random_, false);
                moved = true;
            }
        }
        finish_helpers();
        if (!moved) hurry();
    }
    for (auto& each : loops_) {
        while (each->runnable()) each->turn(random_, false);
    }
}

void Node::end(End end) {
    if (running()) {
        world_.trace().note(Trace::Kind::crash, static_cast<std::uint64_t>(number_),
                            static_cast<std::uint64_t>(end));
        attached_ = false;
        powered_ = end != End::power_lost;
        world_.fabric().drop(*this, powered_);
        unwind();
        if (end != End::main_returned) exit_code_.reset();  // whatever it would have said
        loops_.clear();
        dying_now_ = Time();
        ++boot_;
        disk_.process_ended();
        attached_ = true;
    }
    powered_ = end != End::power_lost;
    if (end == End::power_lost) disk_.lose_power();
}

}  // namespace millrace::env::sim
