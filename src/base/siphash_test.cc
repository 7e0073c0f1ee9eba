#include "base/siphash.h"

#include <array>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <string>

namespace millrace {
namespace {

std::string hex(const Hash128& hash) {
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &hash.low, 8);
    std::memcpy(bytes.data() + 8, &hash.high, 8);
    std::string text;
    for (std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
    return text;
}

// The vectors of the reference implementation: key 00 01 … 0f, input 00 01 … of each length.
TEST(SipHash, GivesThePublishedVectors) {
    std::array<std::uint8_t, 16> input;
    for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<std::uint8_t>(i);
    Hash128 seed;
    std::memcpy(&seed.low, input.data(), 8);
    std::memcpy(&seed.high, input.data() + 8, 8);
    auto of_length = [&](std::size_t n) { return hex(siphash128(seed, Bytes(input).first(n))); };
    EXPECT_EQ(of_length(0), "a3817f04ba25a8e66df67214c7550293");
    EXPECT_EQ(of_length(1), "da87c1d86b99af44347659119b22fc45");
    EXPECT_EQ(of_length(7), "a1f1ebbed8dbc153c0b84aa61ff08239");
    EXPECT_EQ(of_length(8), "3b62a9ba6258f5610f83e264f31497b4");
    EXPECT_EQ(of_length(15), "5493e99933b0a8117e08ec0f97cfc3d9");
}

TEST(SipHash, AnotherSeedGivesOtherHashes) {
    EXPECT_NE(siphash128({1, 2}, as_bytes("key")), siphash128({1, 3}, as_bytes("key")));
    EXPECT_NE(siphash128({1, 2}, as_bytes("key")), siphash128({2, 2}, as_bytes("key")));
}

}  // namespace
}  // namespace millrace
