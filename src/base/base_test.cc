#include <gtest/gtest.h>
#include <limits>
#include <rapidcheck/gtest.h>
#include <vector>

#include "base/bytes.h"
#include "base/chain.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"
#include "base/varint.h"

namespace millrace {
namespace {

TEST(Crc32c, KnownVectors) {  // RFC 3720 appendix B.4
    std::vector<std::uint8_t> zeros(32, 0);
    std::vector<std::uint8_t> ones(32, 0xff);
    std::vector<std::uint8_t> rising;
    for (std::uint8_t i = 0; i < 32; ++i) rising.push_back(i);
    EXPECT_EQ(crc32c(zeros), 0x8a9136aaU);
    EXPECT_EQ(crc32c(ones), 0x62a8ab43U);
    EXPECT_EQ(crc32c(rising), 0x46dd794eU);
    EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283U);
    EXPECT_EQ(crc32c(as_bytes("6789"), crc32c(as_bytes("12345"))), 0xe3069283U);
}

TEST(Uuid, TextOfKafka) {
    EXPECT_EQ(metadata_topic_id.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
    EXPECT_EQ(Uuid::parse("AAAAAAAAAAAAAAAAAAAAAQ").value(), metadata_topic_id);
    EXPECT_FALSE(Uuid::parse("short"));
    EXPECT_FALSE(Uuid::parse("AAAAAAAAAAAAAAAAAAAA!Q"));
    Random random(1);
    for (int i = 0; i < 1000; ++i) {
        Uuid id = Uuid::random(random);
        EXPECT_EQ(Uuid::parse(id.to_string()).value(), id);
        EXPECT_NE(id.to_string()[0], '-');
    }
}

RC_GTEST_PROP(Varint, RoundTrips, (std::int64_t n)) {
    std::uint8_t bytes[max_uvarint64_size];
    std::uint8_t* end = put_varint(bytes, n);
    RC_ASSERT(static_cast<std::size_t>(end - bytes) == varint_size(n));
    std::int64_t back = 0;
    RC_ASSERT(get_varint(bytes, end, back) == end);
    RC_ASSERT(back == n);
    RC_ASSERT(get_varint(bytes, end - 1, back) == nullptr);
}

TEST(Varint, RefusesWhatDoesNotFit32Bits) {
    const std::uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0x1f};
    std::uint64_t n = 0;
    EXPECT_EQ(get_uvarint(bytes, bytes + 5, n, max_uvarint32_size), nullptr);
    const std::uint8_t endless[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    EXPECT_EQ(get_uvarint(endless, endless + 6, n, max_uvarint32_size), nullptr);
}

TEST(Slice, SharesBytesOfAFrozenBuffer) {
    Buffer buffer;
    for (int i = 0; i < 1000; ++i) buffer.append("0123456789");
    Slice whole = std::move(buffer).freeze();
    Slice part = whole.slice(10, 20);
    whole = {};
    EXPECT_EQ(part.view(), "01234567890123456789");
    EXPECT_EQ(part.slice(19).view(), "9");
}

TEST(Chain, JoinsPieces) {
    Chain chain(Slice::copy("ab"));
    EXPECT_EQ(chain.in_memory().view(), "ab");
    chain.append(Slice::copy("cd"));
    chain.append(Slice());
    EXPECT_EQ(chain.pieces().size(), 2U);
    EXPECT_EQ(chain.size(), 4U);
    EXPECT_EQ(chain.in_memory().view(), "abcd");
    EXPECT_EQ(chain.prefix(3).in_memory().view(), "abc");
    EXPECT_EQ(chain.prefix(9).in_memory().view(), "abcd");
}

TEST(Time, Saturates) {
    EXPECT_EQ(Time::from_ns(5) + Duration::max(), Time::never());
    EXPECT_EQ(Duration::milliseconds(std::numeric_limits<std::int64_t>::max()), Duration::max());
    EXPECT_EQ((Time::from_ns(5) + Duration::seconds(1)) - Time::from_ns(5), Duration::seconds(1));
}

TEST(ErrorCode, NamesAndRetries) {
    EXPECT_EQ(name_of(ErrorCode::unknown_topic_or_partition), "UNKNOWN_TOPIC_OR_PARTITION");
    EXPECT_EQ(static_cast<int>(ErrorCode::corrupt_message), 2);
    EXPECT_TRUE(is_retriable(ErrorCode::not_leader_or_follower));
    EXPECT_FALSE(is_retriable(ErrorCode::invalid_record));
    EXPECT_EQ(name_of(static_cast<ErrorCode>(9999)), "");
}

log::Area log_area{"base-test"};

TEST(Log, LevelsAreSwitchedByArea) {
    std::vector<std::string> lines;
    log::set_sink([&](const log::Line& line) { lines.emplace_back(line.text); });
    LOG_DEBUG("hidden {}", 1);
    ASSERT_TRUE(log::set_level("base-test", "debug"));
    LOG_DEBUG("shown {}", 2);
    EXPECT_EQ(lines, std::vector<std::string>{"shown 2"});
    EXPECT_FALSE(log::set_level("no-such-area", "debug"));
    EXPECT_FALSE(log::set_level("base-test", "loud"));
    log::set_sink([](const log::Line&) {});
}

}  // namespace
}  // namespace millrace
