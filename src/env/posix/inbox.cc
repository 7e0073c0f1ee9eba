#include "env/posix/inbox.h"

#include <utility>

namespace millrace::env::posix {
namespace {

struct Reversed {
    Message* first;
    Message* last;
};

Reversed reverse(Message* first) {
    Message* reversed = nullptr;
    for (Message* each = first; each != nullptr;) {
        Message* next = std::exchange(each->next, reversed);
        reversed = each;
        each = next;
    }
    return {reversed, first};
}

}  // namespace

bool Inbox::add_reversed(Message* newest, Message* oldest) {
    Message* before = newest_.load(std::memory_order_relaxed);
    do {
        oldest->next = before;
    } while (!newest_.compare_exchange_weak(before, newest, std::memory_order_seq_cst,
                                            std::memory_order_relaxed));
    // Sequentially consistent with fall_asleep(): one of both sides sees the other.
    return asleep_.load(std::memory_order_seq_cst) && asleep_.exchange(false);
}

bool Inbox::add(MessageChain& chain) {
    Reversed reversed = reverse(std::exchange(chain.first_, nullptr));
    return add_reversed(reversed.first, reversed.last);
}

bool Inbox::add(Message& message) { return add_reversed(&message, &message); }

MessageChain Inbox::take() {
    Reversed reversed = reverse(newest_.exchange(nullptr, std::memory_order_acquire));
    MessageChain chain;
    chain.first_ = reversed.first;
    chain.last_ = reversed.last;
    return chain;
}

bool Inbox::fall_asleep() {
    asleep_.store(true, std::memory_order_seq_cst);
    if (newest_.load(std::memory_order_seq_cst) == nullptr) return true;
    awake();
    return false;
}

}  // namespace millrace::env::posix
