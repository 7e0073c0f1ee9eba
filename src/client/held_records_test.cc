#include "client/held_records.h"

#include <gtest/gtest.h>

namespace millrace::client {
namespace {

constexpr Uuid topic{7, 1};
const TopicPartition zero{"t", 0};

AcquiredBatch batch(std::vector<std::int64_t> offsets) {
    AcquiredBatch made;
    made.partition = zero;
    for (std::int64_t offset : offsets) {
        made.records.emplace_back().offset = offset;
        made.delivery_counts.push_back(1);
    }
    return made;
}

TEST(HeldRecords, AreAnsweredForOnce) {
    HeldRecords held;
    held.add(3, topic, batch({0, 1, 2, 5}), true);
    EXPECT_EQ(held.unanswered(), 4U);
    EXPECT_TRUE(held.acknowledge(zero, 1, AcknowledgeType::reject));
    EXPECT_TRUE(held.acknowledge(zero, 2, AcknowledgeType::accept));
    EXPECT_TRUE(held.acknowledge(zero, 2, AcknowledgeType::reject));
    EXPECT_EQ(held.unanswered(), 2U);
    EXPECT_FALSE(held.acknowledge(zero, 4, AcknowledgeType::accept));
    EXPECT_FALSE(held.acknowledge({"t", 1}, 0, AcknowledgeType::accept));
    auto taken = held.take();
    ASSERT_EQ(taken.size(), 1U);
    EXPECT_EQ(taken[0].node, 3);
    EXPECT_EQ(taken[0].partition, (SharePartition{topic, 0}));
    EXPECT_EQ(taken[0].ranges, (Acknowledgements{{1, 2, AcknowledgeType::reject}}));
    EXPECT_FALSE(held.acknowledge(zero, 1, AcknowledgeType::accept)) << "it is told already";
    held.acknowledge_all(AcknowledgeType::accept);
    EXPECT_TRUE(held.all_answered());
    EXPECT_EQ(held.take()[0].ranges,
              (Acknowledgements{{0, 0, AcknowledgeType::accept}, {5, 5, AcknowledgeType::accept}}));
    EXPECT_TRUE(held.take().empty());
}

TEST(HeldRecords, WhatIsRenewedIsGivenAgainOnceItIsTaken) {
    HeldRecords held;
    held.add(3, topic, batch({0, 1, 2}), true);
    for (std::int64_t offset : {0, 1}) {
        EXPECT_TRUE(held.acknowledge(zero, offset, AcknowledgeType::renew));
    }
    EXPECT_TRUE(held.acknowledge(zero, 2, AcknowledgeType::accept));
    auto taken = held.take();
    ASSERT_EQ(taken.size(), 1U);
    EXPECT_TRUE(held.renews());
    EXPECT_TRUE(held.all_answered());
    EXPECT_FALSE(held.acknowledge(zero, 0, AcknowledgeType::accept)) << "it is on its way";
    held.settled(taken[0], true);
    EXPECT_FALSE(held.renews());
    EXPECT_TRUE(held.has_renewed());
    ShareRecords again = held.take_renewed();
    EXPECT_EQ(again.count, 2U);
    EXPECT_EQ(again.batches.at(0).delivery_counts, (std::vector<std::int16_t>{1, 1}));
    EXPECT_FALSE(held.has_renewed());
    EXPECT_EQ(held.unanswered(), 2U);

    // What the broker does not renew is somebody else's.
    EXPECT_TRUE(held.acknowledge(zero, 0, AcknowledgeType::renew));
    EXPECT_TRUE(held.acknowledge(zero, 1, AcknowledgeType::accept));
    taken = held.take();
    held.settled(taken[0], false);
    EXPECT_FALSE(held.renews() || held.has_renewed());
    EXPECT_FALSE(held.acknowledge(zero, 0, AcknowledgeType::accept));
}

TEST(HeldRecords, WhatComesAgainIsHeldAnew) {
    HeldRecords held;
    held.add(3, topic, batch({0}), false);
    EXPECT_TRUE(held.acknowledge(zero, 0, AcknowledgeType::accept));
    held.add(3, topic, batch({0}), false);
    EXPECT_EQ(held.unanswered(), 1U);
    // Another broker leads by now, and gave it, too: each is told for itself.
    held.add(4, topic, batch({0}), false);
    held.acknowledge_all(AcknowledgeType::accept);
    auto taken = held.take();
    ASSERT_EQ(taken.size(), 2U);
    EXPECT_EQ(taken[0].node, 3);
    EXPECT_EQ(taken[1].node, 4);
    held.add(4, topic, batch({1}), false);
    held.clear();
    EXPECT_TRUE(held.all_answered());
}

}  // namespace
}  // namespace millrace::client
