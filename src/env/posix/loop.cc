#include "env/posix/loop.h"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "env/posix/network.h"
#include "env/posix/system_error.h"
#include "env/posix/workers.h"

namespace millrace::env::posix {
namespace {

constexpr int events_a_poll = 256;
constexpr std::size_t resumes_a_turn = 256;
constexpr int inline_a_turn = 64;
// A request of 256 KiB takes its checks and its way into the page cache, some 0.2 ms; two of them
// in a turn share its system calls. What is sent from there takes a quarter of that.
constexpr std::size_t received_a_turn = 512 << 10;
constexpr std::size_t sent_a_turn = 1 << 20;
// With work at hand, descriptors are asked again only after this long.
constexpr Duration busy_poll_interval = Duration::microseconds(50);

thread_local Loop* current_loop = nullptr;

class BlockingJob final : public Job {
  public:
    BlockingJob(std::function<void()> work, Effort effort, Wait& wait)
        : Job(effort == Effort::brief ? Kind::brief : Kind::lasting),
          work_(std::move(work)),
          wait_(wait) {}
    void work() override { work_(); }
    void receive(Shard&) override {
        std::unique_ptr<BlockingJob> self(this);
        wait_.complete();
    }

  private:
    std::function<void()> work_;
    Wait& wait_;
};

std::int64_t read_ns(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

int epoll_until(int epoll, epoll_event* events, const Time* until, Time now) {
    if (until == nullptr) return epoll_wait(epoll, events, events_a_poll, -1);
    std::int64_t ns = std::max<std::int64_t>(0, (*until - now).ns());
    timespec timeout{ns / 1'000'000'000, ns % 1'000'000'000};
    int count = epoll_pwait2(epoll, events, events_a_poll, &timeout, nullptr);
    if (count >= 0 || errno != ENOSYS) return count;
    // Kernels before 5.11 count milliseconds: later rather than too early, which would spin.
    std::int64_t ms = std::min<std::int64_t>((ns + 999'999) / 1'000'000, 1'000'000'000);
    return epoll_wait(epoll, events, events_a_poll, static_cast<int>(ms));
}

}  // namespace

Loop::Loop(int id, std::uint64_t seed, Surroundings surroundings)
    : id_(id),
      around_(surroundings),
      random_(seed),
      received_(received_a_turn),
      sent_(sent_a_turn),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      network_(make_network(*this)),
      root_(*this),
      guests_(*this) {
    require(epoll_.valid(), "epoll_create1");
    require(wake_.valid(), "eventfd");
    // Edge-triggered, so that the counter of the eventfd never has to be read.
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
    require(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) == 0, "epoll_ctl");
    read_clock();
}

Loop::~Loop() = default;

Loop* Loop::current() { return current_loop; }

Timestamp Loop::wall_ms() const {
    auto read = [] { return read_ns(CLOCK_REALTIME) / 1'000'000; };
    if (current_loop != this) return read();
    if (wall_ms_ == 0) wall_ms_ = read();
    return wall_ms_;
}

void Loop::read_clock() {
    now_ = Time::from_ns(read_ns(CLOCK_MONOTONIC));
    wall_ms_ = 0;
}

void Loop::run_blocking(std::function<void()> work, Effort effort, Wait& wait) {
    around_.workers.give(*this, *new BlockingJob(std::move(work), effort, wait));
}

void Loop::watch(int fd, EventTarget& target) {
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                      .data = {.ptr = &target}};
    require(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

void Loop::unwatch(int fd) {
    require(epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0, "epoll_ctl");
}

void Loop::run() {
    current_loop = this;
    while (!stopped_) {
        count(turns_);
        inline_left_ = inline_a_turn;
        received_.begin_turn();
        sent_.begin_turn();
        poll();
        receive_messages();
        sent_.go_on();
        received_.go_on();
        timers().fire_due(now_);
        run_ready();
        end_turn();
    }
    current_loop = nullptr;
}

void Loop::poll() {
    read_clock();
    bool busy = !ready_.empty() || !hooks_.empty() || !received_.empty() || !sent_.empty() ||
                !inbox_.empty();
    if (busy || timers().soonest() <= now_) {
        if (now_ - last_poll_ >= busy_poll_interval) wait_for_events(now_);
    } else if (inbox_.fall_asleep()) {
        wait_for_events(timers().soonest());
        inbox_.awake();
        read_clock();
    }
}

void Loop::wait_for_events(Time until) {
    epoll_event events[events_a_poll];
    count(polls_);
    int count = epoll_until(epoll_.get(), events, until == Time::never() ? nullptr : &until, now_);
    require(count >= 0 || errno == EINTR, "epoll_wait");
    for (int i = 0; i < count; ++i) {
        auto* target = static_cast<EventTarget*>(events[i].data.ptr);
        if (target != nullptr) target->on_events(events[i].events);
    }
    last_poll_ = now_;
}

void Loop::receive_messages() {
    if (inbox_.empty()) return;
    MessageChain received = inbox_.take();
    while (Message* message = received.pop_front()) message->receive(*this);
}

void Loop::run_ready() {
    std::size_t resumed = 0;
    while (!ready_.empty() && resumed < resumes_a_turn) {
        running_.swap(ready_);
        resumed += running_.size();
        for (std::coroutine_handle<> coroutine : running_) coroutine.resume();
        running_.clear();
    }
    count(resumed_, resumed);
}

void Loop::end_turn() {
    hooks_.run();
    for (std::size_t to = 0; to < outboxes_.size(); ++to) {
        if (!outboxes_[to].second.empty()) flush(to);
    }
}

void Loop::flush(std::size_t to) {
    Loop& receiver = *outboxes_[to].first;
    count(batches_);
    if (!receiver.inbox_.add(outboxes_[to].second)) return;
    eventfd_write(receiver.wake_.get(), 1);
    count(wakes_);
}

void Loop::deliver(Message& message) {
    if (inbox_.add(message)) eventfd_write(wake_.get(), 1);
}

void Loop::send(Loop& to, Message& message) {
    auto index = static_cast<std::size_t>(to.id());
    if (index >= outboxes_.size()) outboxes_.resize(index + 1);
    outboxes_[index].first = &to;
    outboxes_[index].second.push_back(message);
}

Loop::Counters Loop::counters() const {
    return {turns_.load(std::memory_order_relaxed), polls_.load(std::memory_order_relaxed),
            wakes_.load(std::memory_order_relaxed), batches_.load(std::memory_order_relaxed),
            resumed_.load(std::memory_order_relaxed)};
}

}  // namespace millrace::env::posix
