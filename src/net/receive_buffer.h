#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "env/network.h"

namespace millrace::net {

// What a connection of framed messages (a length of four bytes first) receives. It is filled by
// co_await connection.read(buffer), and emptied by whoever cuts frames off.
//
// A read gets more room while reads come full, less while they do not. A frame of up to 1 MiB gets
// its whole room at once, a larger one as its bytes arrive, so that a claimed length alone costs
// nothing. Behind one of more than 128 KiB others as large are expected: as many as 1 MiB holds are
// read together, and none of them has to be moved. Who waits for more has no memory but for a part
// of a frame.
class ReceiveBuffer final : public env::ReadRoom {
  public:
    std::size_t size() const override { return wanted_capacity(bytes()) - filled_; }
    MutableBytes take() override;
    void give_back() override;

    // A read has ended, with so many bytes.
    void received(std::size_t count);
    Bytes bytes() const { return {buffer_.data(), filled_}; }
    // All that is there, for frames to be cut off; what stays behind the last one comes back by
    // keep().
    Slice freeze();
    void keep(Bytes rest);
    // One of `size` bytes, its length included, is whole.
    void note_frame(std::size_t size);

  private:
    static constexpr std::size_t least = 1024;

    std::size_t wanted_capacity(Bytes begun) const;
    void note(std::size_t count, std::size_t room);

    Buffer buffer_;
    std::size_t filled_ = 0;
    std::size_t read_size_ = least;
    std::size_t frames_ = 0;  // bytes of those that are expected
};

}  // namespace millrace::net
