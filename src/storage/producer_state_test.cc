#include "storage/producer_state.h"

#include <gtest/gtest.h>
#include <limits>

#include "base/crc32c.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

constexpr std::int16_t last_epoch = std::numeric_limits<std::int16_t>::max();

// Takes what the checks let through, as a log does.
class Appender {
  public:
    ErrorCode data(std::int16_t epoch, std::int32_t sequence) {
        return append(make_batch({.producer_id = 1,
                                  .producer_epoch = epoch,
                                  .sequence = sequence,
                                  .transactional = true}),
                      {.origin = AppendOrigin::client});
    }
    ErrorCode marker(std::int16_t epoch, std::int8_t version, std::int32_t coordinator = 0) {
        return append(make_marker(ControlType::commit, 1, epoch, coordinator),
                      {.origin = AppendOrigin::coordinator, .transaction_version = version});
    }
    ErrorCode append(Slice batch, const AppendAs& as) {
        set_base_offset({batch.mutable_data(), batch.size()}, next_++);
        BatchView view = BatchView::trusted(batch);
        auto checked = state.check(view, view.base_offset(), as);
        if (!checked) return checked.error().code;
        EXPECT_TRUE(state.apply(view));
        return ErrorCode::none;
    }
    bool in_transaction() const { return state.find(1)->in_transaction(); }

    ProducerState state;

  private:
    Offset next_ = 0;
};

TEST(ProducerState, MarkersOfTransactionVersion2HaveAHigherEpoch) {
    Appender log;
    EXPECT_EQ(log.data(3, 0), ErrorCode::none);
    EXPECT_EQ(log.marker(2, 1), ErrorCode::invalid_producer_epoch);
    EXPECT_EQ(log.marker(3, 2), ErrorCode::invalid_producer_epoch);
    EXPECT_TRUE(log.in_transaction());
    EXPECT_EQ(log.marker(4, 2, 7), ErrorCode::none);
    EXPECT_FALSE(log.in_transaction());
    EXPECT_EQ(log.state.find(1)->epoch, 4);
    EXPECT_EQ(log.marker(4, 2, 7), ErrorCode::none) << "sent again: the answer was lost";
    EXPECT_EQ(log.marker(3, 2, 7), ErrorCode::invalid_producer_epoch);
    EXPECT_EQ(log.marker(5, 2, 6), ErrorCode::transaction_coordinator_fenced);
}

TEST(ProducerState, MarkersBeforeTransactionVersion2HaveTheEpochOfTheRecords) {
    Appender log;
    EXPECT_EQ(log.data(4, 0), ErrorCode::none);
    EXPECT_EQ(log.marker(4, 1), ErrorCode::none);
    EXPECT_FALSE(log.in_transaction());
}

TEST(ProducerState, MarkersOfAnUnknownTransactionVersionAreRefusedAfterTheirEpoch) {
    Appender log;
    EXPECT_EQ(log.data(4, 0), ErrorCode::none);
    EXPECT_EQ(log.marker(3, -1), ErrorCode::invalid_producer_epoch);
    EXPECT_EQ(log.marker(4, -1), ErrorCode::unknown_server_error);
    EXPECT_TRUE(log.in_transaction());
}

TEST(ProducerState, TheLastEpochCanStillEndItsTransactions) {
    Appender log;
    EXPECT_EQ(log.data(last_epoch, 0), ErrorCode::none);
    EXPECT_EQ(log.marker(last_epoch, 2), ErrorCode::none);
    EXPECT_FALSE(log.in_transaction());
}

TEST(ProducerState, NegativeIdsAreNone) {
    Appender log;
    EXPECT_EQ(log.append(make_marker(ControlType::commit, -5), {}), ErrorCode::none);
    EXPECT_TRUE(log.state.producers().empty());
}

constexpr std::int64_t forever = std::numeric_limits<std::int64_t>::max();
constexpr Timestamp earliest_time = std::numeric_limits<Timestamp>::min();
constexpr Timestamp latest_time = std::numeric_limits<Timestamp>::max();

TestBatch batch_of(std::int64_t id, std::int32_t sequence, Offset offset) {
    return {.records = 2, .base_offset = offset, .producer_id = id, .sequence = sequence};
}

