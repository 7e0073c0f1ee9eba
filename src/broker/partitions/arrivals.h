#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/list.h"
#include "base/task.h"

namespace millrace::broker {

class ArrivalWait;

// Who waits for a partition to have more to read: fetches that found nothing are woken by it.
class Arrivals {
  public:
    ~Arrivals();
    void notify();

  private:
    friend class ArrivalWait;
    struct Link : ListNode {
        ArrivalWait* waiting = nullptr;
    };
    List<Link> links_;
};

// co_await ArrivalWait(arrivals): ends when any of the partitions has something new.
class ArrivalWait final : public Wait {
  public:
    explicit ArrivalWait(const std::vector<Arrivals*>& watched);
    void await_resume() const { throw_if_cancelled(); }

  private:
    friend class Arrivals;
    bool start() override;
    void give_up() override { arrived(); }
    void arrived();

    std::vector<Arrivals*> watched_;
    std::unique_ptr<Arrivals::Link[]> links_;
};

}  // namespace millrace::broker
