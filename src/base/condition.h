#pragma once

#include "base/task.h"

namespace millrace {

// An awaitable condition of one executor. As with any condition variable, the predicate is tested
// again after each wake: co_await condition.until([&] { return ready; });
class Condition {
  public:
    class Waiting final : public Wait {
      public:
        explicit Waiting(Condition& condition) : condition_(condition) {}
        void await_resume() const { throw_if_cancelled(); }

      private:
        bool start() override {
            condition_.waiting_.push_back(link_);
            return true;
        }
        void give_up() override {
            link_.unlink();
            complete();
        }
        struct Link : ListNode {
            explicit Link(Waiting& w) : waiting(w) {}
            Waiting& waiting;
        };
        friend class Condition;
        Condition& condition_;
        Link link_{*this};
    };

    Waiting wait() { return Waiting(*this); }
    template <typename Predicate>
    Task<void> until(Predicate predicate) {
        while (!predicate()) co_await wait();
    }

    void notify_one();
    void notify_all();

  private:
    List<Waiting::Link> waiting_;
};

}  // namespace millrace
