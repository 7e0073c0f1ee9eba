#include "base/bytes.h"

#include <algorithm>
#include <new>

#include "base/pool.h"

namespace millrace {

void Slice::release() noexcept {
    if (block_ == nullptr) return;
    Block* block = std::exchange(block_, nullptr);
    // Who holds the only reference need not count.
    if (block->refs.load(std::memory_order_acquire) == 1 ||
        block->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        give_pooled(block, sizeof(Block) + block->capacity);
    }
}

Slice Slice::copy(Bytes bytes) {
    Buffer buffer(bytes.size());
    buffer.append(bytes);
    return std::move(buffer).freeze();
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
}

Buffer::~Buffer() {
    if (block_ != nullptr) give_pooled(block_, sizeof(Slice::Block) + capacity_);
}

void Buffer::reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    constexpr std::size_t header = sizeof(Slice::Block);
    std::size_t wanted = pooled_size(header + capacity);
    std::size_t before = block_ == nullptr ? 0 : header + capacity_;
    void* grown = grow_pooled(block_, header + size_, before, wanted);
    block_ = new (grown) Slice::Block(wanted - header);
    capacity_ = wanted - header;
}

void Buffer::grow(std::size_t least) { reserve(std::max({least, capacity_ * 2, std::size_t{64}})); }

Slice Buffer::freeze() && {
    if (block_ == nullptr) return {};
    Slice slice(block_, block_->data(), size_);
    block_ = nullptr;
    size_ = 0;
    capacity_ = 0;
    return slice;
}

}  // namespace millrace
