#include "records/framing.h"

#include <bit>

namespace millrace::framing {
namespace {

constexpr std::uint32_t prime1 = 0x9e3779b1;
constexpr std::uint32_t prime2 = 0x85ebca77;
constexpr std::uint32_t prime3 = 0xc2b2ae3d;
constexpr std::uint32_t prime4 = 0x27d4eb2f;
constexpr std::uint32_t prime5 = 0x165667b1;

std::uint32_t lane(const std::uint8_t* at) {
    std::uint32_t n;
    std::memcpy(&n, at, sizeof n);
    return n;
}

std::uint32_t round(std::uint32_t sum, std::uint32_t input) {
    return std::rotl(sum + input * prime2, 13) * prime1;
}

}  // namespace

std::uint32_t xxh32(Bytes bytes) {
    static_assert(std::endian::native == std::endian::little);
    const std::uint8_t* at = bytes.data();
    const std::uint8_t* end = at + bytes.size();
    std::uint32_t hash = prime5;
    if (bytes.size() >= 16) {
        std::uint32_t sums[] = {prime1 + prime2, prime2, 0, 0U - prime1};
        for (; end - at >= 16; at += 16)
            for (int i = 0; i < 4; ++i) sums[i] = round(sums[i], lane(at + 4 * i));
        hash = std::rotl(sums[0], 1) + std::rotl(sums[1], 7) + std::rotl(sums[2], 12) +
               std::rotl(sums[3], 18);
    }
    hash += static_cast<std::uint32_t>(bytes.size());
    for (; end - at >= 4; at += 4) hash = std::rotl(hash + lane(at) * prime3, 17) * prime4;
    for (; at != end; ++at) hash = std::rotl(hash + *at * prime5, 11) * prime1;
    hash = (hash ^ (hash >> 15U)) * prime2;
    hash = (hash ^ (hash >> 13U)) * prime3;
    return hash ^ (hash >> 16U);
}

}  // namespace millrace::framing
