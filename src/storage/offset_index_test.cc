#include "storage/offset_index.h"

#include <gtest/gtest.h>

#include "storage/log_for_tests.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

class OffsetIndexTest : public SimulatedLogTest {
  protected:
    OffsetIndexTest() { origin_.options.index_interval_bytes = 1; }  // all but the first batch
    static Offset bound(Log& log, Offset offset) {
        auto read = log.read({.offset = offset,
                              .max_bytes = 1,
                              .whole_first_batch = true,
                              .upper_bound = log.end_offset()});
        EXPECT_TRUE(read);
        return read ? log.upper_bound_of(*read).value() : no_offset;
    }
    static Task<void> append(Log& log, int batches) {
        for (int i = 0; i < batches; ++i) EXPECT_TRUE(log.append_as_leader(make_batch(), {}));
        EXPECT_TRUE(co_await log.written(log.next_offset()));
    }
};

// The index was seen to give these bounds in Apache Kafka 4.3.1, by aborted transactions that its
// fetches tell of.
TEST_F(OffsetIndexTest, APositionThatTheFirstEntryHasIsThatOfTheSecond) {
    live([](env::Shard&, Log& log) -> Task<void> {
        co_await append(log, 2);
        EXPECT_EQ(bound(log, 0), 2) << "there is no second one: the segment's end";
        co_await append(log, 3);
        EXPECT_EQ(bound(log, 0), 2);
        EXPECT_EQ(bound(log, 1), 2);
        EXPECT_EQ(bound(log, 2), 3);
        EXPECT_EQ(bound(log, 4), 5);
    });
}

}  // namespace
}  // namespace millrace::storage
