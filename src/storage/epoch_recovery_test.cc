// Leader epochs after an unclean end that has left the checkpoint and the batches of different
// times.

#include "storage/epoch_recovery.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "storage/checked_text.h"
#include "storage/log_for_tests.h"
#include "storage/test_batches.h"

namespace millrace::storage {
namespace {

using env::Shard;

class EpochRecovery : public SimulatedLogTest {
  protected:
    // One batch of two records each.
    void write(const std::vector<std::int32_t>& epochs) {
        live([&](Shard&, Log& log) -> Task<void> {
            for (std::int32_t epoch : epochs) {
                EXPECT_TRUE(
                    log.append_as_leader(make_batch({.records = 2}),
                                         {.origin = AppendOrigin::client, .leader_epoch = epoch}));
            }
            EXPECT_TRUE(co_await log.durable(log.next_offset()));
        });
    }
    // The epochs of the batches, once the checkpoint says `entries`.
    std::vector<std::int32_t> recovered(const std::string& entries) {
        std::string path = origin_.path + "/leader-epoch-checkpoint";
        EXPECT_TRUE(replace_checked(node_.disk(), path, entries));
        std::vector<std::int32_t> epochs;
        live([&](Shard&, Log& log) -> Task<void> {
            for (Offset at = log.start_offset(); at < log.end_offset(); at += 2) {
                epochs.push_back(log.epochs().epoch_at(at).value_or(-1));
                EXPECT_TRUE(log.load({.offset = at, .max_bytes = 1})) << "at " << at;
            }
            co_return;
        });
        return epochs;
    }

    using Epochs = std::vector<std::int32_t>;
};

TEST_F(EpochRecovery, TheLatestMayBeMissing) {
    write({1, 1, 4, 4, 5});
    EXPECT_EQ(recovered("0\n1\n1 0\n"), (Epochs{1, 1, 4, 4, 5}));
}

TEST_F(EpochRecovery, TheEarliestMayBeMissing) {
    write({1, 1, 4, 4, 5});
    EXPECT_EQ(recovered("0\n2\n4 4\n5 8\n"), (Epochs{1, 1, 4, 4, 5}));
}

// A cut at 4 is known to the checkpoint, and a power cut has brought the batches back.
TEST_F(EpochRecovery, OnesThatNoBatchHasReachedAreGone) {
    write({1, 1, 1, 1, 4});
    EXPECT_EQ(recovered("0\n2\n1 0\n5 4\n"), (Epochs{1, 1, 1, 1, 4}));
}

}  // namespace
}  // namespace millrace::storage
