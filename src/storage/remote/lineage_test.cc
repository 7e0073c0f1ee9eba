#include "storage/remote/lineage.h"

#include <gtest/gtest.h>
#include <vector>

#include "base/random.h"
#include "storage/remote/metadata_for_tests.h"

namespace millrace::storage::remote {
namespace {

// A log that has lost what its epochs were below its first local record.
LeaderEpochs told(const RemoteLogSegments& segments, std::vector<EpochStart> known,
                  Offset local_start) {
    LeaderEpochs epochs;
    for (const EpochStart& each : known) epochs.assign(each.epoch, each.start_offset);
    return epochs_told(segments, epochs, local_start);
}

RemoteLogSegmentMetadata segment_of_epochs(std::uint64_t id, Offset start, Offset end,
                                           std::vector<EpochStart> epochs) {
    RemoteLogSegmentMetadata metadata = segment_metadata({.id = id, .start = start, .end = end});
    metadata.leader_epochs = std::move(epochs);
    return metadata;
}

TEST(EpochsTold, JoinWhatSegmentsAndTheLogKnow) {
    RemoteLogSegments segments;
    copy_into(segments, segment_of_epochs(1, 20, 39, {{1, 20}}));
    copy_into(segments, segment_of_epochs(2, 40, 59, {{1, 40}, {3, 50}}));
    copy_into(segments, segment_of_epochs(3, 60, 79, {{3, 60}, {4, 70}, {6, 75}}));
    using Epochs = std::vector<EpochStart>;
    EXPECT_EQ(told(segments, {{6, 80}, {7, 90}}, 80).entries(),
              (Epochs{{1, 20}, {3, 50}, {4, 70}, {6, 75}, {7, 90}}));
    EXPECT_EQ(told(segments, {{7, 80}}, 80).entries(),
              (Epochs{{1, 20}, {3, 50}, {4, 70}, {6, 75}, {7, 80}}));
    EXPECT_EQ(told(segments, {}, 80).entries(), (Epochs{{1, 20}, {3, 50}, {4, 70}, {6, 75}}));
    // What the file says of offsets that are not here counts for nothing.
    EXPECT_EQ(told(segments, {{2, 0}, {6, 80}}, 80).entries(),
              (Epochs{{1, 20}, {3, 50}, {4, 70}, {6, 75}}));
    // The log here begins within a segment that is copied.
    EXPECT_EQ(told(segments, {{4, 70}, {6, 75}}, 70).entries(),
              (Epochs{{1, 20}, {3, 50}, {4, 70}, {6, 75}}));
    // Nothing follows on a gap.
    EXPECT_EQ(told(segments, {{6, 90}}, 90).entries(), (Epochs{{6, 90}}));
    EXPECT_EQ(told(segments, {{0, 80}}, 80).entries(), (Epochs{{0, 80}})) << "epochs ascend";
}

TEST(EpochsTold, ACopyThatOverlapsIsOfTheSameLog) {
    RemoteLogSegments segments;
    copy_into(segments, segment_of_epochs(1, 0, 17, {{0, 0}, {1, 12}}));
    copy_into(segments, segment_of_epochs(2, 10, 27, {{0, 10}, {1, 12}}));
    EXPECT_EQ(told(segments, {{1, 28}}, 28).entries(), (std::vector<EpochStart>{{0, 0}, {1, 12}}));
}

// What a leader copied whose records an unclean election has taken back.
TEST(EpochsTold, ForgetWhatWasTakenBack) {
    RemoteLogSegments segments;
    copy_into(segments, segment_of_epochs(1, 0, 49, {{0, 0}}));
    copy_into(segments, segment_of_epochs(2, 50, 99, {{0, 50}}));           // taken back from 60 on
    copy_into(segments, segment_of_epochs(3, 50, 89, {{0, 50}, {1, 60}}));  // what came instead
    EXPECT_EQ(told(segments, {{1, 90}}, 90).entries(), (std::vector<EpochStart>{{0, 0}, {1, 60}}));
    EXPECT_EQ(told(segments, {{2, 90}}, 90).entries(),
              (std::vector<EpochStart>{{0, 0}, {1, 60}, {2, 90}}));
    EXPECT_EQ(readable_until(segments, told(segments, {{2, 90}}, 90), 0, 100), 90);
}

// Whatever a log went through: its epochs come back, and with them all that was readable.
TEST(EpochsTold, AreThoseThatTheLogHad) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        Random random(seed);
        RemoteLogSegments segments;
        LeaderEpochs epochs;
        std::int32_t epoch = 0;
        Offset end = 0;
        Offset copied = 0;
        std::uint64_t id = 1;
        Offset begins = random.between(0, 30);  // what is older has expired
        for (int i = 0; i < 40; ++i) {
            if (random.chance(0.3)) epoch += static_cast<std::int32_t>(random.between(1, 3));
            epochs.assign(epoch, end);
            end += random.between(1, 20);
            if (!random.chance(0.6)) continue;
            Offset start = std::max<Offset>(0, copied - random.between(0, 5));
            auto own = epochs_between(epochs, start, end).entries();
            if (end > begins) copy_into(segments, segment_of_epochs(id++, start, end - 1, own));
            copied = end;
        }
        Offset local = random.between(copied / 2, copied);
        if (segments.empty() || local == 0) continue;
        epochs.assign(epoch, end);
        Offset first = *remote_log_start(segments, epochs);
        if (first >= local) continue;
        LeaderEpochs lost = epochs;
        lost.truncate_from_start(local);
        LeaderEpochs found = epochs_told(segments, lost, local);
        EXPECT_EQ(found.entries(), epochs_between(epochs, first, end + 1).entries());
        EXPECT_GE(readable_until(segments, found, first, end), local);
    }
}

}  // namespace
}  // namespace millrace::storage::remote
