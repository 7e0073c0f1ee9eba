#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <signal.h>
#include <vector>

#include "base/task.h"
#include "env/posix/bound_addresses.h"
#include "env/posix/disk.h"
#include "env/posix/loop.h"
#include "env/posix/workers.h"
#include "env/shard.h"

namespace millrace::env::posix {

struct Options {
    int shards = 0;            // 0: as many as the process may use cores
    int helper_threads = 4;    // for what blocks
    std::uint64_t seed = 0;    // 0: from the kernel
    bool pin = false;          // each shard to a core
    int backlog = 1024;        // connections that may wait to be accepted, on each listener of each
                               // shard; the system has a bound, too
    std::vector<int> signals;  // left to Signals instead of their default action
    bool timestamp_log = true;  // log lines bear the wall clock's time
};

// The real world of one process: its shards, each on a thread, and the helper threads.
class World final : private Shards {
  public:
    explicit World(Options options = {});
    ~World() override;

    // Runs `main` on shard 0, which is the calling thread, and the other shards on threads of
    // their own, until it ends; then cancels and joins the guests of every shard. Once a world.
    int run(std::function<Task<int>(Shard&)> main);

    int count() const override { return static_cast<int>(loops_.size()); }
    Loop& loop(int id) { return *loops_[static_cast<std::size_t>(id)]; }

  private:
    void send(int to, Message& message) override;
    Scope& guests(int id) override { return loop(id).guests(); }
    Task<void> run_main(std::function<Task<int>(Shard&)> main, int& exit_code);

    Options options_;
    sigset_t mask_before_;
    posix::Disk disk_;
    BoundAddresses bound_addresses_;
    std::unique_ptr<Workers> workers_;
    std::vector<std::unique_ptr<Loop>> loops_;
};

}  // namespace millrace::env::posix
