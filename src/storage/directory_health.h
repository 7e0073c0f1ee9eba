#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "base/result.h"

namespace millrace::storage {

// Whether a log directory may still be written to. The first failed write or sync of any log in it
// ends that for good: what the kernel holds after a failure is not known, so nothing is retried.
// Safe to use from every shard.
class DirectoryHealth {
  public:
    DirectoryHealth() = default;
    DirectoryHealth(const DirectoryHealth&) = delete;
    ~DirectoryHealth();

    bool failed() const { return first_.load(std::memory_order_acquire) != nullptr; }
    // The first failure.
    std::optional<Error> failure() const;
    // Later failures are dropped. Calls the observer on the calling shard, once.
    void fail(const Error& error);
    // Of the log directory itself: called by whoever fails, before anyone else hears of it.
    void before_failing(std::function<void()> act) { before_ = std::move(act); }
    // Set before the first log is opened; called on the shard whose log failed.
    void observe(std::function<void(const Error&)> observer) { observer_ = std::move(observer); }

  private:
    std::atomic<const Error*> first_ = nullptr;
    std::function<void()> before_;
    std::function<void(const Error&)> observer_;
};

}  // namespace millrace::storage
