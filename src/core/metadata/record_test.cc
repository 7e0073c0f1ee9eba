#include "core/metadata/record.h"

#include <gtest/gtest.h>
#include <set>
#include <string>

#include "base/random.h"

namespace millrace::metadata {
namespace {

Slice bytes(std::initializer_list<int> values) {
    std::string text;
    for (int value : values) text.push_back(static_cast<char>(value));
    return Slice::copy(text);
}

template <std::size_t... I>
std::vector<MetadataRecord> each_type(std::index_sequence<I...>) {
    return {MetadataRecord(std::in_place_index<I>)...};
}

std::vector<MetadataRecord> each_type() {
    return each_type(std::make_index_sequence<std::variant_size_v<MetadataRecord>>());
}

TEST(Record, IsFramedAsApacheFramesIt) {
    FeatureLevelRecord level;
    level.name = "metadata.version";
    level.feature_level = 30;
    Result<Slice> encoded = encode({level, 0});
    ASSERT_TRUE(encoded.has_value());
    EXPECT_EQ(encoded->view(), std::string("\x01\x0c\x00\x11metadata.version\x00\x1e\x00", 23));
    Result<VersionedRecord> decoded = decode(*encoded);
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
    EXPECT_EQ(std::get<FeatureLevelRecord>(decoded->message), level);
}

TEST(Record, EveryTypeGoesThereAndBack) {
    std::set<std::int16_t> types;
    for (const MetadataRecord& record : each_type()) {
        SCOPED_TRACE(name_of(record));
        EXPECT_TRUE(types.insert(type_of(record)).second);
        Result<Slice> encoded = encode({record, 0});
        ASSERT_TRUE(encoded.has_value());
        Result<VersionedRecord> decoded = decode(*encoded);
        ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
        EXPECT_EQ(type_of(decoded->message), type_of(record));
        EXPECT_EQ(encode(*decoded)->view(), encoded->view());
    }
    // 6, 13 and 16 were never used or given up; 28 is the highest.
    EXPECT_EQ(types.size(), 26U);
    EXPECT_EQ(*types.rbegin(), 28);
}

TEST(Record, FieldsThatAVersionLacksAreAnError) {
    RegisterBrokerRecord record;
    record.cordoned_log_dirs.emplace();
    EXPECT_FALSE(encode({record, 3}).has_value());
    EXPECT_TRUE(encode({record, 4}).has_value());
}

TEST(Record, WhatIsNotUnderstoodIsAnError) {
    EXPECT_EQ(decode(bytes({0, 12, 0})).error().code, ErrorCode::unsupported_version);
    EXPECT_EQ(decode(bytes({2, 12, 0})).error().code, ErrorCode::unsupported_version);
    EXPECT_EQ(decode(bytes({1, 6, 0, 0})).error().code, ErrorCode::unsupported_version);
    EXPECT_EQ(decode(bytes({1, 20, 1, 0})).error().code, ErrorCode::unsupported_version);
    EXPECT_EQ(decode(bytes({1, 20, 0, 0, 7})).error().code, ErrorCode::invalid_record);
    EXPECT_FALSE(decode(bytes({1, 20})).has_value());
    EXPECT_FALSE(decode(bytes({})).has_value());
    EXPECT_FALSE(decode(bytes({1, 12, 0, 0x11, 'm'})).has_value());
}

TEST(Record, BrokenBytesGiveErrorsOnly) {
    Random random(7);
    for (const MetadataRecord& record : each_type()) {
        Slice encoded = *encode({record, 0});
        for (int i = 0; i < 200; ++i) {
            std::string broken(encoded.view());
            broken[random.below(broken.size())] = static_cast<char>(random.next());
            broken.resize(random.below(broken.size() + 3));
            Result<VersionedRecord> decoded = decode(as_bytes(broken));
            if (decoded) EXPECT_TRUE(encode(*decoded).has_value());
        }
    }
}

}  // namespace
}  // namespace millrace::metadata
