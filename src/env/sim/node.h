#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/shard.h"
#include "env/sim/disk.h"
#include "env/sim/loop.h"

namespace millrace::env::sim {

class World;

// One machine of a simulated cluster: a name, a disk, a clock that may be wrong, and the shards of
// the process that runs on it.
class Node final : private Shards {
  public:
    struct Options {
        int shards = 1;
        std::int64_t clock_skew_ms = 0;
    };
    // How a process ends: asked to by nobody but itself, killed, or with its machine.
    enum class End { main_returned, killed, power_lost };

    Node(World& world, std::string name, int number, Options options, Random random);
    ~Node() override;

    const std::string& name() const { return name_; }
    int number() const { return number_; }
    std::string address() const;  // numeric
    World& world() { return world_; }
    sim::Disk& disk() { return disk_; }
    Time now() const;  // as its processes see it
    Timestamp wall_ms() const;
    void set_clock_skew_ms(std::int64_t skew) { options_.clock_skew_ms = skew; }

    // Starts a process whose main runs on shard 0.
    void start(std::function<Task<int>(Shard&)> main);
    // Runs a task beside main. The process must run.
    void spawn(int shard, std::function<Task<void>(Shard&)> body);
    Shard& shard(int id) { return *loops_.at(static_cast<std::size_t>(id)); }
    bool running() const { return !loops_.empty(); }
    // Of the last main that returned.
    std::optional<int> exit_code() const { return exit_code_; }

    // For the world and what it consists of.
    Shards& shards() { return *this; }
    std::uint64_t boot() const { return boot_; }  // counts the processes that have ended
    // False while a process dies: nothing of what it does reaches its disk or the network.
    bool attached() const { return attached_; }
    bool powered() const { return powered_; }
    bool main_returned() const { return exit_code_.has_value(); }
    std::vector<std::unique_ptr<Loop>>& loops() { return loops_; }
    void end(End end);
    // Carries out `work` after `delay`, then completes `wait`; at once when the process ends.
    void complete_later(Duration delay, std::function<void()> work, Wait& wait);

  private:
    int count() const override { return options_.shards; }
    void send(int to, Message& message) override;
    Scope& guests(int id) override { return loops_.at(static_cast<std::size_t>(id))->guests(); }
    Task<void> run_main(std::function<Task<int>(Shard&)> main);
    bool joined() const;
    void unwind();
    void hurry();
    void finish_helpers();
    void finish_helper(std::uint64_t number);

    struct Helped {
        std::function<void()> work;
        Wait& wait;
    };

    World& world_;
    std::string name_;
    int number_;
    Options options_;
    Random random_;
    sim::Disk disk_;
    std::uint64_t boot_ = 0;
    bool attached_ = true;
    bool powered_ = true;
    Time dying_now_;  // ahead of the world's time while a process dies
    std::optional<int> exit_code_;
    std::uint64_t helped_count_ = 0;
    std::map<std::uint64_t, Helped> helped_;
    std::vector<std::unique_ptr<Loop>> loops_;
};

}  // namespace millrace::env::sim
