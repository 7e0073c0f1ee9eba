#include "net/receive_buffer.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace millrace::net {
namespace {

constexpr std::size_t length_size = 4;
constexpr std::size_t most = 256 << 10;
constexpr std::size_t trusted_frame = 1 << 20;

}  // namespace

std::size_t ReceiveBuffer::wanted_capacity(Bytes begun) const {
    if (begun.size() < length_size) return std::max(read_size_, frames_);
    std::size_t frame = length_size + load_be<std::uint32_t>(begun.data());
    if (frame <= read_size_) return read_size_;
    return std::min(frame, std::max(trusted_frame, 2 * begun.size()));
}

MutableBytes ReceiveBuffer::take() {
    std::size_t room = size();
    buffer_.resize(filled_ + room);
    return buffer_.mutable_bytes().subspan(filled_, room);
}

void ReceiveBuffer::give_back() {
    if (filled_ == 0) buffer_ = Buffer();
}

void ReceiveBuffer::received(std::size_t count) {
    note(count, size());
    filled_ += count;
    buffer_.resize(filled_);
}

Slice ReceiveBuffer::freeze() {
    filled_ = 0;
    return std::exchange(buffer_, Buffer()).freeze();
}

void ReceiveBuffer::keep(Bytes rest) {
    if (rest.empty()) return;
    buffer_.reserve(wanted_capacity(rest));
    buffer_.append(rest);
    filled_ = rest.size();
}

void ReceiveBuffer::note_frame(std::size_t size) {
    bool expected = size > most / 2 && size <= trusted_frame;
    frames_ = expected ? trusted_frame / size * size : 0;
}

void ReceiveBuffer::note(std::size_t count, std::size_t room) {
    // TLS spends a part of the room on its records.
    if (count >= room - room / 32) {
        read_size_ = std::min(read_size_ * 4, most);
    } else if (count < read_size_ / 8) {
        read_size_ = std::max(read_size_ / 2, least);
    }
}

}  // namespace millrace::net
