#include "base/bytes.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <set>
#include <string>

#include "base/chain.h"
#include "base/log.h"
#include "base/random.h"
#include "base/time.h"
#include "base/uuid.h"
#include "base/varint.h"

namespace millrace {

namespace {

TEST(Bytes, NumbersAreBigEndianAnywhere) {
    std::uint8_t bytes[16] = {};
    store_be<std::int64_t>(bytes + 1, 0x0102030405060708);
    EXPECT_EQ(bytes[1], 1);
    EXPECT_EQ(bytes[8], 8);
    EXPECT_EQ(load_be<std::int64_t>(bytes + 1), 0x0102030405060708);
    EXPECT_EQ(load_be<std::int32_t>(bytes + 1), 0x01020304);
    EXPECT_EQ(load_be<std::int16_t>(bytes + 7), 0x0708);
    store_be<std::int32_t>(bytes, -2);
    EXPECT_EQ(load_be<std::int32_t>(bytes), -2);
    EXPECT_EQ(load_be<std::int16_t>(bytes + 2), -2);
}

TEST(Slice, PartsKeepTheBytesAlive) {
    Slice part;
    {
        Slice whole = Slice::copy("hello world");
        part = whole.slice(6);
        EXPECT_EQ(part.slice(1, 3).view(), "orl");
        EXPECT_EQ(whole.slice(11).size(), 0U);
    }
    EXPECT_EQ(part.view(), "world");
    Slice copy = part;
    Slice moved = std::move(part);
    EXPECT_TRUE(part.empty());  // NOLINT: what is left of it is empty
    EXPECT_EQ(copy.data(), moved.data());
    moved.mutable_data()[0] = 'W';
    EXPECT_EQ(copy.view(), "World");
    EXPECT_DEATH((void)copy.slice(4, 2), "");
    EXPECT_DEATH((void)copy.slice(6, 0), "");
    EXPECT_DEATH((void)copy.slice(1, std::numeric_limits<std::size_t>::max()), "");
}

TEST(Buffer, GrowsKeepsAndFreezes) {
    Buffer buffer;
    EXPECT_EQ(buffer.data(), nullptr);
    buffer.append(std::string_view());
    EXPECT_TRUE(buffer.empty());
    std::string expected;
    for (int i = 0; i < 1'000; ++i) {
        std::string piece(static_cast<std::size_t>(i % 37), static_cast<char>('a' + i % 26));
        buffer.append(piece);
        buffer.push_back('.');
        expected += piece + ".";
    }
    EXPECT_EQ(buffer.view(), expected);
    std::size_t capacity = buffer.capacity();
    const std::uint8_t* at = buffer.data();
    Buffer taken = std::move(buffer);
    EXPECT_EQ(buffer.size(), 0U);  // NOLINT: what is left of it is empty
    Slice slice = std::move(taken).freeze();
    EXPECT_EQ(slice.data(), at) << "without a copy";
    EXPECT_EQ(slice.view(), expected);
    EXPECT_GE(capacity, slice.size());
    EXPECT_TRUE(Buffer().freeze().empty());
}

TEST(Chain, PrefixesEndWithinPiecesAndFiles) {
    Chain chain(Slice::copy("abc"));
    chain.append(Slice());
    chain.append(FileRange{nullptr, 100, 10});
    chain.append(Chain(Slice::copy("xyz")));
    EXPECT_EQ(chain.size(), 16U);
    EXPECT_EQ(chain.pieces().size(), 3U);
    EXPECT_EQ(chain.prefix(2).in_memory().view(), "ab");
    Chain within_file = chain.prefix(7);
    ASSERT_EQ(within_file.pieces().size(), 2U);
    const auto& range = std::get<FileRange>(within_file.pieces()[1]);
    EXPECT_EQ(range.offset, 100U);
    EXPECT_EQ(range.size, 4U);
    EXPECT_EQ(chain.prefix(100).size(), 16U);
    EXPECT_TRUE(chain.prefix(0).empty());
    EXPECT_TRUE(Chain().in_memory().empty());
}

TEST(Varint, EdgesOfEachWidth) {
    auto back = [](std::uint64_t n) {
        std::uint8_t bytes[max_uvarint64_size];
        const std::uint8_t* end = put_uvarint(bytes, n);
        EXPECT_EQ(static_cast<std::size_t>(end - bytes), uvarint_size(n));
        std::uint64_t read = ~n;
        EXPECT_EQ(get_uvarint(bytes, end, read), end);
        EXPECT_EQ(get_uvarint(bytes, end - 1, read), nullptr) << "cut short";
        EXPECT_EQ(get_uvarint(bytes, end, read), end);
        return read;
    };
    for (unsigned bits = 0; bits < 64; ++bits) {
        std::uint64_t n = std::uint64_t{1} << bits;
        EXPECT_EQ(back(n), n);
        EXPECT_EQ(back(n - 1), n - 1);
    }
    EXPECT_EQ(back(std::numeric_limits<std::uint64_t>::max()),
              std::numeric_limits<std::uint64_t>::max());
    for (std::int64_t n : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
                           std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}) {
        EXPECT_EQ(unzigzag(zigzag(n)), n);
    }
    EXPECT_EQ(zigzag(-1), 1U);
    EXPECT_EQ(zigzag(1), 2U);
}

TEST(Varint, MoreThan64BitsAreRefused) {
    std::uint8_t bytes[11] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00};
    std::uint64_t n = 0;
    EXPECT_EQ(get_uvarint(bytes, bytes + 10, n), bytes + 10);
    EXPECT_EQ(n, std::numeric_limits<std::uint64_t>::max());
    bytes[9] = 0x02;
    EXPECT_EQ(get_uvarint(bytes, bytes + 10, n), nullptr);
    bytes[9] = 0x81;
    EXPECT_EQ(get_uvarint(bytes, bytes + 11, n), nullptr) << "an eleventh byte";
}

