#include "limit/connection.h"

#include <cstring>

namespace millrace::bench {

bool Connection::receive() {
    do {
        filled_ = end_ == room_.size();
        if (filled_) return true;
        auto count = stream.read(MutableBytes(room_).subspan(end_));
        if (!count) return true;
        if (*count == 0) return false;
        end_ += *count;
    } while (stream.encrypted());
    return true;
}

MutableBytes Connection::next_request() {
    if (end_ - begin_ < 4) return {};
    auto size = load_be<std::uint32_t>(room_.data() + begin_);
    if (end_ - begin_ - 4 < size) return {};
    MutableBytes request(room_.data() + begin_ + 4, size);
    begin_ += 4 + size;
    return request;
}

void Connection::compact() {
    if (begin_ == end_) {
        if (end_ == room_.size() && room_.size() < most_room) room_.resize(room_.size() * 2);
        begin_ = end_ = 0;
        return;
    }
    std::size_t wanted = 4;
    if (end_ - begin_ >= 4) wanted += load_be<std::uint32_t>(room_.data() + begin_);
    if (begin_ + wanted <= room_.size()) return;
    std::memmove(room_.data(), room_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (wanted * 4 > room_.size()) room_.resize(wanted * 4);
}

void Connection::flush() {
    if (sent_ < out.size()) {
        iovec piece{out.data() + sent_, out.size() - sent_};
        sent_ += stream.write({&piece, 1}, range_size > 0);
        if (sent_ < out.size()) return;
    }
    out.clear();
    sent_ = 0;
    while (range_size > 0) {
        std::size_t count = stream.send_file(range_file, range_at, range_size);
        if (count == 0) return;
        range_at += count;
        range_size -= count;
    }
}

}  // namespace millrace::bench
