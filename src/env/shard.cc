#include "env/shard.h"

namespace millrace::env {

Timer::~Timer() { stop(); }

void Timer::start(Shard& shard, Time when) {
    stop();
    when_ = when;
    shard_ = &shard;
    shard.timers().add(*this);
}

void Timer::stop() {
    if (shard_ == nullptr) return;
    shard_->timers().remove(*this);
    shard_ = nullptr;
}

TimerQueue::~TimerQueue() {
    for (Timer* timer : heap_) timer->shard_ = nullptr;
}

bool TimerQueue::sooner(const Timer& a, const Timer& b) {
    return a.when_ != b.when_ ? a.when_ < b.when_ : a.sequence_ < b.sequence_;
}

void TimerQueue::place(Timer& timer, std::size_t index) {
    heap_[index] = &timer;
    timer.heap_index_ = index;
}

void TimerQueue::add(Timer& timer) {
    timer.sequence_ = ++started_;
    heap_.push_back(&timer);
    timer.heap_index_ = heap_.size() - 1;
    sift_up(timer.heap_index_);
}

void TimerQueue::remove(Timer& timer) {
    std::size_t index = timer.heap_index_;
    CHECK(index < heap_.size() && heap_[index] == &timer);
    Timer* last = heap_.back();
    heap_.pop_back();
    if (last == &timer) return;
    place(*last, index);
    sift_up(index);
    sift_down(last->heap_index_);
}

std::size_t TimerQueue::fire_due(Time now) {
    std::size_t fired = 0;
    while (!heap_.empty() && heap_.front()->when_ <= now) {
        Timer& timer = *heap_.front();
        remove(timer);
        timer.shard_ = nullptr;
        timer.fire();
        ++fired;
    }
    return fired;
}

void TimerQueue::sift_up(std::size_t index) {
    Timer* timer = heap_[index];
    while (index > 0 && sooner(*timer, *heap_[(index - 1) / 2])) {
        place(*heap_[(index - 1) / 2], index);
        index = (index - 1) / 2;
    }
    place(*timer, index);
}

void TimerQueue::sift_down(std::size_t index) {
    Timer* timer = heap_[index];
    for (;;) {
        std::size_t child = 2 * index + 1;
        if (child >= heap_.size()) break;
        if (child + 1 < heap_.size() && sooner(*heap_[child + 1], *heap_[child])) ++child;
        if (!sooner(*heap_[child], *timer)) break;
        place(*heap_[child], index);
        index = child;
    }
    place(*timer, index);
}

bool Sleep::start() {
    Timer::start(shard_, until_);
    return true;
}

void Sleep::give_up() {
    Timer::stop();
    complete();
}

bool Blocking::start() {
    begun_ = true;
    shard_.run_blocking(std::move(work_), effort_, *this);
    return true;
}

}  // namespace millrace::env
