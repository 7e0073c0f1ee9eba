#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "stream.h"

namespace millrace::bench {

// Requests as they come, and answers as the socket takes them.
class Connection {
  public:
    explicit Connection(Stream stream) : stream(std::move(stream)) { room_.resize(64 << 10); }

    // Bytes of whole requests; empty when there is none.
    MutableBytes next_request();
    // False when the peer has gone.
    bool receive();
    // Everything that was given out is done with.
    void compact();
    void flush();
    bool busy() const { return !out.empty() || range_size > 0; }

    Stream stream;
    std::vector<std::uint8_t> out;
    // Records behind `out`.
    int range_file = -1;
    std::uint64_t range_at = 0;
    std::size_t range_size = 0;
    // The fetch that is being answered, or waits for records.
    struct Fetch {
        std::int32_t correlation = 0;
        int partition = 0;
        std::int64_t offset = 0;
        std::size_t most = 0;
    } fetch;
    bool waits = false;
    bool gone = false;
    bool follows = false;
    bool watched_for_room = false;
    // TLS may hold bytes that the socket no longer tells of.
    bool may_have_more() const { return stream.encrypted() && filled_; }

  private:
    static constexpr std::size_t most_room = 4 << 20;
    std::vector<std::uint8_t> room_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t sent_ = 0;
    bool filled_ = false;
};

}  // namespace millrace::bench
