#pragma once

#include "base/check.h"

namespace millrace {

// A member of at most one intrusive list; leaves it when destroyed.
class ListNode {
  public:
    ListNode() = default;
    ListNode(const ListNode&) = delete;
    ListNode& operator=(const ListNode&) = delete;
    ~ListNode() { unlink(); }

    bool linked() const { return next_ != nullptr; }
    void unlink() {
        if (next_ == nullptr) return;
        next_->previous_ = previous_;
        previous_->next_ = next_;
        next_ = previous_ = nullptr;
    }

  private:
    template <typename T>
    friend class List;
    ListNode* next_ = nullptr;
    ListNode* previous_ = nullptr;
};

// A doubly linked list of T, which derives from ListNode; owns nothing.
template <typename T>
class List {
  public:
    List() { head_.next_ = head_.previous_ = &head_; }
    ~List() { CHECK(empty()); }

    bool empty() const { return head_.next_ == &head_ || head_.next_ == nullptr; }
    T& front() { return static_cast<T&>(*head_.next_); }
    void push_back(T& item) {
        ListNode& node = item;
        CHECK(!node.linked());
        node.previous_ = head_.previous_;
        node.next_ = &head_;
        head_.previous_->next_ = &node;
        head_.previous_ = &node;
    }
    T* pop_front() {
        if (empty()) return nullptr;
        T& item = front();
        static_cast<ListNode&>(item).unlink();
        return &item;
    }

  private:
    ListNode head_;
};

}  // namespace millrace