// The state of one producer whose last batch bears a time, as it was written to a snapshot.
std::string snapshot_with(Timestamp time) {
    ProducerState state;
    Slice batch = make_batch({.records = 1, .producer_id = 1});
    EXPECT_TRUE(state.apply(BatchView::trusted(batch)));
    std::string content = state.encode_snapshot();
    constexpr std::size_t crc_at = 2, checked_at = 6, time_at = 36;
    auto* bytes = reinterpret_cast<std::uint8_t*>(content.data());
    store_be(bytes + time_at, time);
    store_be(bytes + crc_at, crc32c(as_bytes(content).subspan(checked_at)));
    return content;
}

std::size_t loaded(Timestamp time, Timestamp now, std::int64_t expiration_ms) {
    std::string content = snapshot_with(time);
    ProducerState state;
    EXPECT_TRUE(state.load_snapshot(as_bytes(content), "test", now, expiration_ms));
    return state.producers().size();
}

TEST(ProducerState, ProducersExpireWhateverTimeTheirRecordsBear) {
    EXPECT_EQ(loaded(1000, 2000, 1000), 0U);
    EXPECT_EQ(loaded(1001, 2000, 1000), 1U);
    EXPECT_EQ(loaded(earliest_time, 2000, forever), 0U);
    EXPECT_EQ(loaded(latest_time, 2000, 1), 1U);
    EXPECT_EQ(loaded(latest_time, -2000, 1), 1U);

    ProducerState state;
    std::string content = snapshot_with(earliest_time + 1);
    EXPECT_TRUE(state.load_snapshot(as_bytes(content), "test", -1, forever));
    EXPECT_EQ(state.producers().size(), 1U);
    state.expire(2000, forever);
    EXPECT_EQ(state.producers().size(), 0U);
}

TEST(ProducerState, BatchesBeforeTheLastOneAreRecalledAsFarAsTheyAdjoin) {
    ProducerState state;
    Slice last = make_batch(batch_of(1, 20, 100));
    EXPECT_TRUE(state.apply(BatchView::trusted(last)));
    EXPECT_TRUE(state.lacks_batches());
    auto recall = [&](const TestBatch& test) {
        Slice batch = make_batch(test);
        state.recall(BatchView::trusted(batch));
        return state.find(1)->batch_count();
    };
    EXPECT_EQ(recall(batch_of(1, 16, 90)), 1U);  // 18 is missing between
    EXPECT_EQ(recall(batch_of(2, 18, 90)), 1U);  // another producer
    EXPECT_EQ(recall(batch_of(1, 18, 99)), 1U);  // not before it
    TestBatch other_epoch = batch_of(1, 18, 90);
    other_epoch.producer_epoch = 1;
    EXPECT_EQ(recall(other_epoch), 1U);
    EXPECT_EQ(recall(batch_of(1, 18, 90)), 2U);
    EXPECT_EQ(recall(batch_of(1, 16, 80)), 3U);
    EXPECT_EQ(recall(batch_of(1, 14, 70)), 4U);
    EXPECT_TRUE(state.lacks_batches());
    EXPECT_EQ(recall(batch_of(1, 12, 60)), 5U);
    EXPECT_FALSE(state.lacks_batches());
    EXPECT_EQ(recall(batch_of(1, 10, 50)), 5U);
    EXPECT_EQ(state.find(1)->batch(0).first_offset(), 60);
    EXPECT_EQ(state.find(1)->last_offset(), 101);
    Slice again = make_batch(batch_of(1, 14, 0));
    auto duplicate = state.check(BatchView::trusted(again), 102, {.origin = AppendOrigin::client});
    ASSERT_TRUE(duplicate && *duplicate);
    EXPECT_EQ((*duplicate)->first_offset(), 70);
}

TEST(ProducerState, SequencesAreRecalledAcrossTheirWrap) {
    ProducerState state;
    Slice last = make_batch(batch_of(1, 1, 100));
    EXPECT_TRUE(state.apply(BatchView::trusted(last)));
    Slice before = make_batch(batch_of(1, std::numeric_limits<std::int32_t>::max(), 90));
    state.recall(BatchView::trusted(before));
    EXPECT_EQ(state.find(1)->batch_count(), 2U);
}

TEST(ProducerState, TheFirstBatchOfAnEpochHasNoneBefore) {
    ProducerState state;
    Slice first = make_batch(batch_of(1, 0, 100));
    EXPECT_TRUE(state.apply(BatchView::trusted(first)));
    EXPECT_FALSE(state.lacks_batches());
}

}  // namespace
}  // namespace millrace::storage