TEST(Uuid, TextGoesThereAndBack) {
    Random random(3);
    std::set<Uuid> seen;
    for (int i = 0; i < 1'000; ++i) {
        Uuid id = Uuid::random(random);
        EXPECT_FALSE(id.is_reserved());
        EXPECT_TRUE(seen.insert(id).second);
        std::string text = id.to_string();
        EXPECT_EQ(text.size(), 22U);
        EXPECT_NE(text[0], '-');
        EXPECT_EQ(*Uuid::parse(text), id);
    }
    for (const char* text : {"", "AAAA", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAA",
                             "AAAAAAAAAAAAAAAAAAAA+A", "AAAAAAAAAAAAAAAAAAAA A"}) {
        EXPECT_FALSE(Uuid::parse(text).has_value()) << text;
    }
    EXPECT_TRUE(metadata_topic_id.is_reserved());
}

TEST(Random, OneSeedGivesTheSameAndForksGoTheirOwnWay) {
    Random a(42);
    Random b(42);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(a.next(), b.next());
    Random fork = a.fork();
    EXPECT_NE(fork.next(), a.next());
    EXPECT_NE(Random(0).next(), Random(1).next());
}

TEST(Random, StaysWithinItsBoundsAndReachesThem) {
    Random random(7);
    std::set<std::int64_t> between;
    std::set<std::uint64_t> below;
    double sum = 0;
    for (int i = 0; i < 2'000; ++i) {
        between.insert(random.between(-2, 2));
        below.insert(random.below(3));
        double unit = random.unit();
        EXPECT_GE(unit, 0.0);
        EXPECT_LT(unit, 1.0);
        sum += unit;
    }
    EXPECT_EQ(between, (std::set<std::int64_t>{-2, -1, 0, 1, 2}));
    EXPECT_EQ(below, (std::set<std::uint64_t>{0, 1, 2}));
    EXPECT_NEAR(sum / 2'000, 0.5, 0.05);
    EXPECT_EQ(random.below(1), 0U);
    EXPECT_FALSE(random.chance(0.0));
    EXPECT_TRUE(random.chance(1.0));
}

TEST(Time, NeverIsBehindEverything) {
    Time now = Time() + Duration::seconds(5);
    EXPECT_LT(now, Time::never());
    EXPECT_EQ(Time::never() + Duration::seconds(1), Time::never());
    EXPECT_EQ(now + Duration::max(), Time::never());
    EXPECT_EQ((now + Duration::milliseconds(1'500)) - now, Duration::milliseconds(1'500));
    EXPECT_EQ(Duration::milliseconds(1'500).ms(), 1'500);
}

TEST(Log, OnlyKnownLevelsAndAreas) {
    static log::Area area("bytes_test");
    EXPECT_FALSE(log::set_level("*", "loud").has_value());
    EXPECT_FALSE(log::set_level("no such area", "info").has_value());
    for (const char* level : {"trace", "debug", "info", "warn", "error"})
        EXPECT_TRUE(log::set_level("*", level).has_value()) << level;
    EXPECT_TRUE(area.enabled(log::Level::error));
    EXPECT_FALSE(area.enabled(log::Level::warn));
    EXPECT_TRUE(log::set_level("*", "info").has_value());
}

}  // namespace
}  // namespace millrace
