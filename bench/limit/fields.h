#pragma once

#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace millrace::bench {

// Fields of a message, in order.
class Fields {
  public:
    explicit Fields(MutableBytes bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}
    bool empty() const { return at_ == end_; }
    template <typename T>
    T number() {
        return load_be<T>(take(sizeof(T)));
    }
    std::string_view string() {
        auto size = number<std::int16_t>();
        if (size < 0) return {};
        return {reinterpret_cast<const char*>(take(size)), static_cast<std::size_t>(size)};
    }
    MutableBytes bytes() {
        auto size = static_cast<std::size_t>(number<std::int32_t>());
        return {take(size), size};
    }
    MutableBytes rest() {
        auto size = static_cast<std::size_t>(end_ - at_);
        return {take(size), size};
    }
    std::uint8_t* take(std::size_t size) {
        if (size > static_cast<std::size_t>(end_ - at_)) {
            throw std::runtime_error("a short message");
        }
        return std::exchange(at_, at_ + size);
    }

  private:
    std::uint8_t* at_;
    std::uint8_t* end_;
};

// A message behind its size.
class Writer {
  public:
    explicit Writer(std::vector<std::uint8_t>& out) : out_(out), begin_(out.size()) {
        number<std::int32_t>(0);
    }
    template <typename T>
    void number(T value) {
        out_.resize(out_.size() + sizeof(T));
        store_be<T>(out_.data() + out_.size() - sizeof(T), value);
    }
    void string(std::string_view text) {
        number<std::int16_t>(static_cast<std::int16_t>(text.size()));
        out_.insert(out_.end(), text.begin(), text.end());
    }
    // `behind`: bytes of the message that come from elsewhere.
    void end(std::size_t behind = 0) {
        store_be<std::int32_t>(out_.data() + begin_,
                               static_cast<std::int32_t>(out_.size() - begin_ - 4 + behind));
    }

  private:
    std::vector<std::uint8_t>& out_;
    std::size_t begin_;
};

}  // namespace millrace::bench
