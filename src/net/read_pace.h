#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace millrace::net {

// How much room a connection of framed messages (a length of four bytes first) gets for its next
// read: more while reads come full, less while they do not. A frame of up to 1 MiB gets its whole
// buffer at once; a larger one grows as bytes arrive, so that a claimed length alone costs nothing.
class ReadPace {
  public:
    // How large the buffer must be to go on reading, given what is received.
    std::size_t wanted_capacity(Bytes received) const;
    // A read brought `count` bytes into `room`.
    void note(std::size_t count, std::size_t room);

  private:
    static constexpr std::size_t least = 1024;
    std::size_t read_size_ = least;
};

}  // namespace millrace::net
