#pragma once

#include <atomic>

#include "env/shard.h"

namespace millrace::env::posix {

// Messages in the order they were added; one thread.
class MessageChain {
  public:
    bool empty() const { return first_ == nullptr; }
    void push_back(Message& message) {
        message.next = nullptr;
        (first_ == nullptr ? first_ : last_->next) = &message;
        last_ = &message;
    }
    Message* pop_front() {
        Message* message = first_;
        if (message != nullptr) first_ = message->next;
        return message;
    }

  private:
    friend class Inbox;
    Message* first_ = nullptr;
    Message* last_ = nullptr;
};

// What other threads sent to one loop: any number of senders, one receiver, no lock. A sender adds
// a whole chain with one exchange, and learns whether the receiver has to be woken.
class Inbox {
  public:
    // Takes all of `chain`. True when the caller must wake the receiver.
    bool add(MessageChain& chain);
    bool add(Message& message);
    // What has been sent so far, in order.
    MessageChain take();
    bool empty() const { return newest_.load(std::memory_order_relaxed) == nullptr; }

    // The receiver announces that it will sleep; false when something has arrived and it may not.
    bool fall_asleep();
    void awake() { asleep_.store(false, std::memory_order_relaxed); }

  private:
    bool add_reversed(Message* newest, Message* oldest);

    alignas(64) std::atomic<Message*> newest_{nullptr};  // linked towards the oldest
    alignas(64) std::atomic<bool> asleep_{false};
};

}  // namespace millrace::env::posix
