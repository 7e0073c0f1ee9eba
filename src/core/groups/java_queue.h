#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace millrace::groups {

// A heap that keeps equal elements where Java's PriorityQueue keeps them: whom Apache Kafka's
// assignors take first among equals is whom they take here. The least element comes first.
template <typename T, typename Less>
class JavaQueue {
  public:
    explicit JavaQueue(Less less) : less_(std::move(less)) {}

    bool empty() const { return heap_.empty(); }
    void add(T element) {
        std::size_t at = heap_.size();
        heap_.push_back(element);
        while (at > 0) {
            std::size_t parent = (at - 1) / 2;
            if (!less_(element, heap_[parent])) break;
            heap_[at] = std::move(heap_[parent]);
            at = parent;
        }
        heap_[at] = std::move(element);
    }
    T poll() {
        T first = std::move(heap_.front());
        T last = std::move(heap_.back());
        heap_.pop_back();
        if (heap_.empty()) return first;
        std::size_t at = 0;
        while (at < heap_.size() / 2) {
            std::size_t child = 2 * at + 1;
            if (child + 1 < heap_.size() && less_(heap_[child + 1], heap_[child])) ++child;
            if (!less_(heap_[child], last)) break;
            heap_[at] = std::move(heap_[child]);
            at = child;
        }
        heap_[at] = std::move(last);
        return first;
    }

  private:
    Less less_;
    std::vector<T> heap_;
};

}  // namespace millrace::groups
