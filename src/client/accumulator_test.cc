#include "client/accumulator.h"

#include <gtest/gtest.h>
#include <string>

#include "base/random.h"
#include "records/batch.h"
#include "records/record.h"

namespace millrace::client {
namespace {

constexpr Duration linger = Duration::milliseconds(5);

AccumulatorOptions small() {
    AccumulatorOptions options;
    options.batch_size = 200;
    options.buffer_memory = 2000;
    options.max_request_size = 1000;
    options.linger = linger;
    return options;
}

// An accumulator with one topic of two partitions whose leader is node 1, and time by hand.
class AccumulatorTest : public testing::Test {
  protected:
    explicit AccumulatorTest(AccumulatorOptions options = small())
        : random(1), accumulator(options, random) {
        topic = &accumulator.update("t", 1, 2, {0, 1});
        accumulator.set_identity({77, 3});
    }

    PartitionQueue& partition(std::int32_t index) { return accumulator.queue(*topic, index); }
    // Whether there was room.
    std::shared_ptr<BatchOutcome> append(std::int32_t index, std::string_view value) {
        auto appended =
            accumulator.append(partition(index), 1000, std::nullopt, as_bytes(value), {}, now);
        return appended.batch == nullptr ? nullptr : appended.batch->outcome;
    }
    std::vector<Shipment> drain() {
        return accumulator.drain(now, [](PartitionQueue&) { return 1; });
    }
    Shipment drain_one() {
        auto shipments = drain();
        EXPECT_EQ(shipments.size(), 1U);
        return shipments.empty() ? Shipment() : shipments.front();
    }
    void fail_with(const Shipment::Item& item, ErrorCode code) {
        accumulator.settle(item, {code, "told so"}, now);
    }
    void pass(Duration duration) { now = now + duration; }
    static BatchView view(const Shipment::Item& item) {
        return *BatchView::parse(item.batch->sealed);
    }
    static std::vector<std::string> values(const Shipment::Item& item) {
        std::vector<std::string> values;
        EXPECT_TRUE(for_each_record(view(item), [&](const Record& record) {
                        values.emplace_back(as_string(*record.value));
                    }).has_value());
        return values;
    }

