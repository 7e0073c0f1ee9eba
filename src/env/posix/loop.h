#pragma once

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/list.h"
#include "base/random.h"
#include "env/posix/descriptor.h"
#include "env/posix/inbox.h"
#include "env/shard.h"

namespace millrace::env::posix {

class BoundAddresses;
class Workers;

// Gets the events of a descriptor it watches. No coroutine runs while events are handed out.
class EventTarget {
  public:
    virtual void on_events(std::uint32_t events) = 0;

  protected:
    ~EventTarget() = default;
};

// Work that let other work go first and is taken up again in one of the next turns.
class Continuation : public ListNode {
  public:
    virtual void go_on() = 0;

  protected:
    ~Continuation() = default;
};

// How many bytes those that move many of them may move in one turn, all together: work on them
// keeps everyone else waiting. Who comes later takes its turn in the next ones, in order of
// arrival; who moves little need not ask.
class BulkShare {
  public:
    explicit BulkShare(std::size_t a_turn) : a_turn_(a_turn) {}
    bool empty() const { return waiting_.empty(); }
    bool open() const { return left_ > 0 && waiting_.empty(); }
    void take(std::size_t bytes) { left_ -= std::min(left_, bytes); }
    void wait(Continuation& continuation) { waiting_.push_back(continuation); }
    // A new turn: those that wait go first.
    void begin_turn() { left_ = a_turn_; }
    void go_on() {
        while (left_ > 0) {
            Continuation* next = waiting_.pop_front();
            if (next == nullptr) break;
            next->go_on();
        }
    }

  private:
    const std::size_t a_turn_;
    std::size_t left_ = 0;
    List<Continuation> waiting_;
};

// One shard of the real world: an epoll loop on a thread of its own.
//
// A turn: what the descriptors, the other shards and the clock have to say; then the coroutines
// that are ready, and those that they make ready, up to a bound; then the hooks of at_turn_end();
// then the messages to other shards leave as one batch each.
class Loop final : public Shard {
  public:
    struct Surroundings {
        Shards& shards;
        Disk& disk;
        Workers& workers;
        BoundAddresses& bound_addresses;
    };
    Loop(int id, std::uint64_t seed, Surroundings surroundings);
    ~Loop() override;

    int id() const override { return id_; }
    Time now() const override { return now_; }
    Timestamp wall_ms() const override;
    Random& random() override { return random_; }
    Disk& disk() override { return around_.disk; }
    Network& network() override { return *network_; }
    Shards& shards() override { return around_.shards; }
    void run_blocking(std::function<void()> work, Effort effort, Wait& wait) override;
    void at_turn_end(TurnHook& hook) override { hooks_.add(hook); }
    void post(std::coroutine_handle<> coroutine) override { ready_.push_back(coroutine); }

    // Turns until stop(); on the thread that is to be the shard.
    void run();
    void stop() { stopped_ = true; }
    // The loop that runs on this thread, if any.
    static Loop* current();

    // From any thread; wakes the loop when it sleeps.
    void deliver(Message& message);
    // To another loop, at the end of this turn.
    void send(Loop& to, Message& message);
    // Receives what has arrived, outside a turn: when the threads have ended.
    void receive_messages();
    Scope& guests() { return guests_; }
    // What the world itself runs here.
    Scope& root() { return root_; }
    Workers& workers() { return around_.workers; }
    BoundAddresses& bound_addresses() { return around_.bound_addresses; }

    // Edge-triggered, both directions, until the descriptor is closed.
    void watch(int fd, EventTarget& target);
    void unwatch(int fd);
    // Whether an operation that ended at once may let its coroutine go on at once. It may not for
    // ever: a peer that always has more to say would keep the loop from everyone else.
    bool may_go_on_inline() { return inline_left_ > 0 && inline_left_-- > 0; }

    BulkShare& received() { return received_; }
    BulkShare& sent() { return sent_; }

    // What the loop has done so far; read by any thread.
    struct Counters {
        std::uint64_t turns = 0;
        std::uint64_t polls = 0;  // epoll_wait
        std::uint64_t wakes = 0;  // of other loops: writes to their eventfd
        std::uint64_t batches = 0;
        std::uint64_t resumed = 0;  // coroutines
    };
    Counters counters() const;

  private:
    void read_clock();
    void poll();
    void wait_for_events(Time until);
    void run_ready();
    void end_turn();
    void flush(std::size_t to);

    using Count = std::atomic<std::uint64_t>;
    static void count(Count& counter, std::uint64_t more = 1) {  // one writer
        counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }

    const int id_;
    Surroundings around_;
    Random random_;
    Time now_;
    // Read when somebody asks for the first time in a turn; 0 before that.
    mutable Timestamp wall_ms_ = 0;
    Time last_poll_;
    bool stopped_ = false;
    int inline_left_ = 0;
    std::vector<std::coroutine_handle<>> ready_;
    std::vector<std::coroutine_handle<>> running_;
    TurnHooks hooks_;
    BulkShare received_;
    BulkShare sent_;
    std::vector<std::pair<Loop*, MessageChain>> outboxes_;  // by receiver
    Descriptor epoll_;
    Descriptor wake_;
    std::unique_ptr<Network> network_;
    Scope root_;
    Scope guests_;
    Inbox inbox_;
    Count turns_{0}, polls_{0}, wakes_{0}, batches_{0}, resumed_{0};
};

}  // namespace millrace::env::posix
