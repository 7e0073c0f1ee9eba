#include "env/posix/workers.h"

#include <algorithm>
#include <sys/resource.h>
#include <unistd.h>

#include "env/posix/loop.h"

namespace millrace::env::posix {
namespace {
constexpr std::size_t most_lasting_threads = 32;
constexpr int lasting_niceness = 10;
}  // namespace

Workers::Workers(int threads) : most_syncs_(std::max(1, threads - 1)) {
    CHECK(threads > 0);
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

void Workers::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    given_.notify_all();
    lasting_given_.notify_all();
    for (auto* threads : {&threads_, &lasting_threads_}) {
        for (std::thread& thread : *threads) thread.join();
        threads->clear();
    }
}

void Workers::give(Loop& origin, Job& job) {
    job.origin = &origin;
    std::lock_guard lock(mutex_);
    CHECK(!stopping_);
    switch (job.kind) {
        case Job::Kind::brief:
            brief_.push_back(&job);
            given_.notify_one();
            return;
        case Job::Kind::sync:
            sync_.push_back(&job);
            given_.notify_one();
            return;
        case Job::Kind::lasting:
            lasting_.push_back(&job);
            lasting_given_.notify_one();
            bool another = lasting_.size() > lasting_idle_;
            if (another && lasting_threads_.size() < most_lasting_threads) {
                lasting_threads_.emplace_back([this] { run_lasting(); });
            }
            return;
    }
}

Job* Workers::take() {
    std::deque<Job*>* queue = nullptr;
    if (!brief_.empty()) {
        queue = &brief_;
    } else if (!sync_.empty() && syncs_running_ < most_syncs_) {
        queue = &sync_;
        ++syncs_running_;
    }
    if (queue == nullptr) return nullptr;
    Job* job = queue->front();
    queue->pop_front();
    return job;
}

void Workers::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        Job* job = nullptr;
        given_.wait(lock, [&] {
            job = take();
            return job != nullptr || (stopping_ && brief_.empty() && sync_.empty());
        });
        if (job == nullptr) return;
        bool sync = job->kind == Job::Kind::sync;
        lock.unlock();
        job->work();
        job->origin->deliver(*job);
        lock.lock();
        if (!sync) continue;
        --syncs_running_;
        // A thread that passed over a waiting sync may be asleep.
        if (!sync_.empty()) given_.notify_one();
    }
}

void Workers::run_lasting() {
    // The loops come first where there are not enough processors for both.
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), lasting_niceness);
    std::unique_lock lock(mutex_);
    for (;;) {
        ++lasting_idle_;
        lasting_given_.wait(lock, [&] { return !lasting_.empty() || stopping_; });
        --lasting_idle_;
        if (lasting_.empty()) return;
        Job* job = lasting_.front();
        lasting_.pop_front();
        lock.unlock();
        job->work();
        job->origin->deliver(*job);
        lock.lock();
    }
}

}  // namespace millrace::env::posix
