#pragma once

#include <cstddef>

namespace millrace {

// Memory that is taken and given back at the same sizes again and again: that of coroutine frames
// and of buffers. What is given back stays with the thread for whoever next takes that size, the
// last first: it is still in the processor's caches, and the system need not be asked.

// What take_pooled() has room for when it is asked for `size`.
std::size_t pooled_size(std::size_t size);
void* take_pooled(std::size_t size);
// `size` as it was taken, or what pooled_size() said of it.
void give_pooled(void* memory, std::size_t size) noexcept;
// More room for the first `used` bytes, which may move.
void* grow_pooled(void* memory, std::size_t used, std::size_t from, std::size_t to);

// A promise that derives from it has its coroutine's frame there.
struct PooledFrame {
    static void* operator new(std::size_t size) { return take_pooled(size); }
    static void operator delete(void* frame, std::size_t size) noexcept {
        give_pooled(frame, size);
    }
};

// For containers that come and go with each request.
template <typename T>
struct PooledAllocator {
    using value_type = T;
    PooledAllocator() = default;
    template <typename U>
    PooledAllocator(const PooledAllocator<U>&) noexcept {}  // NOLINT: rebinding
    T* allocate(std::size_t count) { return static_cast<T*>(take_pooled(count * sizeof(T))); }
    void deallocate(T* memory, std::size_t count) noexcept {
        give_pooled(memory, count * sizeof(T));
    }
    template <typename U>
    bool operator==(const PooledAllocator<U>&) const noexcept {
        return true;
    }
};

}  // namespace millrace
