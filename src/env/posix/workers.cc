#include "env/posix/workers.h"

#include <algorithm>

#include "env/posix/loop.h"

namespace millrace::env::posix {

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
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

void Workers::give(Loop& origin, Job& job) {
    job.origin = &origin;
    {
        std::lock_guard lock(mutex_);
        CHECK(!stopping_);
        (job.kind == Job::Kind::sync ? sync_ : brief_).push_back(&job);
    }
    given_.notify_one();
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

}  // namespace millrace::env::posix
