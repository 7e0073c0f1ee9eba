#pragma once

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/list.h"
#include "base/scope.h"
#include "base/task.h"
#include "base/time.h"

namespace millrace {
class Random;
}

namespace millrace::env {

class Disk;
class Network;
class Shards;
class Shard;

// Something that happens at a time; owned by whoever waits. Destroying it stops it.
class Timer {
  public:
    Timer() = default;
    Timer(const Timer&) = delete;
    virtual ~Timer();
    Time when() const { return when_; }
    bool running() const { return shard_ != nullptr; }
    void start(Shard& shard, Time when);
    void stop();

  protected:
    virtual void fire() = 0;  // runs in the loop, between coroutines

  private:
    friend class TimerQueue;
    Time when_;
    Shard* shard_ = nullptr;
    std::size_t heap_index_ = 0;
    std::uint64_t sequence_ = 0;
};

// The timers of one shard, soonest first; equal times in the order they were started.
class TimerQueue {
  public:
    ~TimerQueue();
    void add(Timer& timer);
    void remove(Timer& timer);
    Time soonest() const { return heap_.empty() ? Time::never() : heap_.front()->when_; }
    // Fires what is due, and returns how many fired.
    std::size_t fire_due(Time now);

  private:
    void sift_up(std::size_t index);
    void sift_down(std::size_t index);
    void place(Timer& timer, std::size_t index);
    static bool sooner(const Timer& a, const Timer& b);

    std::vector<Timer*> heap_;
    std::uint64_t started_ = 0;
};

// What is to happen at the end of a loop turn: requests of one turn are gathered there into one
// write. Owned by whoever asks; destroying it withdraws it.
class TurnHook : public ListNode {
  public:
    virtual void turn_ends() = 0;

  protected:
    ~TurnHook() = default;
};

// Those of one loop.
class TurnHooks {
  public:
    ~TurnHooks() {
        while (asked_.pop_front() != nullptr) {
        }
    }
    bool empty() const { return asked_.empty(); }
    void add(TurnHook& hook) {
        if (!hook.linked()) asked_.push_back(hook);
    }
    // One that asks again meanwhile gets it at the end of the next turn.
    void run() {
        List<TurnHook> due;
        while (TurnHook* hook = asked_.pop_front()) due.push_back(*hook);
        while (TurnHook* hook = due.pop_front()) hook->turn_ends();
    }

  private:
    List<TurnHook> asked_;
};

// How long blocking work takes: brief work (a read, a rename, fdatasync) shares a few threads, and
// must not queue behind lasting work (copies, cleaning, recovery), which has threads of its own.
enum class Effort { brief, lasting };

// One event loop and the outside world as it sees it. Everything here is for the shard's own
// thread only, but Shards::send().
class Shard : public Executor {
  public:
    virtual int id() const = 0;
    virtual Time now() const = 0;           // monotonic; read once a loop turn or finer
    virtual Timestamp wall_ms() const = 0;  // milliseconds since 1970; as now()
    virtual Random& random() = 0;           // seeded by the world
    virtual Disk& disk() = 0;
    virtual Network& network() = 0;
    virtual Shards& shards() = 0;
    // Runs `work` on a helper thread, then completes `wait` on this shard. For what may block:
    // fsync of directories, name resolution, recovery. The work must not touch the shard.
    virtual void run_blocking(std::function<void()> work, Effort effort, Wait& wait) = 0;
    // Once, at the end of this loop turn, before the loop waits for events; asking twice is asking
    // once.
    virtual void at_turn_end(TurnHook& hook) = 0;

    TimerQueue& timers() { return timers_; }

  private:
    TimerQueue timers_;
};

// A message between shards; `receive()` runs on the shard it was sent to. The sender keeps it
// alive until then.
class Message {
  public:
    virtual void receive(Shard& here) = 0;

    Message* next = nullptr;  // for the queue it travels in

  protected:
    ~Message() = default;
};

// All shards of one process (of one node, in the simulator).
class Shards {
  public:
    virtual ~Shards() = default;
    virtual int count() const = 0;
    // From any shard of the process. Messages of one sender to one receiver arrive in order;
    // those of one loop turn travel as one batch.
    virtual void send(int to, Message& message) = 0;
    // Owns tasks that were called onto shard `id` by others; only for use on that shard.
    virtual Scope& guests(int id) = 0;
};

// co_await sleep_until(shard, time); ends early only by cancellation.
class Sleep final : public Wait, private Timer {
  public:
    Sleep(Shard& shard, Time until) : shard_(shard), until_(until) {}
    void await_resume() const { throw_if_cancelled(); }

