#include "base/pool.h"

#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace millrace {
namespace {

// A sanitizer is to see every byte that is used after its end.
#if __has_feature(address_sanitizer)
constexpr std::size_t most_pooled = 0;
#else
constexpr std::size_t most_pooled = 1 << 20;
#endif
// Bytes of a thread: a few of the largest requests of several connections. What is beyond goes to
// malloc, which gives it back to the system, and takes it again a page fault at a time.
constexpr std::size_t most_kept = 16 << 20;

// Sizes go up in steps of 64 bytes, and above 4 KiB four to each power of two.
constexpr std::size_t step = 64;
constexpr std::size_t stepped = 4096;

struct Size {
    std::size_t index;
    std::size_t bytes;
};

Size size_for(std::size_t wanted) {
    if (wanted <= stepped) {
        std::size_t index = (wanted + step - 1) / step;
        return {index, index * step};
    }
    auto bits = static_cast<std::size_t>(std::bit_width(wanted - 1));
    std::size_t shift = bits - 3;
    std::size_t quarter = (wanted - 1) >> shift;  // 4 to 7
    constexpr auto first_bits = static_cast<std::size_t>(std::bit_width(stepped));
    return {stepped / step + 1 + (bits - first_bits) * 4 + quarter - 4, (quarter + 1) << shift};
}

constexpr std::size_t size_count =
    stepped / step + 1 + 4 * (std::bit_width(most_pooled | stepped) - std::bit_width(stepped));

// By realloc, as tests that bound memory count it.
void* allocate(void* before, std::size_t size) {
    void* memory = std::realloc(before, size);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

class Shelves {
  public:
    ~Shelves() {
        for (Free*& shelf : shelves_) {
            while (shelf != nullptr) std::free(std::exchange(shelf, shelf->next));
        }
    }
    void* take(Size size) {
        Free* memory = shelves_[size.index];
        if (memory == nullptr) return allocate(nullptr, size.bytes);
        shelves_[size.index] = memory->next;
        kept_ -= size.bytes;
        return memory;
    }
    void give(void* memory, Size size) {
        if (kept_ + size.bytes > most_kept) return std::free(memory);
        shelves_[size.index] = new (memory) Free{shelves_[size.index]};
        kept_ += size.bytes;
    }

  private:
    struct Free {
        Free* next;
    };
    std::array<Free*, size_count> shelves_{};
    std::size_t kept_ = 0;
};

thread_local Shelves shelves;

}  // namespace

std::size_t pooled_size(std::size_t size) {
    return size > most_pooled ? size : size_for(size).bytes;
}

void* take_pooled(std::size_t size) {
    return size > most_pooled ? allocate(nullptr, size) : shelves.take(size_for(size));
}

void give_pooled(void* memory, std::size_t size) noexcept {
    if (memory == nullptr) return;
    if (size > most_pooled) return std::free(memory);
    shelves.give(memory, size_for(size));
}

void* grow_pooled(void* memory, std::size_t used, std::size_t from, std::size_t to) {
    if (from > most_pooled) return allocate(memory, to);
    void* grown = take_pooled(to);
    if (memory != nullptr) std::memcpy(grown, memory, used);
    give_pooled(memory, from);
    return grown;
}

}  // namespace millrace
