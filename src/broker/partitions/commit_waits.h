#pragma once

#include <map>

#include "base/cancellation.h"
#include "storage/offset.h"

namespace millrace::broker {

// Who waits for a high watermark to reach an offset.
class CommitWaits {
  public:
    // co_await waits.until(end): ends when the offset is reached, or all are told to look again.
    class Waiting final : public Wait {
      public:
        Waiting(CommitWaits& waits, storage::Offset end) : waits_(waits), end_(end) {}
        void await_resume() const { throw_if_cancelled(); }

      private:
        friend class CommitWaits;
        bool start() override {
            place_ = waits_.waiting_.emplace(end_, this);
            return true;
        }
        void give_up() override {
            waits_.waiting_.erase(place_);
            complete();
        }
        CommitWaits& waits_;
        storage::Offset end_;
        std::multimap<storage::Offset, Waiting*>::iterator place_;
    };

    Waiting until(storage::Offset end) { return {*this, end}; }
    void reached(storage::Offset offset) {
        while (!waiting_.empty() && waiting_.begin()->first <= offset) wake_first();
    }
    void wake_all() {
        while (!waiting_.empty()) wake_first();
    }

  private:
    void wake_first() {
        Waiting* first = waiting_.begin()->second;
        waiting_.erase(waiting_.begin());
        first->complete();
    }
    std::multimap<storage::Offset, Waiting*> waiting_;
};

}  // namespace millrace::broker
