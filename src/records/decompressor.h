#pragma once

#include <cstddef>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "records/compression.h"

namespace millrace {

// Inflates a stream piece by piece. Its tables and buffers are kept from one stream to the next,
// and together stay in proportion to what was really read, never to a length in the input.
class Decompressor {
  public:
    Decompressor();
    Decompressor(Decompressor&& other) noexcept;
    Decompressor& operator=(Decompressor&& other) noexcept;
    ~Decompressor();

    // Begins with `input`, which must stay in place until the last read. More than `limit` bytes
    // of output are an error. A codec of none reads the input as it is.
    Result<> start(Codec codec, Bytes input, std::size_t limit = default_inflated_limit);

    // Fills the front of `out`, which must not be empty; fewer than asked come only at a frame's
    // inner borders, and 0 at the end of the stream. A broken stream is unknown_server_error, as
    // Apache answers it.
    Result<std::size_t> read(MutableBytes out);

    // Bytes of the stream read so far.
    std::size_t produced() const { return produced_; }

    class Stream;  // one per codec, known to decompressor.cc only

  private:
    std::unexpected<Error> refuse(std::string_view reason) const;

    std::unique_ptr<Stream> streams_[5];
    Stream* stream_ = nullptr;
    std::size_t input_size_ = 0;
    std::size_t produced_ = 0;
    std::size_t limit_ = 0;
    Codec codec_ = Codec::none;
};

// The whole of a compressed stream, at most `limit` bytes.
Result<Slice> decompress(Codec codec, Bytes input, std::size_t limit = default_inflated_limit);

}  // namespace millrace
