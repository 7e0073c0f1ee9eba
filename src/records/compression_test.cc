#include "records/compression.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <vector>

#include "base/random.h"
#include "records/decompressor.h"
#include "records/framing.h"

namespace millrace {
namespace {

constexpr Codec real_codecs[] = {Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd};

Buffer compressed(Codec codec, std::string_view text, std::optional<int> level = {}) {
    Buffer out;
    Compressor().compress(codec, level.value_or(default_level(codec)), as_bytes(text), out);
    return out;
}

// Half noise, half repetition.
std::string some_text(std::size_t size, std::uint64_t seed) {
    Random random(seed);
    std::string text;
    while (text.size() < size) {
        if (random.below(2) == 0) text += "the same words again and again ";
        text += std::to_string(random.below(1U << 30U));
    }
    text.resize(size);
    return text;
}

std::string reason(Codec codec, Bytes stream, std::size_t limit = default_inflated_limit) {
    auto result = decompress(codec, stream, limit);
    return result ? "" : result.error().message;
}

TEST(Compression, EveryLevelAndSizeRoundTrips) {
    Compressor compressor;
    for (Codec codec : real_codecs) {
        for (int level : {default_level(codec), -131072, -1, 1, 6, 12, 17, 22, 1000}) {
            for (std::size_t size : {0U, 1U, 100U, 32768U, 32769U, 65536U, 200000U}) {
                std::string text = some_text(size, size);
                Buffer out;
                out.append("kept");
                compressor.compress(codec, level, as_bytes(text), out);
                auto back = decompress(codec, out.bytes().subspan(4));
                ASSERT_TRUE(back) << back.error().message;
                ASSERT_EQ(back->view(), text) << codec_name(codec) << level << " " << size;
            }
        }
    }
}

RC_GTEST_PROP(Compression, PiecesOfAnySizeAreTheWhole, (std::string text)) {
    Codec codec =
        *rc::gen::elementOf(std::vector<Codec>(std::begin(real_codecs), std::end(real_codecs)));
    for (int i = 0; i < 6; ++i) text += text;
    Buffer stream = compressed(codec, text);
    Decompressor decompressor;
    std::string back;
    for (int round = 0; round < 2; ++round) {  // the second round finds used tables
        back.clear();
        RC_ASSERT(decompressor.start(codec, stream.bytes()).has_value());
        while (true) {
            std::vector<std::uint8_t> piece(*rc::gen::inRange<std::size_t>(1, 3000));
            auto n = decompressor.read(piece);
            RC_ASSERT(n.has_value());
            if (*n == 0) break;
            back.append(as_string(Bytes(piece).first(*n)));
        }
        RC_ASSERT(back == text);
        RC_ASSERT(decompressor.produced() == text.size());
    }
}

TEST(Compression, FramesAreApaches) {
    auto begins = [](const Buffer& stream, std::initializer_list<std::uint8_t> bytes) {
        return stream.size() >= bytes.size() &&
               std::equal(bytes.begin(), bytes.end(), stream.data());
    };
    EXPECT_TRUE(
        begins(compressed(Codec::gzip, "text", 9), {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}));
    EXPECT_TRUE(begins(compressed(Codec::snappy, "text"), {0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59,
                                                           0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0}));
    EXPECT_TRUE(begins(
        compressed(Codec::lz4, "text"),
        {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 4, 0, 0, 0x80, 't', 'e', 'x', 't', 0, 0, 0, 0}));
    EXPECT_TRUE(begins(compressed(Codec::zstd, "text"), {0x28, 0xb5, 0x2f, 0xfd, 0, 0x58}));
}

TEST(Compression, XxHashKnownValues) {
    EXPECT_EQ(framing::xxh32({}), 0x02cc5d05U);
    EXPECT_EQ(framing::xxh32(as_bytes("a")), 0x550d7456U);
    EXPECT_EQ(framing::xxh32(as_bytes("abc")), 0x32d153ffU);
    EXPECT_EQ(framing::xxh32(as_bytes("Nobody inspects the spammish repetition")), 0xe2293b2fU);
}

TEST(Compression, ReadsRawSnappyAndSeveralStreams) {
    Buffer framed = compressed(Codec::snappy, "some words");
    Bytes raw = framed.bytes().subspan(20);
    EXPECT_EQ(decompress(Codec::snappy, raw)->view(), "some words");
    for (Codec codec : {Codec::snappy, Codec::gzip, Codec::zstd}) {
        Buffer two = compressed(codec, "one ");
        two.append(compressed(codec, "two").bytes());
        EXPECT_EQ(decompress(codec, two.bytes())->view(), "one two") << codec_name(codec);
    }
}

TEST(Compression, CutStreamsAreErrors) {
    std::string text = some_text(100000, 7);
    for (Codec codec : real_codecs) {
        Buffer whole = compressed(codec, text);
        for (std::size_t size = 0; size < whole.size(); size += 1 + size / 20) {
            auto back = decompress(codec, whole.bytes().first(size));
            // xerial has no end mark: a stream that ends between blocks is whole.
            if (codec == Codec::snappy && back)
                EXPECT_EQ(back->view(), std::string_view(text).substr(0, back->size()));
            else if (codec != Codec::zstd || size > 0)
                EXPECT_FALSE(back) << codec_name(codec) << " of " << size;
        }
    }
}

TEST(Compression, BombsStopAtTheLimit) {
    std::string zeros(50'000'000, 0);
    for (Codec codec : real_codecs) {
        Buffer bomb = compressed(codec, zeros);
        EXPECT_NE(reason(codec, bomb.bytes(), 1'000'000).find("more than the 1000000 bytes"),
                  std::string::npos)
            << codec_name(codec);
        EXPECT_EQ(reason(codec, bomb.bytes(), zeros.size()), "");
    }
}

TEST(Compression, ClaimsThatCannotBeKeptAreErrors) {
    // A snappy block of two bytes that claims 2 GiB.
    const std::uint8_t snappy[] = {0xff, 0xff, 0xff, 0xff, 0x07, 0, 0};
    EXPECT_NE(reason(Codec::snappy, snappy).find("claims to hold"), std::string::npos);
    Buffer lz4 = compressed(Codec::lz4, "text");
    lz4.data()[6] ^= 1;
    EXPECT_NE(reason(Codec::lz4, lz4.bytes()).find("header checksum"), std::string::npos);
    lz4.data()[4] = 0x40;
    EXPECT_NE(reason(Codec::lz4, lz4.bytes()).find("depend"), std::string::npos);
    const std::uint8_t huge_block[] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0xff, 0xff, 0, 1};
    EXPECT_NE(reason(Codec::lz4, huge_block).find("above its limit"), std::string::npos);
}

TEST(Compression, Levels) {
    EXPECT_TRUE(check_level(Codec::gzip, -1));
    EXPECT_FALSE(check_level(Codec::gzip, 0));
    EXPECT_FALSE(check_level(Codec::gzip, 10));
    EXPECT_FALSE(check_level(Codec::lz4, 18));
    EXPECT_TRUE(check_level(Codec::zstd, -131072));
    EXPECT_FALSE(check_level(Codec::zstd, 23));
    EXPECT_TRUE(check_level(Codec::snappy, 99));
    EXPECT_EQ(codec_named("lz4"), Codec::lz4);
    EXPECT_FALSE(codec_named("producer"));
    EXPECT_FALSE(codec_of_id(5));
}

}  // namespace
}  // namespace millrace
