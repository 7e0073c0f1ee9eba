#include "records/builder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <vector>

#include "records/record.h"

namespace millrace {
namespace {

using Text = std::optional<std::string>;

struct PlainHeader {
    std::string key;
    Text value;
    bool operator==(const PlainHeader&) const = default;
};
struct PlainRecord {
    std::int64_t offset = 0;
    Timestamp timestamp = 0;
    Text key;
    Text value;
    std::vector<PlainHeader> headers;
    bool operator==(const PlainRecord&) const = default;
};

std::optional<Bytes> bytes_of(const Text& text) {
    return text ? std::optional(as_bytes(*text)) : std::nullopt;
}
Text text_of(const std::optional<Bytes>& bytes) {
    return bytes ? Text(std::string(as_string(*bytes))) : std::nullopt;
}

void append(BatchBuilder& builder, const PlainRecord& record) {
    std::vector<RecordHeader> headers;
    for (const PlainHeader& header : record.headers)
        headers.push_back({header.key, bytes_of(header.value)});
    builder.append_at(record.offset, record.timestamp, bytes_of(record.key), bytes_of(record.value),
                      headers);
}

std::vector<PlainRecord> read_all(RecordReader reader) {
    std::vector<PlainRecord> records;
    while (true) {
        auto record = reader.next();
        EXPECT_TRUE(record) << record.error().message;
        if (!record || *record == nullptr) return records;
        PlainRecord plain{(*record)->offset,
                          (*record)->timestamp,
                          text_of((*record)->key),
                          text_of((*record)->value),
                          {}};
        for (const RecordHeader& header : (*record)->headers)
            plain.headers.push_back({std::string(header.key), text_of(header.value)});
        records.push_back(std::move(plain));
    }
}

rc::Gen<Text> any_text() {
    return rc::gen::weightedOneOf<Text>({{1, rc::gen::just(Text())},
                                         {6, rc::gen::map(rc::gen::arbitrary<std::string>(),
                                                          [](std::string s) { return Text(s); })},
                                         {1, rc::gen::map(rc::gen::inRange(0, 20000), [](int n) {
                                              std::string text;
                                              while (text.size() < static_cast<std::size_t>(n))
                                                  text += std::to_string(text.size() * 2654435761U);
                                              return Text(text);
                                          })}});
}

rc::Gen<std::vector<PlainRecord>> any_records() {
    auto header = rc::gen::build<PlainHeader>(
        rc::gen::set(&PlainHeader::key, rc::gen::arbitrary<std::string>()),
        rc::gen::set(&PlainHeader::value, any_text()));
    auto record = rc::gen::build<PlainRecord>(
        rc::gen::set(&PlainRecord::offset, rc::gen::inRange<std::int64_t>(1, 100)),
        rc::gen::set(&PlainRecord::timestamp,
                     rc::gen::inRange<std::int64_t>(-1, 4'000'000'000'000)),
        rc::gen::set(&PlainRecord::key, any_text()), rc::gen::set(&PlainRecord::value, any_text()),
        rc::gen::set(&PlainRecord::headers, rc::gen::container<std::vector<PlainHeader>>(header)));
    return rc::gen::nonEmpty(rc::gen::container<std::vector<PlainRecord>>(record));
}

RC_GTEST_PROP(Builder, WhatIsBuiltIsReadBack, ()) {
    auto records = *any_records();
    // What was generated as an offset is the gap before it.
    std::int64_t offset = *rc::gen::inRange<std::int64_t>(0, 1'000'000'000'000);
    BatchOptions options;
    options.base_offset = offset;
    options.codec =
        *rc::gen::element(Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd);
    for (PlainRecord& record : records) record.offset = offset += record.offset;
    BatchBuilder builder(options);
    for (const PlainRecord& record : records) append(builder, record);
    std::size_t size = builder.size();
    Slice built = builder.build();

    auto batch = BatchView::parse(built);
    RC_ASSERT(batch.has_value());
    RC_ASSERT(batch->verify_crc().has_value());
    RC_ASSERT(batch->size() == built.size());
    RC_ASSERT(batch->base_offset() == options.base_offset);
    RC_ASSERT(batch->last_offset() == offset);
    RC_ASSERT(batch->count() == static_cast<std::int32_t>(records.size()));
    RC_ASSERT(batch->codec() == options.codec);
    if (options.codec == Codec::none) RC_ASSERT(size == built.size());
    RC_ASSERT(read_all(RecordReader(*batch)) == records);
    auto inflated = inflate(built);
    RC_ASSERT(inflated.has_value());
    RC_ASSERT(inflated->size() + batch_header_size == size);
    RC_ASSERT(read_all(RecordReader(*batch, Bytes(*inflated))) == records);
    RC_ASSERT(builder.build().empty());
}

TEST(Builder, EveryHeaderField) {
    BatchOptions options;
    options.base_offset = 1234567890123;
    options.leader_epoch = 7;
    options.producer_id = 42;
    options.producer_epoch = 3;
    options.base_sequence = 0x7ffffffe;
    options.transactional = true;
    BatchBuilder builder(options);
    builder.append(1000, std::nullopt, as_bytes("a"));
    builder.append(900, as_bytes("k"), std::nullopt);
    builder.append(1100, as_bytes("k"), as_bytes("c"));
    EXPECT_EQ(builder.max_timestamp(), 1100);
    Slice built = builder.build();
    auto batch = BatchView::parse(built).value();
    EXPECT_EQ(batch.base_offset(), 1234567890123);
    EXPECT_EQ(batch.last_offset(), 1234567890125);
    EXPECT_EQ(batch.next_offset(), 1234567890126);
    EXPECT_EQ(batch.leader_epoch(), 7);
    EXPECT_EQ(batch.magic(), 2);
    EXPECT_EQ(batch.base_timestamp(), 1000);
    EXPECT_EQ(batch.max_timestamp(), 1100);
    EXPECT_EQ(batch.producer_id(), 42);
    EXPECT_EQ(batch.producer_epoch(), 3);
    EXPECT_EQ(batch.base_sequence(), 0x7ffffffe);
    EXPECT_EQ(batch.last_sequence(), 0);
    EXPECT_TRUE(batch.is_transactional());
    EXPECT_FALSE(batch.is_control());
    EXPECT_EQ(batch.timestamp_type(), TimestampType::create_time);
    EXPECT_FALSE(batch.delete_horizon());
    EXPECT_EQ(builder.next_offset(), 1234567890126);
}

TEST(Builder, SizeBoundHolds) {
    std::string big(1000, 'x');
    RecordHeader header{"name", as_bytes("value")};
    BatchBuilder builder;
    builder.append(0, std::nullopt, std::nullopt);
    std::size_t before = builder.size();
    std::size_t bound = BatchBuilder::record_size_bound(as_bytes(big), as_bytes(big), {&header, 1});
    builder.append(std::numeric_limits<Timestamp>::max(), as_bytes(big), as_bytes(big),
                   {&header, 1});
    EXPECT_LE(builder.size() - before, bound);
}

TEST(Builder, DeleteHorizonIsTheBaseOfTheDeltas) {
    BatchOptions options;
    options.delete_horizon = 5000;
    BatchBuilder builder(options);
    builder.append(1000, as_bytes("k"), std::nullopt);
    Slice built = builder.build();
    auto batch = BatchView::parse(built).value();
    EXPECT_EQ(batch.delete_horizon(), 5000);
    EXPECT_EQ(batch.attributes(), 0x40);
    EXPECT_EQ(batch.max_timestamp(), 1000);
    EXPECT_EQ(read_all(RecordReader(batch)).at(0).timestamp, 1000);
}

TEST(Builder, LogAppendTimeIsTheTimeOfEveryRecord) {
    BatchOptions options;
    options.log_append_time = 77;
    BatchBuilder builder(options);
    builder.append(1, std::nullopt, as_bytes("a"));
    builder.append(2, std::nullopt, as_bytes("b"));
    Slice built = builder.build();
    auto batch = BatchView::parse(built).value();
    EXPECT_EQ(batch.timestamp_type(), TimestampType::log_append_time);
    for (const PlainRecord& record : read_all(RecordReader(batch))) EXPECT_EQ(record.timestamp, 77);
}

TEST(Builder, TransactionMarkers) {
    for (ControlType type : {ControlType::commit, ControlType::abort}) {
        MarkerOptions options{.producer_id = 9,
                              .producer_epoch = 4,
                              .coordinator_epoch = 11,
                              .leader_epoch = 2,
                              .base_offset = 50,
                              .timestamp = 1000};
        Slice built = transaction_marker_batch(type, options);
        EXPECT_EQ(built.size(), 78U);
        auto batch = BatchView::parse(built).value();
        EXPECT_EQ(batch.attributes(), 0x30);
        EXPECT_EQ(batch.base_sequence(), no_sequence);
        EXPECT_EQ(batch.count(), 1);
        EXPECT_TRUE(batch.verify_crc());
        auto marker = transaction_marker(batch).value();
        EXPECT_EQ(marker.type, type);
        EXPECT_EQ(marker.coordinator_epoch, 11);
    }
}

// Bytes of MemoryRecords.withEndTransactionMarker of Apache Kafka 4.3.1.
TEST(Builder, MarkersAreApachesBytes) {
    MarkerOptions options{.producer_id = 9,
                          .producer_epoch = 4,
                          .coordinator_epoch = 11,
                          .leader_epoch = 2,
                          .base_offset = 50,
                          .timestamp = 1000};
    Slice built = transaction_marker_batch(ControlType::commit, options);
    std::string hex;
    for (std::uint8_t byte : built.bytes()) {
        hex += "0123456789abcdef"[byte >> 4U];
        hex += "0123456789abcdef"[byte & 15U];
    }
    EXPECT_EQ(hex,
              "00000000000000320000004200000002022001be1d00300000000000000000000003e800000000000003"
              "e800000000000000090004ffffffff000000012000000008000000010c00000000000b00");
}

TEST(Builder, ControlRecordsShareABatch) {
    ControlRecord records[] = {{ControlType::leader_change, as_bytes("one")},
                               {ControlType::kraft_version, as_bytes("two")}};
    Slice built = control_batch({.base_offset = 0, .leader_epoch = 1, .timestamp = 5}, records);
    auto batch = BatchView::parse(built).value();
    EXPECT_TRUE(batch.is_control());
    EXPECT_FALSE(batch.is_transactional());
    std::vector<ControlType> types;
    ASSERT_TRUE(for_each_record(
        batch, [&](const Record& record) { types.push_back(control_type(record).value()); }));
    EXPECT_EQ(types, (std::vector{ControlType::leader_change, ControlType::kraft_version}));
    EXPECT_FALSE(transaction_marker(batch));
}

TEST(Builder, EmptyBatchKeepsTheProducer) {
    BatchOptions options;
    options.codec = Codec::gzip;
    options.base_offset = 10;
    options.producer_id = 1;
    options.producer_epoch = 0;
    options.base_sequence = 5;
    BatchBuilder builder(options);
    builder.append(1, std::nullopt, as_bytes("a"));
    builder.append(2, std::nullopt, as_bytes("b"));
    Slice full = builder.build();
    Slice empty = empty_batch_like(BatchView::parse(full).value());
    auto batch = BatchView::parse(empty).value();
    EXPECT_EQ(empty.size(), batch_header_size);
    EXPECT_TRUE(batch.verify_crc());
    EXPECT_EQ(batch.last_offset(), 11);
    EXPECT_EQ(batch.last_sequence(), 6);
    EXPECT_EQ(batch.codec(), Codec::none);
    EXPECT_TRUE(read_all(RecordReader(batch)).empty());
}

}  // namespace
}  // namespace millrace
