#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "env/shard.h"

namespace millrace::env::posix {

class Loop;

// Work for a helper thread. `work()` runs there; `receive()` then runs on the loop that gave it,
// which may delete it.
class Job : public Message {
  public:
    enum class Kind {
        brief,    // a read, a name to resolve
        sync,     // waits for the device to flush; never takes the last free thread from the others
        lasting,  // copies, cleaning, recovery, cold ranges: on threads that come behind the loops
    };
    explicit Job(Kind kind) : kind(kind) {}
    virtual ~Job() = default;
    virtual void work() = 0;

    const Kind kind;
    Loop* origin = nullptr;
};

// The helper threads of a world: what may block is done here.
class Workers {
  public:
    explicit Workers(int threads);
    ~Workers() { stop(); }

    // The job belongs to the workers until it comes back by receive().
    void give(Loop& origin, Job& job);
    // Finishes what was given, then ends the threads.
    void stop();

  private:
    void run();
    void run_lasting();
    Job* take();

    std::mutex mutex_;
    std::condition_variable given_;
    std::condition_variable lasting_given_;
    std::deque<Job*> brief_;
    std::deque<Job*> sync_;
    std::deque<Job*> lasting_;
    std::size_t lasting_idle_ = 0;
    int syncs_running_ = 0;
    int most_syncs_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
    std::vector<std::thread> lasting_threads_;  // started when there is work for one more
};

}  // namespace millrace::env::posix