    Random random;
    Accumulator accumulator;
    TopicQueues* topic = nullptr;
    Time now = Time::from_ns(1'000'000'000);
};

TEST_F(AccumulatorTest, WaitsForLingerOrAFullBatch) {
    append(0, "a");
    EXPECT_TRUE(drain().empty());
    EXPECT_EQ(accumulator.wake_at(now), now + linger);
    pass(linger);
    Shipment shipment = drain_one();
    ASSERT_EQ(shipment.items.size(), 1U);
    EXPECT_EQ(values(shipment.items[0]), std::vector<std::string>{"a"});
    EXPECT_EQ(view(shipment.items[0]).producer_id(), 77);
    EXPECT_EQ(view(shipment.items[0]).producer_epoch(), 3);
    EXPECT_EQ(view(shipment.items[0]).base_sequence(), 0);
    EXPECT_TRUE(view(shipment.items[0]).verify_crc().has_value());

    // 61 bytes of header: the second record does not fit into 200 any more.
    append(1, std::string(100, 'x'));
    EXPECT_TRUE(drain().empty());
    append(1, std::string(100, 'y'));
    EXPECT_EQ(values(drain_one().items[0]), std::vector<std::string>{std::string(100, 'x')});
}

TEST_F(AccumulatorTest, HurrySendsAtOnce) {
    append(0, "a");
    accumulator.begin_hurry();
    EXPECT_EQ(drain().size(), 1U);
    accumulator.end_hurry();
    append(0, "b");
    EXPECT_TRUE(drain().empty());
}

TEST_F(AccumulatorTest, BufferMemoryBoundsWhatWaits) {
    int taken = 0;
    while (append(0, std::string(100, 'x')) != nullptr) ++taken;
    EXPECT_EQ(taken, 10);  // of 2000 bytes, batches of 200
    EXPECT_LE(accumulator.used(), 2000U);
    Shipment shipment = drain_one();
    accumulator.acknowledge(shipment.items[0], 0, no_timestamp);
    EXPECT_NE(append(0, std::string(100, 'x')), nullptr);
    EXPECT_FALSE(accumulator.check_size("t", 3000).has_value());
}

TEST_F(AccumulatorTest, AtMostFiveBatchesOfAPartitionAreOnTheirWay) {
    accumulator.begin_hurry();
    std::vector<Shipment> sent;
    for (int i = 0; i < 7; ++i) append(0, std::string(120, 'x'));
    for (;;) {
        auto shipments = drain();
        if (shipments.empty()) break;
        sent.push_back(shipments[0]);
        EXPECT_EQ(view(shipments[0].items[0]).base_sequence(), static_cast<int>(sent.size()) - 1);
    }
    EXPECT_EQ(sent.size(), 5U);
    accumulator.acknowledge(sent[0].items[0], 10, no_timestamp);
    EXPECT_EQ(drain().size(), 1U);
}

TEST_F(AccumulatorTest, WhatFailedGoesAgainInOrderAndAlone) {
    accumulator.begin_hurry();
    std::vector<std::shared_ptr<BatchOutcome>> outcomes;
    for (char c : {'a', 'b', 'c'}) outcomes.push_back(append(0, std::string(120, c)));
    Shipment first = drain_one(), second = drain_one(), third = drain_one();
    fail_with(first.items[0], ErrorCode::not_leader_or_follower);
    // The others are still on their way.
    pass(Duration::seconds(10));
    EXPECT_TRUE(drain().empty());
    fail_with(third.items[0], ErrorCode::out_of_order_sequence_number);
    EXPECT_TRUE(drain().empty());
    fail_with(second.items[0], ErrorCode::out_of_order_sequence_number);
    pass(Duration::seconds(10));
    for (int i = 0; i < 3; ++i) {
        Shipment again = drain_one();
        EXPECT_EQ(view(again.items[0]).base_sequence(), i);
        EXPECT_EQ(view(again.items[0]).producer_epoch(), 3);
        EXPECT_TRUE(drain().empty());
        accumulator.acknowledge(again.items[0], 100 + i, no_timestamp);
        EXPECT_EQ(outcomes[static_cast<std::size_t>(i)]->result(0, 5)->offset, 100 + i);
    }
    EXPECT_EQ(accumulator.totals().epoch_bumps, 0U);
    EXPECT_EQ(accumulator.used(), 0U);
}

TEST_F(AccumulatorTest, ARefusedBatchMakesTheNextOnesBeginAnew) {
    accumulator.begin_hurry();
    auto lost = append(0, std::string(120, 'a'));
    auto kept = append(0, std::string(120, 'b'));
    Shipment first = drain_one(), second = drain_one();
    fail_with(first.items[0], ErrorCode::invalid_record);
    EXPECT_TRUE(lost->done());
    EXPECT_EQ(lost->result(0, 5).error().code, ErrorCode::invalid_record);
    // The leader has not seen what came before: it is in the log for sure that this one is not.
    fail_with(second.items[0], ErrorCode::out_of_order_sequence_number);
    pass(Duration::seconds(10));
    Shipment again = drain_one();
    EXPECT_EQ(view(again.items[0]).producer_epoch(), 4);
    EXPECT_EQ(view(again.items[0]).base_sequence(), 0);
    EXPECT_TRUE(view(again.items[0]).verify_crc().has_value());
    accumulator.acknowledge(again.items[0], 7, no_timestamp);
    EXPECT_EQ(kept->result(0, 5)->offset, 7);
    EXPECT_EQ(accumulator.totals().epoch_bumps, 1U);

    // The other partition takes the new epoch over; the first goes on in it.
    append(1, "x");
    append(0, "y");
    Shipment both = drain_one();
    ASSERT_EQ(both.items.size(), 2U);
    for (const auto& item : both.items) EXPECT_EQ(view(item).producer_epoch(), 4);
}

TEST_F(AccumulatorTest, AnUnknownFateIsClearedUpBeforeAnythingElse) {
    accumulator.begin_hurry();
    append(0, std::string(120, 'a'));
    auto second_outcome = append(0, std::string(120, 'b'));
    Shipment first = drain_one(), second = drain_one();
    pass(Duration::milliseconds(120'001));
    accumulator.expire(now);
    EXPECT_EQ(second_outcome->result(0, 5).error().code, ErrorCode::request_timed_out);
    // The connection is lost; both may be in the log or not. New records come.
    fail_with(first.items[0], ErrorCode::network_exception);
    auto third_outcome = append(0, std::string(120, 'c'));
    EXPECT_TRUE(drain().empty());
    fail_with(second.items[0], ErrorCode::network_exception);
    Shipment third = drain_one();
    EXPECT_EQ(view(third.items[0]).producer_epoch(), 4);
    EXPECT_EQ(view(third.items[0]).base_sequence(), 0);
    accumulator.acknowledge(third.items[0], 9, no_timestamp);
    EXPECT_EQ(third_outcome->result(0, 5)->offset, 9);
}

TEST_F(AccumulatorTest, ALateSuccessLeavesNoGap) {
    accumulator.begin_hurry();
    auto late = append(0, std::string(120, 'a'));
    Shipment first = drain_one();
    pass(Duration::milliseconds(120'001));
    accumulator.expire(now);
    EXPECT_TRUE(late->done());
    accumulator.acknowledge(first.items[0], 5, no_timestamp);
    append(0, "b");
    EXPECT_EQ(view(drain_one().items[0]).base_sequence(), 1);
    EXPECT_EQ(accumulator.totals().epoch_bumps, 0U);
}

TEST_F(AccumulatorTest, TheLastEpochAsksForAnotherId) {
    accumulator.set_identity({77, 32767});
    accumulator.begin_hurry();
    append(0, "a");
    fail_with(drain_one().items[0], ErrorCode::invalid_record);
    append(0, "b");
    EXPECT_TRUE(drain().empty());
    EXPECT_TRUE(accumulator.needs_identity());
    accumulator.set_identity({78, 0});
    EXPECT_EQ(view(drain_one().items[0]).producer_id(), 78);
}

TEST_F(AccumulatorTest, ATooLargeBatchIsSplitAndKeepsItsSequences) {
    accumulator.begin_hurry();
    std::shared_ptr<BatchOutcome> outcome;
    for (char c : {'a', 'b', 'c', 'd'}) outcome = append(0, std::string(20, c));
    Shipment whole = drain_one();
    ASSERT_EQ(whole.items[0].batch->count(), 4);
    fail_with(whole.items[0], ErrorCode::message_too_large);
    std::int32_t next = 0;
    std::string seen;
    while (next < 4) {
        pass(Duration::seconds(2));
        Shipment part = drain_one();
        ASSERT_EQ(part.items.size(), 1U);
        EXPECT_EQ(view(part.items[0]).base_sequence(), next);
        EXPECT_TRUE(view(part.items[0]).verify_crc().has_value());
        for (const std::string& value : values(part.items[0])) seen += value.substr(0, 1);
        std::int32_t count = view(part.items[0]).count();
        accumulator.acknowledge(part.items[0], 50 + next, no_timestamp);
        next += count;
    }
    EXPECT_EQ(seen, "abcd");
    EXPECT_TRUE(outcome->done());
    for (std::int32_t i = 0; i < 4; ++i) EXPECT_EQ(outcome->result(i, 5)->offset, 50 + i);
    EXPECT_EQ(accumulator.used(), 0U);
    EXPECT_EQ(accumulator.open_records(), 0U);

    // A single record cannot be split.
    auto single = append(0, std::string(120, 'x'));
    fail_with(drain_one().items[0], ErrorCode::message_too_large);
    EXPECT_EQ(single->result(0, 5).error().code, ErrorCode::message_too_large);
}

TEST_F(AccumulatorTest, NothingGoesWithoutAnIdentity) {
    accumulator.set_identity({});
    accumulator.begin_hurry();
    append(0, "a");
    EXPECT_TRUE(drain().empty());
    accumulator.set_identity({1, 0});
    EXPECT_EQ(drain().size(), 1U);
}

TEST_F(AccumulatorTest, ExpiresWhatNoLeaderCameFor) {
    auto outcome = append(0, "a");
    pass(Duration::milliseconds(120'000));
    EXPECT_TRUE(accumulator.drain(now, [](PartitionQueue&) { return -1; }).empty());
    accumulator.expire(now);
    ASSERT_TRUE(outcome->done());
    Error error = outcome->result(0, 5).error();
    EXPECT_EQ(error.code, ErrorCode::request_timed_out);
    EXPECT_NE(error.message.find("t-0"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("delivery.timeout.ms"), std::string::npos);
    EXPECT_EQ(accumulator.wake_at(now), Time::never());
}

class CompressedAccumulatorTest : public AccumulatorTest {
  protected:
    static AccumulatorOptions compressed() {
        AccumulatorOptions options = small();
        options.codec = Codec::gzip;
        options.batch_size = 1000;
        options.buffer_memory = 1 << 20;
        return options;
    }
    CompressedAccumulatorTest() : AccumulatorTest(compressed()) {}
};

TEST_F(CompressedAccumulatorTest, BatchesGrowAsTheyTurnOutToCompress) {
    std::size_t first = 0, last = 0;
    for (int i = 0; i < 300; ++i) {
        std::size_t count = 0;
        while (drain().empty()) {
            append(0, std::string(50, 'x'));
            ++count;
        }
        auto item = Shipment::Item{&partition(0), partition(0).sent().front().get()};
        EXPECT_LE(item.batch->sealed.size(), 1000U);
        count = static_cast<std::size_t>(item.batch->count());
        if (first == 0) first = count;
        last = count;
        accumulator.acknowledge(item, 0, no_timestamp);
    }
    EXPECT_GT(last, 3 * first);
}

}  // namespace
}  // namespace millrace::client
