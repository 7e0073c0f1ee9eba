#pragma once

#include <deque>
#include <vector>

#include "env/posix/descriptor.h"
#include "env/posix/loop.h"

namespace millrace::env::posix {

// The signals that Options::signals kept from their default action, one by one. One coroutine at
// a time waits for them.
class Signals final : private EventTarget {
  public:
    class Next final : public Wait {
      public:
        explicit Next(Signals& signals) : signals_(signals) {}
        // The signal's number.
        int await_resume() const {
            throw_if_cancelled();
            return number;
        }
        int number = 0;

      private:
        bool start() override;
        void give_up() override;
        Signals& signals_;
    };

    Signals(Shard& shard, const std::vector<int>& numbers);
    Next next() { return Next(*this); }

  private:
    void on_events(std::uint32_t events) override;

    Descriptor fd_;
    std::deque<int> arrived_;
    Next* waiting_ = nullptr;
};

}  // namespace millrace::env::posix
