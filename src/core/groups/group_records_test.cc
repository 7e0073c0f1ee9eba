#include "core/groups/group_records.h"

#include <gtest/gtest.h>
#include <string>

namespace millrace::groups {
namespace {

std::string hex(const Slice& bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (std::uint8_t byte : bytes.bytes()) {
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

std::string value_of(const GroupRecord& record) { return record.value ? hex(*record.value) : "-"; }

CommittedOffset offset_of(std::int64_t expires) {
    return {.offset = 42,
            .leader_epoch = 7,
            .metadata = "note",
            .commit_timestamp = 1'700'000'000'000,
            .expire_timestamp = expires,
            .topic_id = {1, 2}};
}

// The bytes are those of GroupCoordinatorRecordHelpers and its serde, Apache Kafka 4.3.1.
TEST(GroupRecords, OffsetsAreWrittenAsApacheWritesThem) {
    GroupRecord record = offset_record("g", "t", 3, offset_of(-1));
    EXPECT_EQ(hex(record.key), "000100016700017400000003");
    EXPECT_EQ(value_of(record),
              "0004000000000000002a00000007056e6f74650000018bcfe56800010010000000000000000100000000"
              "00000002");
    // With an expiry of its own, as old clients ask for: an old version.
    EXPECT_EQ(value_of(offset_record("g", "t", 3, offset_of(1'700'000'005'000))),
              "0001000000000000002a00046e6f74650000018bcfe568000000018bcfe57b88");
    record = offset_record("group-\xc3\xa9", "topic", 0, {.offset = 0, .commit_timestamp = 5});
    EXPECT_EQ(hex(record.key), "0001000867726f75702dc3a90005746f70696300000000");
    EXPECT_EQ(value_of(record), "00040000000000000000ffffffff01000000000000000500");
    record = offset_tombstone("g", "t", 3);
    EXPECT_EQ(hex(record.key), "000100016700017400000003");
    EXPECT_EQ(record.value, std::nullopt);
}

TEST(GroupRecords, GroupsAreWrittenAsApacheWritesThem) {
    GroupMetadataValue value{.protocol_type = "consumer",
                             .generation = 5,
                             .protocol = "range",
                             .leader = "m1",
                             .current_state_timestamp = 1'700'000'000'000};
    value.members.push_back({.member_id = "m1",
                             .group_instance_id = "i1",
                             .client_id = "c",
                             .client_host = "/127.0.0.1",
                             .rebalance_timeout = 60'000,
                             .session_timeout = 10'000,
                             .subscription = Slice::copy("\x01\x02"),
                             .assignment = Slice::copy("\x03\x04\x05")});
    value.members.push_back({.member_id = "m2",
                             .client_id = "c",
                             .client_host = "/127.0.0.1",
                             .rebalance_timeout = 60'000,
                             .session_timeout = 10'000,
                             .subscription = Slice::copy("\x01")});
    GroupRecord record = group_record("g", value);
    EXPECT_EQ(hex(record.key), "0002000167");
    EXPECT_EQ(value_of(record),
              "00030008636f6e73756d657200000005000572616e676500026d310000018bcfe5680000000002"
              "00026d3100026931000163000a2f3132372e302e302e310000ea600000271000000002010200000003"
              "03040500026d32ffff000163000a2f3132372e302e302e310000ea6000002710000000010100000000");
    GroupMetadataValue empty{.protocol_type = "consumer",
                             .generation = 6,
                             .protocol = std::nullopt,
                             .leader = std::nullopt,
                             .current_state_timestamp = 9};
    EXPECT_EQ(value_of(group_record("g", empty)),
              "00030008636f6e73756d657200000006ffffffff000000000000000900000000");
    record = group_tombstone("g");
    EXPECT_EQ(hex(record.key), "0002000167");
    EXPECT_EQ(record.value, std::nullopt);
}

TEST(GroupRecords, AreReadAgain) {
    auto entry = parse(offset_record("g", "t", 3, offset_of(1'700'000'005'000)));
    ASSERT_TRUE(entry.has_value());
    const auto& offset = std::get<OffsetEntry>(*entry);
    EXPECT_EQ(offset.topic, "t");
    EXPECT_EQ(offset.partition, 3);
    EXPECT_EQ(offset.offset->offset, 42);
    EXPECT_EQ(offset.offset->expire_timestamp, 1'700'000'005'000);
    EXPECT_EQ(std::get<OffsetEntry>(*parse(offset_tombstone("g", "t", 3))).offset, std::nullopt);
    EXPECT_EQ(std::get<GroupEntry>(*parse(group_tombstone("g"))).value, std::nullopt);
}

TEST(GroupRecords, BrokenBytesAreErrorsAndOtherKindsArePassedOver) {
    auto key = [](std::string_view bytes) { return GroupRecord{Slice::copy(bytes), std::nullopt}; };
    EXPECT_FALSE(parse(key("")));
    EXPECT_FALSE(parse(key(std::string_view("\0", 1))));
    EXPECT_FALSE(parse(key(std::string_view("\0\1\0\5g", 5))));
    EXPECT_EQ(std::get<OtherEntry>(*parse(key(std::string_view("\0\22\0\1g", 5)))).type, 18);
    GroupRecord record = offset_tombstone("g", "t", 3);
    record.value = Slice::copy(std::string_view("\0\x63rest", 6));
    EXPECT_EQ(parse(record).error().code, ErrorCode::corrupt_message);
    record.value = Slice::copy("x");
    EXPECT_EQ(parse(record).error().code, ErrorCode::corrupt_message);
}

}  // namespace
}  // namespace millrace::groups
