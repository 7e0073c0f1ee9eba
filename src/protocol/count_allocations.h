#pragma once

// Counts what a test program or benchmark allocates. To be included by one source of a program,
// which is linked with -Wl,--wrap=realloc: Buffer allocates by realloc, everything else by new.

#include <cstdint>
#include <cstdlib>
#include <new>

namespace millrace {

struct Allocations {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
};
inline thread_local Allocations allocations;

// What has been allocated since its construction.
class AllocationCount {
  public:
    std::uint64_t count() const { return allocations.count - start_.count; }
    std::uint64_t bytes() const { return allocations.bytes - start_.bytes; }

  private:
    Allocations start_ = allocations;
};

}  // namespace millrace

extern "C" {
void* __real_realloc(void* block, std::size_t size);   // NOLINT: the linker's name
void* __wrap_realloc(void* block, std::size_t size) {  // NOLINT
    ++millrace::allocations.count;
    millrace::allocations.bytes += size;
    return __real_realloc(block, size);
}
}

void* operator new(std::size_t size) {
    ++millrace::allocations.count;
    millrace::allocations.bytes += size;
    void* block = std::malloc(size);
    if (block == nullptr) throw std::bad_alloc();
    return block;
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
