#include "storage/batch_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "records/record.h"
#include "storage/keyed_batches_for_tests.h"

namespace millrace::storage {
namespace {

using Fate = FilteredBatch::Fate;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Timestamp now = 1'000'000;
constexpr std::int64_t retention = 500;

// A filter whose map knows the last offset of some keys, and nothing behind `last_mapped`.
class BatchFilterTest : public testing::Test {
  protected:
    void last(std::string_view key, Offset offset) {
        ASSERT_TRUE(map_.put(map_.hash(as_bytes(key)), offset));
    }
    BatchFilter filter(Timestamp time = now, std::vector<AbortedTransaction> aborted = {}) {
        return {map_,
                std::move(aborted),
                producers_,
                {.last_mapped = last_mapped_, .now = time, .delete_retention_ms = retention}};
    }
    // One batch through a filter of its own.
    FilteredBatch filtered(const Slice& batch, bool keep_empty = false, Timestamp time = now) {
        return filter(time).filter(BatchView::trusted(batch), keep_empty).value();
    }
    static BatchView view(const FilteredBatch& filtered) {
        EXPECT_EQ(filtered.fate, Fate::rewritten);
        return BatchView::parse(filtered.rewritten).value();
    }

    OffsetMap map_{4096, 0.9, {1, 2}};
    ActiveProducers producers_;
    Offset last_mapped_ = 1'000;
};

TEST_F(BatchFilterTest, ABatchWithoutObsoleteRecordsIsCopied) {
    last("a", 10);
    FilteredBatch result = filtered(keyed_batch({{"a", "1"}, {"b", "2"}}, {.base_offset = 10}));
    EXPECT_EQ(result.fate, Fate::copied);
    EXPECT_EQ(result.records_read, 2);
    EXPECT_EQ(result.records_kept, 2);
}

TEST_F(BatchFilterTest, WhatStaysKeepsItsPlaceItsProducerAndItsCodec) {
    for (Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
        last("a", 50);
        last("c", 50);
        Slice batch = keyed_batch({{"a", "1"}, {"b", "2"}, {"c", "3"}}, {.codec = codec,
                                                                         .base_offset = 10,
                                                                         .leader_epoch = 7,
                                                                         .producer_id = 5,
                                                                         .producer_epoch = 2,
                                                                         .base_sequence = 30});
        FilteredBatch result = filtered(batch);
        BatchView kept = view(result);
        EXPECT_TRUE(kept.verify_crc());
        EXPECT_EQ(kept.base_offset(), 10);
        EXPECT_EQ(kept.last_offset(), 12);
        EXPECT_EQ(kept.leader_epoch(), 7);
        EXPECT_EQ(kept.producer_id(), 5);
        EXPECT_EQ(kept.producer_epoch(), 2);
        EXPECT_EQ(kept.base_sequence(), 30);
        EXPECT_EQ(kept.last_sequence(), 32);
        EXPECT_EQ(kept.codec(), codec);
        EXPECT_FALSE(kept.has_delete_horizon());
        EXPECT_THAT(records_in(kept), ElementsAre(KeyedRecord{11, "b", "2"}));
        RecordReader reader(kept);
        EXPECT_EQ(reader.next().value()->timestamp, keyed_batch_timestamp + 1);
    }
}

TEST_F(BatchFilterTest, ABatchOfWhichNothingStaysIsDropped) {
    last("a", 50);
    EXPECT_EQ(filtered(keyed_batch({{"a", "1"}}, {.base_offset = 10})).fate, Fate::dropped);
}

TEST_F(BatchFilterTest, RecordsWithoutAKeyAreDroppedAndCounted) {
    FilteredBatch result = filtered(keyed_batch({{{}, "1"}, {"b", "2"}}));
    EXPECT_THAT(records_in(view(result)), ElementsAre(KeyedRecord{1, "b", "2"}));
    EXPECT_EQ(result.records_without_key, 1);
}

TEST_F(BatchFilterTest, RecordsBehindTheMapStay) {
    last_mapped_ = 11;
    last("a", 50);
    Slice batch = keyed_batch({{"a", "1"}, {"a", "2"}, {"a", "3"}, {{}, "4"}}, {.base_offset = 10});
    EXPECT_THAT(records_in(view(filtered(batch))),
                ElementsAre(KeyedRecord{12, "a", "3"}, KeyedRecord{13, {}, "4"}));
}

TEST_F(BatchFilterTest, TombstonesGoAtTheLookAfterTheirHorizon) {
    Slice batch = keyed_batch({{"a", {}}, {"b", "2"}}, {.base_offset = 10});
    FilteredBatch first = filtered(batch);
    BatchView marked = view(first);
    EXPECT_EQ(marked.delete_horizon(), now + retention);
    EXPECT_EQ(marked.max_timestamp(), keyed_batch_timestamp + 1);
    EXPECT_THAT(records_in(marked),
                ElementsAre(KeyedRecord{10, "a", {}}, KeyedRecord{11, "b", "2"}));
    RecordReader reader(marked);
    EXPECT_EQ(reader.next().value()->timestamp, keyed_batch_timestamp);

    EXPECT_EQ(filtered(first.rewritten, false, now + retention - 1).fate, Fate::copied);
    FilteredBatch last_look = filtered(first.rewritten, false, now + retention);
    EXPECT_THAT(records_in(view(last_look)), ElementsAre(KeyedRecord{11, "b", "2"}));
    EXPECT_EQ(view(last_look).delete_horizon(), now + retention);
}

TEST_F(BatchFilterTest, AnObsoleteTombstoneGoesAtOnce) {
    last("a", 50);
    EXPECT_EQ(filtered(keyed_batch({{"a", {}}}, {.base_offset = 10})).fate, Fate::dropped);
}

TEST_F(BatchFilterTest, AbortedDataGoesAtOnceAndItsMarkerTwoLooksLater) {
    std::vector<AbortedTransaction> aborted{
        {.producer_id = 5, .first_offset = 10, .last_offset = 12, .last_stable_offset = 13}};
    Slice data = keyed_batch({{"a", "1"}, {"b", "2"}}, {.base_offset = 10,
                                                        .producer_id = 5,
                                                        .producer_epoch = 0,
                                                        .base_sequence = 0,
                                                        .transactional = true});
    Slice marker = transaction_marker_batch(
        ControlType::abort,
        {.producer_id = 5, .producer_epoch = 0, .base_offset = 12, .timestamp = 7});
    BatchFilter first = filter(now, aborted);
    EXPECT_EQ(first.filter(BatchView::trusted(data), false)->fate, Fate::dropped);
    auto kept = first.filter(BatchView::trusted(marker), false);
    EXPECT_EQ(kept->fate, Fate::copied);
    EXPECT_EQ(kept->aborted, aborted.front());

    // Without its data the marker gets a horizon, and the index forgets it.
    auto second = filter(now, aborted).filter(BatchView::trusted(marker), false);
    EXPECT_FALSE(second->aborted);
    BatchView marked = view(*second);
    EXPECT_TRUE(marked.is_control());
    EXPECT_TRUE(marked.is_transactional());
    EXPECT_EQ(marked.delete_horizon(), now + retention);
    EXPECT_EQ(transaction_marker(marked)->type, ControlType::abort);
    EXPECT_EQ(filtered(second->rewritten, false, now + retention - 1).fate, Fate::copied);
    EXPECT_EQ(filtered(second->rewritten, false, now + retention).fate, Fate::dropped);
}

// Retention may take a segment with a marker while its log is compacted.
TEST_F(BatchFilterTest, AnAbortedTransactionEndsAtItsMarkerEvenWhenThatIsGone) {
    std::vector<AbortedTransaction> aborted{
        {.producer_id = 5, .first_offset = 10, .last_offset = 12, .last_stable_offset = 13},
        {.producer_id = 5, .first_offset = 30, .last_offset = 31, .last_stable_offset = 32}};
    BatchOptions options{.base_offset = 10,
                         .producer_id = 5,
                         .producer_epoch = 0,
                         .base_sequence = 0,
                         .transactional = true};
    auto data_at = [&](Offset offset) {
        options.base_offset = offset;
        return keyed_batch({{"a", "1"}}, options);
    };
    BatchFilter without_marker = filter(now, aborted);
    auto fate_at = [&](Offset offset) {
        Slice data = data_at(offset);
        return without_marker.filter(BatchView::trusted(data), false)->fate;
    };
    EXPECT_EQ(fate_at(10), Fate::dropped);
    EXPECT_EQ(fate_at(20), Fate::copied);
    EXPECT_EQ(fate_at(30), Fate::dropped);
    Slice marker = transaction_marker_batch(
        ControlType::abort, {.producer_id = 5, .producer_epoch = 0, .base_offset = 31});
    EXPECT_EQ(without_marker.filter(BatchView::trusted(marker), false)->aborted, aborted.back());
}

TEST_F(BatchFilterTest, ACommitMarkerStaysAsLongAsItsData) {
    BatchOptions options{.base_offset = 10,
                         .producer_id = 5,
                         .producer_epoch = 0,
                         .base_sequence = 0,
                         .transactional = true};
    Slice data = keyed_batch({{"a", "1"}}, options);
    Slice marker = transaction_marker_batch(
        ControlType::commit,
        {.producer_id = 5, .producer_epoch = 0, .base_offset = 11, .timestamp = 7});
    BatchFilter with_data = filter();
    EXPECT_EQ(with_data.filter(BatchView::trusted(data), false)->fate, Fate::copied);
    EXPECT_EQ(with_data.filter(BatchView::trusted(marker), false)->fate, Fate::copied);
    EXPECT_TRUE(view(filtered(marker)).has_delete_horizon());
    // Data of another producer does not hold it.
    options.producer_id = 6;
    BatchFilter with_other = filter();
    EXPECT_TRUE(with_other.filter(BatchView::trusted(keyed_batch({{"a", "1"}}, options)), false));
    EXPECT_EQ(with_other.filter(BatchView::trusted(marker), false)->fate, Fate::rewritten);
}

TEST_F(BatchFilterTest, TheLastBatchOfAnActiveProducerStaysEmpty) {
    last("a", 50);
    BatchOptions options{
        .base_offset = 10, .producer_id = 5, .producer_epoch = 2, .base_sequence = 30};
    Slice batch = keyed_batch({{"a", "1"}, {"a", "2"}}, options);
    producers_[5] = {.last_data_offset = 12, .epoch = 2};
    EXPECT_EQ(filtered(batch).fate, Fate::dropped);
    producers_[5] = {.last_data_offset = 11, .epoch = 2};
    FilteredBatch result = filtered(batch);
    BatchView empty = view(result);
    EXPECT_EQ(empty.count(), 0);
    EXPECT_EQ(empty.size(), batch_header_size);
    EXPECT_TRUE(empty.verify_crc());
    EXPECT_EQ(empty.base_offset(), 10);
    EXPECT_EQ(empty.last_offset(), 11);
    EXPECT_EQ(empty.last_sequence(), 31);
    // And again, as long as the producer is known.
    EXPECT_EQ(Slice::copy(filtered(result.rewritten).rewritten).view(), result.rewritten.view());
    producers_.clear();
    EXPECT_EQ(filtered(result.rewritten).fate, Fate::dropped);
}

TEST_F(BatchFilterTest, TheMarkerThatBeganAProducersEpochStays) {
    Slice marker = transaction_marker_batch(
        ControlType::commit, {.producer_id = 5, .producer_epoch = 3, .base_offset = 11});
    FilteredBatch marked = filtered(marker);
    producers_[5] = {.epoch = 3};
    FilteredBatch kept = filtered(marked.rewritten, false, now + retention);
    EXPECT_EQ(view(kept).count(), 0);
    EXPECT_EQ(view(kept).producer_epoch(), 3);
    EXPECT_TRUE(view(kept).is_control());
    producers_[5] = {.epoch = 4};
    EXPECT_EQ(filtered(marked.rewritten, false, now + retention).fate, Fate::dropped);
}

TEST_F(BatchFilterTest, ABatchThatEndsASegmentStaysEmpty) {
    last("a", 50);
    EXPECT_EQ(view(filtered(keyed_batch({{"a", "1"}}, {.base_offset = 10}), true)).count(), 0);
}

TEST_F(BatchFilterTest, LogAppendTimeStays) {
    last("a", 50);
    FilteredBatch result =
        filtered(keyed_batch({{"a", "1"}, {"b", "2"}}, {.log_append_time = 777}));
    EXPECT_EQ(view(result).timestamp_type(), TimestampType::log_append_time);
    EXPECT_EQ(view(result).max_timestamp(), 777);
}

TEST_F(BatchFilterTest, GarbledBatchesAreCopiedOrRefusedButNeverMadeAnew) {
    last("a", 50);
    Slice batch = keyed_batch({{"a", "1"}, {"b", "2"}}, {.base_offset = 10});
    batch.mutable_data()[batch.size() - 2] ^= 1;  // in the value of b
    auto refused = filter().filter(BatchView::trusted(batch), false);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::corrupt_message);
    map_ = OffsetMap(4096, 0.9, {1, 2});
    EXPECT_EQ(filtered(batch).fate, Fate::copied);
}

TEST_F(BatchFilterTest, RecordsOutOfOrderAreRefused) {
    last("a", 50);
    Slice batch = keyed_batch({{"a", "1"}, {"b", "2"}});
    MutableBytes bytes(batch.mutable_data(), batch.size());
    store_be(bytes.data() + batch_layout::last_offset_delta, std::int32_t{0});
    refresh_crc(bytes);
    auto refused = filter().filter(BatchView::trusted(batch), false);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_record);
    EXPECT_THAT(refused.error().message, HasSubstr("out of order"));
}

TEST_F(BatchFilterTest, LargeBatchesOfManyRecordsAreLookedUpInPortions) {
    std::vector<KeyAndValue> records;
    for (int i = 0; i < 100; ++i) records.push_back({std::to_string(i), "v"});
    for (int i = 0; i < 100; i += 2) last(std::to_string(i), 500);
    FilteredBatch result = filtered(keyed_batch(records));
    EXPECT_EQ(result.records_kept, 50);
    EXPECT_EQ(records_in(view(result))[7], (KeyedRecord{15, "15", "v"}));
}

}  // namespace
}  // namespace millrace::storage
