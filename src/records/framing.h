#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace millrace::framing {

// Member with deflate, no name, no time, unknown system (RFC 1952).
inline constexpr std::uint8_t gzip_header[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};

// xerial's stream: magic, version 1, lowest version that can read it 1; then blocks of int32
// length and raw snappy.
inline constexpr std::uint8_t xerial_header[] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                                 0,    0,   0,   1,   0,   0,   0,   1};
inline constexpr std::size_t xerial_magic_size = 8;
inline constexpr std::size_t xerial_block_size = std::size_t{32} << 10U;

// LZ4 frame: magic, FLG (version 1, independent blocks), BD (64 KiB), header checksum; then blocks
// of little-endian int32 length and data, up to a length of 0.
inline constexpr std::uint8_t lz4_header[] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82};
inline constexpr std::uint32_t lz4_magic = 0x184d2204;
inline constexpr std::uint32_t lz4_stored = 0x80000000;
inline constexpr std::size_t lz4_block_size = std::size_t{64} << 10U;

// xxHash32 with seed 0, the checksum of LZ4 frames.
std::uint32_t xxh32(Bytes bytes);

}  // namespace millrace::framing
