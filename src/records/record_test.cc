#include "records/record.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/varint.h"
#include "records/builder.h"

namespace millrace {
namespace {

// A batch around records given as bytes, with a sound header.
Slice batch_around(Bytes records, std::int32_t count, Codec codec) {
    BatchBuilder builder;
    builder.append(1000, std::nullopt, std::nullopt);
    Buffer batch;
    batch.append(builder.build().bytes().first(batch_header_size));
    Compressor().compress(codec, default_level(codec), records, batch);
    std::uint8_t* at = batch.data();
    store_be(at + batch_layout::length,
             static_cast<std::int32_t>(batch.size() - batch_prefix_size));
    at[batch_layout::attributes + 1] = static_cast<std::uint8_t>(codec);
    store_be(at + batch_layout::count, count);
    refresh_crc(batch.mutable_bytes());
    return std::move(batch).freeze();
}

ErrorCode outcome(const Slice& batch, std::size_t limit = default_inflated_limit) {
    RecordReader reader(BatchView::parse(batch).value(), limit);
    while (true) {
        auto record = reader.next();
        if (!record) return record.error().code;
        if (*record == nullptr) return ErrorCode::none;
    }
}

class BrokenRecords : public testing::TestWithParam<Codec> {};
INSTANTIATE_TEST_SUITE_P(EachCodec, BrokenRecords,
                         testing::Values(Codec::none, Codec::gzip, Codec::snappy, Codec::lz4,
                                         Codec::zstd),
                         [](const auto& info) { return std::string(codec_name(info.param)); });

TEST_P(BrokenRecords, AreErrors) {
    using Raw = std::vector<std::uint8_t>;
    // length, attributes, timestamp, offset, key length, value length, header count; zigzag.
    const Raw sound = {12, 0, 0, 0, 1, 1, 0};
    EXPECT_EQ(outcome(batch_around(sound, 1, GetParam())), ErrorCode::none);
    const std::vector<std::pair<const char*, Raw>> broken = {
        {"length behind the end", {14, 0, 0, 0, 1, 1, 0}},
        {"length too small", {10, 0, 0, 0, 1, 1, 0}},
        {"length negative", {11, 0, 0, 0, 1, 1, 0}},
        {"length of 2 GiB", {0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 1, 1, 0}},
        {"length of 6 bytes", {0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0, 0, 0, 1, 1, 0}},
        {"empty record", {0}},
        {"timestamp without end", {12, 0, 0x80, 0x80, 0x80, 0x80, 0x80}},
        {"key behind the end", {12, 0, 0, 0, 8, 1, 0}},
        {"key of 2 GiB", {20, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 0}},
        {"value behind the end", {12, 0, 0, 0, 1, 4, 0}},
        {"header count negative", {12, 0, 0, 0, 1, 1, 1}},
        {"header count without headers", {12, 0, 0, 0, 1, 1, 2}},
        {"header count of 2^31 - 1", {20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f}},
        {"header key null", {16, 0, 0, 0, 1, 1, 2, 1, 1}},
        {"header key behind the end", {16, 0, 0, 0, 1, 1, 2, 8, 1}},
        {"header value behind the end", {16, 0, 0, 0, 1, 1, 2, 0, 2}},
        {"bytes behind the headers", {14, 0, 0, 0, 1, 1, 0, 0}},
    };
    for (const auto& [name, bytes] : broken)
        EXPECT_EQ(outcome(batch_around(bytes, 1, GetParam())), ErrorCode::invalid_record) << name;
    EXPECT_EQ(outcome(batch_around(sound, 2, GetParam())), ErrorCode::invalid_record);
    EXPECT_EQ(outcome(batch_around(sound, -1, GetParam())), ErrorCode::invalid_record);
    Raw two = sound;
    two.insert(two.end(), sound.begin(), sound.end());
    EXPECT_EQ(outcome(batch_around(two, 1, GetParam())), ErrorCode::invalid_record);
    EXPECT_EQ(outcome(batch_around(two, 2, GetParam())), ErrorCode::none);
}

TEST_P(BrokenRecords, LimitOfInflation) {
    BatchOptions options;
    options.codec = GetParam();
    BatchBuilder builder(options);
    builder.append(0, std::nullopt, as_bytes(std::string(1'000'000, 'x')));
    Slice batch = builder.build();
    EXPECT_EQ(outcome(batch, 1'000'100), ErrorCode::none);
    bool inflated = GetParam() != Codec::none;
    EXPECT_EQ(outcome(batch, 1'000'000),
              inflated ? ErrorCode::unknown_server_error : ErrorCode::none);
    EXPECT_EQ(inflate(batch, 1'000'000).has_value(), !inflated);
}

TEST(Record, UnknownCodec) {
    Slice batch = batch_around({}, 1, Codec::none);
    batch.mutable_data()[batch_layout::attributes + 1] = 7;
    EXPECT_EQ(outcome(batch), ErrorCode::unknown_server_error);
    EXPECT_FALSE(inflate(batch));
}

TEST(Record, NegativeLengthsAreNull) {
    const std::uint8_t bytes[] = {12, 0, 0, 0, 5, 7, 0};
    Slice batch = batch_around(Bytes(bytes), 1, Codec::none);
    RecordReader reader(BatchView::parse(batch).value());
    const Record* record = reader.next().value();
    EXPECT_FALSE(record->key);
    EXPECT_FALSE(record->value);
}

TEST(Record, ViewsIntoTheBatchOutliveTheReader) {
    BatchBuilder builder;
    builder.append(0, as_bytes("key"), as_bytes("value"));
    Slice batch = builder.build();
    Record record = *RecordReader(BatchView::parse(batch).value()).next().value();
    EXPECT_EQ(as_string(*record.key), "key");
    EXPECT_EQ(record.value->data() + 6, batch.data() + batch.size());
}

TEST(Record, SequencesFollowOffsets) {
    BatchOptions options;
    options.base_sequence = 0x7fffffff;
    options.producer_id = 1;
    options.producer_epoch = 0;
    BatchBuilder builder(options);
    builder.append(0, std::nullopt, std::nullopt);
    builder.append_at(4, 0, std::nullopt, std::nullopt);
    Slice batch = builder.build();
    RecordReader reader(BatchView::parse(batch).value());
    EXPECT_EQ(reader.next().value()->sequence, 0x7fffffff);
    EXPECT_EQ(reader.next().value()->sequence, 3);
    EXPECT_EQ(reader.next().value(), nullptr);
}

TEST(Record, ControlTypesNeedAKey) {
    Record record;
    EXPECT_FALSE(control_type(record));
    const std::uint8_t key[] = {0, 0, 0, 2, 9, 9};
    record.key = Bytes(key).first(3);
    EXPECT_FALSE(control_type(record));
    record.key = Bytes(key);  // longer keys are for later versions
    EXPECT_EQ(control_type(record), ControlType::leader_change);
    const std::uint8_t later[] = {0, 1, 0, 99};
    record.key = Bytes(later);
    EXPECT_FALSE(is_known(control_type(record).value()));
}

}  // namespace
}  // namespace millrace
