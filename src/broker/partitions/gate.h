#pragma once

#include <cstdint>
#include <deque>

#include "base/condition.h"

namespace millrace::broker {

// Holds back, while it is shut, what arrives, and lets it through in the order in which it came.
class Gate {
  public:
    // Nothing is held back: no need to wait.
    bool open() const { return !shut_ && waiting_.empty(); }
    Task<void> pass() {
        Place place(*this);
        while (shut_ || waiting_.front() != place.number) co_await changed_.wait();
    }

    class Shut {
      public:
        explicit Shut(Gate& gate) : gate_(gate) { gate_.shut_ = true; }
        Shut(const Shut&) = delete;
        ~Shut() {
            gate_.shut_ = false;
            gate_.changed_.notify_all();
        }

      private:
        Gate& gate_;
    };

  private:
    struct Place {
        explicit Place(Gate& g) : gate(g), number(g.next_++) { gate.waiting_.push_back(number); }
        Place(const Place&) = delete;
        ~Place() {
            std::erase(gate.waiting_, number);
            gate.changed_.notify_all();
        }
        Gate& gate;
        std::uint64_t number;
    };

    bool shut_ = false;
    std::uint64_t next_ = 0;
    std::deque<std::uint64_t> waiting_;
    Condition changed_;
};

}  // namespace millrace::broker
