#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "client/delivery.h"

namespace millrace::cli {

// Brings together what a tool has sent with what became of it: `Sent` is what it keeps of each
// record until its outcome is there.
template <typename Sent>
class DeliveredRecords : public client::DeliveryObserver {
  public:
    // Of the record that is offered next.
    void next(Sent sent) { next_ = std::move(sent); }

    void taken(std::string_view topic, std::int32_t partition) final {
        (void)topic;  // a tool sends to one
        waiting_[partition].push_back(std::move(next_));
    }
    void delivered(const client::BatchDelivery& batch) final {
        std::deque<Sent>& waiting = waiting_[batch.partition];
        for (std::int32_t i = 0; i < batch.count; ++i) {
            outcome(waiting.front(), batch, i);
            waiting.pop_front();
        }
    }

  protected:
    ~DeliveredRecords() = default;
    // `index`: which of the batch it is.
    virtual void outcome(const Sent& sent, const client::BatchDelivery& batch,
                         std::int32_t index) = 0;

  private:
    Sent next_{};
    std::map<std::int32_t, std::deque<Sent>> waiting_;
};

}  // namespace millrace::cli
