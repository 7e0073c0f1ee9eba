#include "net/read_pace.h"

#include <algorithm>
#include <cstdint>

namespace millrace::net {
namespace {

constexpr std::size_t length_size = 4;
constexpr std::size_t most = 256 << 10;
constexpr std::size_t trusted_frame = 1 << 20;

}  // namespace

std::size_t ReadPace::wanted_capacity(Bytes received) const {
    if (received.size() < length_size) return read_size_;
    std::size_t frame = length_size + load_be<std::uint32_t>(received.data());
    if (frame <= read_size_) return read_size_;
    return std::min(frame, std::max(trusted_frame, 2 * received.size()));
}

void ReadPace::note(std::size_t count, std::size_t room) {
    // TLS spends a part of the room on its records.
    if (count >= room - room / 32) {
        read_size_ = std::min(read_size_ * 4, most);
    } else if (count < read_size_ / 8) {
        read_size_ = std::max(read_size_ / 2, least);
    }
}

}  // namespace millrace::net
