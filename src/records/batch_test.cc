#include "records/batch.h"

#include <gtest/gtest.h>
#include <vector>

#include "records/builder.h"

namespace millrace {
namespace {

Slice batch_of(int count, std::int64_t base_offset = 0) {
    BatchOptions options;
    options.base_offset = base_offset;
    BatchBuilder builder(options);
    for (int i = 0; i < count; ++i) builder.append(1000 + i, std::nullopt, as_bytes("value"));
    return builder.build();
}

TEST(Batch, EveryCutIsIncomplete) {
    Slice batch = batch_of(2);
    for (std::size_t size = 0; size < batch.size(); ++size) {
        auto first = BatchView::first(batch.bytes().first(size));
        ASSERT_TRUE(first) << first.error().message;
        EXPECT_FALSE(*first) << size;
        EXPECT_FALSE(BatchView::parse(batch.bytes().first(size)));
        auto frame = BatchView::frame_size(batch.bytes().first(size)).value();
        EXPECT_EQ(frame.value_or(0), size < BatchView::frame_header_size ? 0 : batch.size());
    }
    EXPECT_TRUE(BatchView::parse(batch));
}

TEST(Batch, NonsenseIsCorrupt) {
    auto code_with = [](std::size_t at, std::uint8_t byte) {
        Slice batch = batch_of(1);
        batch.mutable_data()[at] = byte;
        auto first = BatchView::first(batch);
        return first ? ErrorCode::none : first.error().code;
    };
    EXPECT_EQ(code_with(batch_layout::length + 3, 13), ErrorCode::corrupt_message);
    EXPECT_EQ(code_with(batch_layout::length + 3, 48), ErrorCode::corrupt_message);
    EXPECT_EQ(code_with(batch_layout::length, 0xff), ErrorCode::corrupt_message);
    EXPECT_EQ(code_with(batch_layout::magic, 3), ErrorCode::corrupt_message);
    EXPECT_EQ(code_with(batch_layout::magic, 0xff), ErrorCode::corrupt_message);
    EXPECT_EQ(code_with(batch_layout::magic, 1), ErrorCode::unsupported_for_message_format);
    EXPECT_EQ(code_with(batch_layout::magic, 2), ErrorCode::none);
}

TEST(Batch, ReaderWalksUpToTheCut) {
    Buffer log;
    std::vector<std::size_t> ends;
    for (int i = 1; i < 5; ++i) {
        log.append(batch_of(i, i * 10));
        ends.push_back(log.size());
    }
    log.append(batch_of(9).bytes().first(40));
    BatchReader reader(log.bytes());
    for (int i = 1; i < 5; ++i) {
        auto batch = reader.next();
        ASSERT_TRUE(batch && *batch);
        EXPECT_EQ((*batch)->base_offset(), i * 10);
        EXPECT_EQ((*batch)->count(), i);
        EXPECT_EQ(reader.position(), ends[static_cast<std::size_t>(i - 1)]);
    }
    auto cut = reader.next();
    ASSERT_TRUE(cut);
    EXPECT_FALSE(*cut);
    EXPECT_EQ(reader.rest().size(), 40U);
}

TEST(Batch, OffsetAndEpochAreOutsideTheCrc) {
    Slice batch = batch_of(3);
    MutableBytes bytes(batch.mutable_data(), batch.size());
    set_base_offset(bytes, 1'000'000'000'000);
    set_leader_epoch(bytes, 12);
    BatchView view = BatchView::parse(batch).value();
    EXPECT_TRUE(view.verify_crc());
    EXPECT_EQ(view.last_offset(), 1'000'000'000'002);
    EXPECT_EQ(view.leader_epoch(), 12);
}

TEST(Batch, EveryOtherBitIsInsideTheCrc) {
    Slice batch = batch_of(1);
    for (std::size_t bit = batch_layout::crc * 8; bit < batch.size() * 8; ++bit) {
        Slice changed = Slice::copy(batch.bytes());
        changed.mutable_data()[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
        EXPECT_FALSE(BatchView::parse(changed)->verify_crc()) << bit;
    }
}

TEST(Batch, StampingRenewsTheCrc) {
    Slice batch = batch_of(3);
    MutableBytes bytes(batch.mutable_data(), batch.size());
    set_max_timestamp(bytes, TimestampType::log_append_time, 5000);
    BatchView view = BatchView::parse(batch).value();
    EXPECT_TRUE(view.verify_crc());
    EXPECT_EQ(view.max_timestamp(), 5000);
    EXPECT_EQ(view.base_timestamp(), 1000);
    EXPECT_EQ(view.timestamp_type(), TimestampType::log_append_time);
    set_producer(bytes, 7, 1, 99);
    EXPECT_TRUE(view.verify_crc());
    EXPECT_EQ(view.producer_id(), 7);
    EXPECT_EQ(view.last_sequence(), 101);
}

TEST(Batch, StampingWhatIsThereChangesNothing) {
    Slice batch = batch_of(1);
    batch.mutable_data()[batch_layout::attributes] = 0x55;  // bits without a meaning
    MutableBytes bytes(batch.mutable_data(), batch.size());
    refresh_crc(bytes);
    Slice before = Slice::copy(batch.bytes());
    set_max_timestamp(bytes, TimestampType::create_time, 1000);
    EXPECT_EQ(batch.view(), before.view());
    set_max_timestamp(bytes, TimestampType::create_time, 1001);
    EXPECT_EQ(BatchView::parse(batch)->attributes(), 0);
}

TEST(Batch, SequencesWrapToZero) {
    EXPECT_EQ(advance_sequence(5, 3), 8);
    EXPECT_EQ(advance_sequence(0x7fffffff, 0), 0x7fffffff);
    EXPECT_EQ(advance_sequence(0x7fffffff, 1), 0);
    EXPECT_EQ(advance_sequence(0x7ffffffe, 5), 3);
}

}  // namespace
}  // namespace millrace
