#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "records/decompressor.h"

namespace millrace {

// The part of an inflated stream that is looked at now. It slides on as bytes are consumed; its
// memory grows only when more contiguous bytes are asked for, and then as they arrive.
class RecordWindow {
  public:
    Result<> start(Codec codec, Bytes input, std::size_t limit);

    Bytes available() const { return {buffer_.data() + begin_, end_ - begin_}; }
    void consume(std::size_t n) {
        begin_ += n;
        position_ += n;
    }
    // Bytes consumed since the start.
    std::size_t position() const { return position_; }

    // Makes the next n bytes available; false when the stream ends before.
    Result<bool> fill(std::size_t n);
    // Consumes n bytes without holding them; false when the stream ends before.
    Result<bool> skip(std::size_t n);
    // A signed varint of at most max_size bytes, consumed. invalid_record when there is none.
    Result<std::int64_t> varint(std::size_t max_size);
    // Nothing is left; reads the end of the stream, with its checksum if it has one.
    Result<bool> at_end();

    // Records up to this size are looked at in one piece.
    static constexpr std::size_t usual_size = std::size_t{128} << 10U;

  private:
    Result<std::size_t> read_more();
    void make_room();

    Decompressor decompressor_;
    Buffer buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t position_ = 0;
};

}  // namespace millrace