  private:
    bool start() override;
    void give_up() override;
    void fire() override { complete(); }
    Shard& shard_;
    Time until_;
};
inline Sleep sleep_until(Shard& shard, Time time) { return {shard, time}; }
inline Sleep sleep_for(Shard& shard, Duration duration) { return {shard, shard.now() + duration}; }

// co_await blocking(shard, [&] { ... }): runs the function on a helper thread. Once begun it runs
// to its end; under a cancellation that was requested before, it does not begin and throws
// Cancelled.
class Blocking final : public Wait {
  public:
    Blocking(Shard& shard, std::function<void()> work, Effort effort)
        : shard_(shard), work_(std::move(work)), effort_(effort) {}
    void await_resume() const {
        if (!begun_) throw Cancelled{};
    }

  private:
    bool start() override;
    void give_up() override {}
    Shard& shard_;
    std::function<void()> work_;
    Effort effort_;
    bool begun_ = false;
};
inline Blocking blocking(Shard& shard, std::function<void()> work) {
    return {shard, std::move(work), Effort::brief};
}
// The same for lasting work; whoever calls bounds how much of it runs at once.
inline Blocking lasting(Shard& shard, std::function<void()> work) {
    return {shard, std::move(work), Effort::lasting};
}

// Cancels what runs under `cancellation` at a time.
class Deadline final : private Timer {
  public:
    Deadline(Shard& shard, Time when, Cancellation& cancellation) : cancellation_(cancellation) {
        if (when != Time::never()) start(shard, when);
    }

  private:
    void fire() override { cancellation_.request(); }
    Cancellation& cancellation_;
};

// The task's value, or nothing (false for a Task<void>) when it was cancelled at the deadline.
template <typename T>
Task<std::conditional_t<std::is_void_v<T>, bool, std::optional<T>>> with_deadline(Shard& shard,
                                                                                  Time deadline,
                                                                                  Task<T> task) {
    Cancellation& current = co_await current_cancellation();
    Cancellation nested(current);
    Deadline timer(shard, deadline, nested);
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(task).under(nested);
            co_return true;
        } else {
            co_return co_await std::move(task).under(nested);
        }
    } catch (const Cancelled&) {
        if (current.requested()) throw;
    }
    if constexpr (std::is_void_v<T>) {
        co_return false;
    } else {
        co_return std::nullopt;
    }
}

namespace detail {

// A call onto another shard: its message travels there, starts the function, and travels back when
// it has ended. A cancellation travels behind it and back; the hop ends when both are home.
template <typename Function>
class Hop final : public Wait, private Message {
  public:
    using T = typename std::invoke_result_t<Function&, Shard&>::Value;

    Hop(Shard& from, int to, Function& function) : from_(from), to_(to), function_(function) {}
    T await_resume() {
        // Not home: it never set out, since the caller was cancelled already.
        if (!home_ || ended_by_cancellation_) throw Cancelled{};
        if constexpr (!std::is_void_v<T>) return *std::move(result_);
    }

  private:
    struct Cancel final : Message {
        explicit Cancel(Hop& h) : hop(h) {}
        void receive(Shard& here) override {
            if (here.id() == hop.from_.id()) {
                under_way = false;
                if (hop.home_) hop.complete();
                return;
            }
            if (hop.there_) hop.there_->request();
            here.shards().send(hop.from_.id(), *this);
        }
        Hop& hop;
        bool under_way = false;
    };

    bool start() override {
        from_.shards().send(to_, *this);
        return true;
    }
    void give_up() override {
        if (home_) return;
        cancel_.under_way = true;
        from_.shards().send(to_, cancel_);
    }

    void receive(Shard& here) override {
        if (!done_) {
            here.shards().guests(here.id()).spawn(run(here));
            return;
        }
        home_ = true;
        if (!cancel_.under_way) complete();
    }
    Task<void> run(Shard& here) {
        there_.emplace(co_await current_cancellation());
        try {
            if constexpr (std::is_void_v<T>) {
                co_await function_(here).under(*there_);
            } else {
                result_.emplace(co_await function_(here).under(*there_));
            }
        } catch (const Cancelled&) {
            ended_by_cancellation_ = true;
        }
        there_.reset();
        done_ = true;
        here.shards().send(from_.id(), *this);
    }

    struct Nothing {};
    Shard& from_;
    int to_;
    Function& function_;
    std::optional<std::conditional_t<std::is_void_v<T>, Nothing, T>> result_;
    std::optional<Cancellation> there_;  // touched on the called shard only
    Cancel cancel_{*this};
    bool done_ = false;
    bool home_ = false;
    bool ended_by_cancellation_ = false;
};

}  // namespace detail

// Runs `function(Shard& there) -> Task<T>` on shard `to` and brings its value back. On the calling
// shard itself it is an ordinary call. What the function refers to must be safe to touch there.
template <typename Function>
auto call_on(Shard& from, int to, Function function) -> std::invoke_result_t<Function&, Shard&> {
    if (from.id() == to) co_return co_await function(from);
    co_return co_await detail::Hop<Function>(from, to, function);
}

}  // namespace millrace::env
