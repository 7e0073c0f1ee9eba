#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "env/sim/node.h"
#include "env/sim/trace.h"

namespace millrace::env::sim {

class Fabric;

// A whole cluster in one thread: nodes, a network and a clock that leaps from event to event. What
// happens, and in which order, follows from the seed alone.
class World {
  public:
    struct Options {
        // Among the ready coroutines of a shard any may go first, instead of the oldest.
        bool shuffle_coroutines = false;
    };
    explicit World(std::uint64_t seed) : World(seed, Options()) {}
    World(std::uint64_t seed, Options options);
    ~World();

    Node& add_node(std::string name) { return add_node(std::move(name), Node::Options()); }
    Node& add_node(std::string name, Node::Options options);

    const std::vector<std::unique_ptr<Node>>& nodes() const { return nodes_; }
    Time now() const { return now_; }
    std::uint64_t seed() const { return seed_; }
    Random& random() { return random_; }  // for the test's own choices
    Fabric& fabric() { return *fabric_; }
    Trace& trace() { return trace_; }

    // One turn of one shard, or one event. False when nothing will ever happen any more.
    bool step() { return step_until(Time::never()); }
    // Steps until `done()`; false when `limit` of virtual time passed before, or all is still.
    bool run_until(const std::function<bool()>& done, Duration limit = Duration::seconds(3600));
    void run_for(Duration duration);
    // Runs `main` on the node until it returns, and gives its exit code; at most an hour.
    int run(Node& node, std::function<Task<int>(Shard&)> main);

    // The machine loses its power: the process is gone, and what was not synced is, in parts.
    void crash(Node& node) { node.end(Node::End::power_lost); }
    // kill -9: the process is gone; the machine answers for it, and keeps what was written.
    void kill(Node& node) { node.end(Node::End::killed); }
    // Starts a process on a node that has none.
    void restart(Node& node, std::function<Task<int>(Shard&)> main) { node.start(std::move(main)); }

    // Called after every step: where invariants are checked.
    void after_each_step(std::function<void()> check) { check_ = std::move(check); }

    // For what the world consists of: runs `event` at that time, after those added before.
    void at(Time when, std::function<void()> event);

  private:
    struct Event {
        Time when;
        std::uint64_t number;
        std::function<void()> run;
    };
    struct Later {
        bool operator()(const Event& a, const Event& b) const {
            return a.when != b.when ? a.when > b.when : a.number > b.number;
        }
    };
    // As step(), but time does not pass beyond `end`: false then, too.
    bool step_until(Time end);
    bool pass_time(Time end);
    void run_event();
    void reap();

    std::uint64_t seed_;
    Options options_;
    Random random_;
    Random schedule_;
    Trace trace_;
    Time now_;
    std::uint64_t events_added_ = 0;
    std::vector<Loop*> runnable_;
    std::unique_ptr<Fabric> fabric_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::priority_queue<Event, std::vector<Event>, Later> events_;  // may hold parts of all of it
    std::function<void()> check_;
};

}  // namespace millrace::env::sim
