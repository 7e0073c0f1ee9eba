#include "env/posix/world.h"

#include <deque>
#include <fmt/core.h>
#include <pthread.h>
#include <sched.h>
#include <sys/random.h>
#include <thread>

#include "env/posix/log_sink.h"
#include "env/posix/system_error.h"

namespace millrace::env::posix {
namespace {

std::vector<int> usable_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> cores;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return {0};
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
    return cores;
}

void pin_to(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    // A core that was taken from the process meanwhile leaves the thread where it is.
    (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

std::uint64_t kernel_seed() {
    std::uint64_t seed = 0;
    require(getrandom(&seed, sizeof seed, 0) == sizeof seed, "getrandom");
    return seed;
}

// Closes the guests of a shard: cancels them and waits until the last has ended.
class CloseGuests final : public Wait, private Message {
  public:
    CloseGuests(Loop& from, Loop& there) : from_(from), there_(there) {}
    void await_resume() const {}

  private:
    bool start() override {
        from_.send(there_, *this);
        return true;
    }
    void give_up() override {}
    void receive(Shard&) override {
        if (closed_) {
            complete();
        } else {
            there_.root().spawn(close());
        }
    }
    Task<void> close() {
        co_await there_.guests().close();
        closed_ = true;
        there_.send(from_, *this);
    }

    Loop& from_;
    Loop& there_;
    bool closed_ = false;
};

class Stop final : public Message {
  public:
    explicit Stop(Loop& loop) : loop_(loop) {}
    void receive(Shard&) override { loop_.stop(); }

  private:
    Loop& loop_;
};

}  // namespace

World::World(Options options) : options_(std::move(options)), bound_addresses_(options_.backlog) {
    // Before any thread starts, so that all of them leave these signals to Signals.
    sigset_t blocked;
    sigemptyset(&blocked);
    for (int number : options_.signals) sigaddset(&blocked, number);
    pthread_sigmask(SIG_BLOCK, &blocked, &mask_before_);
    // sendfile() has no flag to say that a peer which has gone is no reason to die.
    signal(SIGPIPE, SIG_IGN);
    // A file that may not grow any further is a failed write like any other.
    signal(SIGXFSZ, SIG_IGN);
    if (options_.timestamp_log) log_to_stderr();
    if (options_.shards == 0) options_.shards = static_cast<int>(usable_cores().size());
    if (options_.seed == 0) options_.seed = kernel_seed();

    workers_ = std::make_unique<Workers>(options_.helper_threads);
    Random seeds(options_.seed);
    for (int id = 0; id < options_.shards; ++id) {
        Loop::Surroundings around{*this, disk_, *workers_, bound_addresses_};
        loops_.push_back(std::make_unique<Loop>(id, seeds.next(), around));
    }
}

World::~World() {
    workers_->stop();
    for (auto& each : loops_) each->receive_messages();
    pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void World::send(int to, Message& message) {
    Loop* here = Loop::current();
    if (here != nullptr && &here->shards() == this) {
        here->send(loop(to), message);
    } else {
        loop(to).deliver(message);
    }
}

Task<void> World::run_main(std::function<Task<int>(Shard&)> main, int& exit_code) {
    Loop& here = loop(0);
    exit_code = co_await main(here);
    // Twice: a guest may have called onto a shard whose guests had all ended already.
    for (int round = 0; round < 2; ++round) {
        for (auto& each : loops_) co_await CloseGuests(here, *each);
    }
}

int World::run(std::function<Task<int>(Shard&)> main) {
    int exit_code = 0;
    std::deque<Stop> stops;
    for (auto& each : loops_) stops.emplace_back(*each);

    struct Start final : Message {
        explicit Start(std::function<void(Shard&)> f) : function(std::move(f)) {}
        void receive(Shard& here) override { function(here); }
        std::function<void(Shard&)> function;
    };
    Start start([&](Shard&) {
        loop(0).root().spawn([](World& world, std::function<Task<int>(Shard&)> body, int& code,
                                std::deque<Stop>& all) -> Task<void> {
            co_await world.run_main(std::move(body), code);
            for (int id = 0; id < world.count(); ++id) {
                world.send(id, all[static_cast<std::size_t>(id)]);
            }
        }(*this, std::move(main), exit_code, stops));
    });
    loop(0).deliver(start);

    std::vector<int> cores = usable_cores();
    std::vector<std::thread> threads;
    auto run_loop = [&](int id) {
        if (options_.pin) pin_to(cores[static_cast<std::size_t>(id) % cores.size()]);
        loop(id).run();
    };
    for (int id = 1; id < count(); ++id) {
        threads.emplace_back([&run_loop, id] {
            pthread_setname_np(pthread_self(), fmt::format("shard-{}", id).c_str());
            run_loop(id);
        });
    }
    run_loop(0);
    for (std::thread& thread : threads) thread.join();
    workers_->stop();
    // What helpers brought back last is received here, where no shard runs any more.
    for (auto& each : loops_) each->receive_messages();
    return exit_code;
}

}  // namespace millrace::env::posix
