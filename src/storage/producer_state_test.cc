#include "storage/producer_state.h"

#include <gtest/gtest.h>
#include <limits>

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

}  // namespace
}  // namespace millrace::storage
