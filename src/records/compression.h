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
inline constexpr std::size_t default_inflated_limit = std::size_t{512} << 20U;

// Makes compressed streams framed as Apache's writers do: gzip member, xerial snappy, LZ4 frame of
// independent 64 KiB blocks, zstd frame without content size. Keeps its tables between streams.
class Compressor {
  public:
    Compressor();
    Compressor(Compressor&& other) noexcept;
    Compressor& operator=(Compressor&& other) noexcept;
    ~Compressor();

    // Appends the stream of `input` to `out`; none appends it as it is. A level out of range is
    // taken as the nearest one.
    void compress(Codec codec, int level, Bytes input, Buffer& out);

  private:
    struct State;
    void gzip(int level, Bytes input, Buffer& out);
    void lz4(int level, Bytes input, Buffer& out);
    void zstd(int level, Bytes input, Buffer& out);
    std::unique_ptr<State> state_;
};

}  // namespace millrace
