#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace millrace {

// The codec ids of batch attributes, bits 0 to 2.
enum class Codec : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

// Names as compression.type has them; ids 5 to 7 mean nothing.
std::string_view codec_name(Codec codec);
std::optional<Codec> codec_named(std::string_view name);
constexpr std::optional<Codec> codec_of_id(int id) {
    if (id < 0 || id > static_cast<int>(Codec::zstd)) return std::nullopt;
    return static_cast<Codec>(id);
}

// compression.gzip.level (-1, 1 to 9), compression.lz4.level (1 to 17), compression.zstd.level
// (-131072 to 22); none and snappy have no level and take any.
int default_level(Codec codec);
Result<> check_level(Codec codec, int level);

// Most bytes that one batch may inflate to unless the caller says otherwise.
inline constexpr std::size_t default_inflated_limit = std::size_t{128} << 20U;

// Appends the compressed form of `input` to `out`, framed as Apache's writers do: gzip member,
// xerial snappy, LZ4 frame of independent 64 KiB blocks, zstd frame without content size.
// A level out of range is taken as the nearest one.
void compress(Codec codec, int level, Bytes input, Buffer& out);

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

    class Stream;  // one per codec, for compression.cc only

  private:
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
