#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace millrace {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline std::string_view as_string(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Big-endian numbers at unaligned addresses, as Kafka lays them out.
template <typename T>
T load_be(const std::uint8_t* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    if constexpr (sizeof(T) == 2)
        return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
    if constexpr (sizeof(T) == 4)
        return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
    if constexpr (sizeof(T) == 8)
        return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
    return value;
}
template <typename T>
void store_be(std::uint8_t* at, T value) {
    value = load_be<T>(reinterpret_cast<const std::uint8_t*>(&value));
    std::memcpy(at, &value, sizeof value);
}

// A refcounted view of bytes; copies share them. The count is atomic: slices of one receive
// buffer are held by several shards.
class Slice {
  public:
    Slice() = default;
    Slice(const Slice& other) noexcept
        : block_(other.block_), data_(other.data_), size_(other.size_) {
        if (block_ != nullptr) block_->refs.fetch_add(1, std::memory_order_relaxed);
    }
    Slice(Slice&& other) noexcept
        : block_(std::exchange(other.block_, nullptr)),
          data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    Slice& operator=(Slice other) noexcept {
        std::swap(block_, other.block_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Slice() { release(); }

    static Slice copy(Bytes bytes);
    static Slice copy(std::string_view text) { return copy(as_bytes(text)); }
    // Bytes that outlive every slice of them (literals, static tables).
    static Slice borrow(Bytes bytes) {
        return Slice(nullptr, const_cast<std::uint8_t*>(bytes.data()), bytes.size());
    }

    const std::uint8_t* data() const { return data_; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    Bytes bytes() const { return {data_, size_}; }
    std::string_view view() const { return as_string(bytes()); }
    operator Bytes() const { return bytes(); }

    // For whoever alone is concerned with these bytes (a leader stamping offsets into a batch of
    // the receive buffer); other slices of the same range see the change.
    std::uint8_t* mutable_data() { return data_; }

    Slice slice(std::size_t offset, std::size_t size) const {
        CHECK(offset <= size_ && size <= size_ - offset);
        Slice part(*this);
        part.data_ += offset;
        part.size_ = size;
        return part;
    }
    Slice slice(std::size_t offset) const { return slice(offset, size_ - offset); }

  private:
    friend class Buffer;
    struct Block {
        explicit Block(std::size_t room) : capacity(room) {}
        std::atomic<std::uint32_t> refs{1};
        std::size_t capacity;
        std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(this + 1); }
    };
    Slice(Block* block, std::uint8_t* data, std::size_t size)
        : block_(block), data_(data), size_(size) {}
    void release() noexcept;

    Block* block_ = nullptr;
    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
};

// Growable bytes with one owner; frozen into a Slice without a copy.
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(std::size_t capacity) { reserve(capacity); }
    Buffer(Buffer&& other) noexcept
        : block_(std::exchange(other.block_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept;
    ~Buffer();

    std::uint8_t* data() { return block_ == nullptr ? nullptr : block_->data(); }
    const std::uint8_t* data() const { return block_ == nullptr ? nullptr : block_->data(); }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    std::size_t capacity() const { return capacity_; }
    Bytes bytes() const { return {data(), size_}; }
    MutableBytes mutable_bytes() { return {data(), size_}; }
    std::string_view view() const { return as_string(bytes()); }

    void clear() { size_ = 0; }
    void reserve(std::size_t capacity);
    // New bytes are not initialised.
    void resize(std::size_t size) {
        if (size > capacity_) grow(size);
        size_ = size;
    }
    void append(Bytes bytes) {
        if (bytes.empty()) return;
        std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
    }
    void append(std::string_view text) { append(as_bytes(text)); }
    void push_back(std::uint8_t byte) { *extend(1) = byte; }
    // Room for n more bytes at the end; returns where they start.
    std::uint8_t* extend(std::size_t n) {
        if (capacity_ - size_ < n) grow(size_ + n);
        std::uint8_t* at = block_->data() + size_;
        size_ += n;
        return at;
    }

    Slice freeze() &&;

  private:
    void grow(std::size_t least);

    Slice::Block* block_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace millrace
