#include "base/bytes.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace millrace {

void Slice::release() noexcept {
    if (block_ == nullptr) return;
    if (block_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) std::free(block_);
    block_ = nullptr;
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

Buffer::~Buffer() { std::free(block_); }

void Buffer::reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    auto* block = static_cast<Slice::Block*>(std::realloc(block_, sizeof(Slice::Block) + capacity));
    if (block == nullptr) throw std::bad_alloc();
    if (block_ == nullptr) new (block) Slice::Block();
    block_ = block;
    capacity_ = capacity;
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
