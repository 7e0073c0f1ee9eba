#include "storage/remote/remote_log_segments.h"

#include <gtest/gtest.h>
#include <map>

#include "base/random.h"
#include "storage/remote/lineage.h"
#include "storage/remote/metadata_for_tests.h"

namespace millrace::storage::remote {
namespace {

using enum RemoteLogSegmentState;

TEST(RemoteLogSegments, ShowsASegmentOnceItsCopyIsFinished) {
    RemoteLogSegments segments;
    RemoteLogSegmentMetadata first = segment_metadata({.id = 1, .start = 0, .end = 99});
    ASSERT_TRUE(segments.apply(first));
    EXPECT_EQ(segments.find(0, 5), nullptr);
    EXPECT_EQ(segments.highest_offset(0), std::nullopt);
    EXPECT_EQ(segments.list(0).size(), 1U);

    ASSERT_TRUE(segments.apply(update_of(first, copy_segment_finished)));
    ASSERT_NE(segments.find(0, 99), nullptr);
    EXPECT_EQ(segments.find(0, 99)->segment.id, first.segment.id);
    EXPECT_EQ(segments.find(0, 100), nullptr);
    EXPECT_EQ(segments.find(1, 5), nullptr);
    EXPECT_EQ(segments.highest_offset(0), 99);

    ASSERT_TRUE(segments.apply(update_of(first, delete_segment_started)));
    EXPECT_EQ(segments.find(0, 5), nullptr);
    EXPECT_EQ(segments.list(0).size(), 1U);
    ASSERT_TRUE(segments.apply(update_of(first, delete_segment_finished)));
    EXPECT_TRUE(segments.empty());
    EXPECT_EQ(segments.highest_offset(0), 99) << "the same offsets would be copied again";
}

TEST(RemoteLogSegments, RefusesWhatCannotFollow) {
    RemoteLogSegments segments;
    RemoteLogSegmentMetadata first = segment_metadata({.id = 1, .start = 0, .end = 99});
    EXPECT_EQ(segments.apply(update_of(first, copy_segment_finished)).error().code,
              ErrorCode::resource_not_found);
    ASSERT_TRUE(segments.apply(first));
    EXPECT_EQ(segments.apply(update_of(first, delete_segment_finished)).error().code,
              ErrorCode::invalid_record);
    ASSERT_TRUE(segments.apply(update_of(first, delete_segment_started)));
    EXPECT_EQ(segments.apply(update_of(first, copy_segment_finished)).error().code,
              ErrorCode::invalid_record);
    EXPECT_EQ(segments.apply(first).error().code, ErrorCode::invalid_record);
}

// Whatever leaders copied, and however their copies overlap: an offset that is found lies in a
// segment of that epoch, and replaying the records gives the same answers.
TEST(RemoteLogSegments, FindsOnlyWhatHoldsTheOffset) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        Random random(seed);
        RemoteLogSegments segments;
        std::vector<RemoteLogMetadata> records;
        std::vector<RemoteLogSegmentMetadata> known;
        for (int i = 0; i < 60; ++i) {
            if (known.empty() || random.chance(0.4)) {
                Offset start = random.between(0, 20) * 10;
                known.push_back(
                    segment_metadata({.id = static_cast<std::uint64_t>(i) + 10,
                                      .start = start,
                                      .end = start + random.between(0, 30),
                                      .epoch = static_cast<std::int32_t>(random.between(0, 3))}));
                if (segments.apply(known.back())) records.emplace_back(known.back());
            } else {
                auto state = static_cast<RemoteLogSegmentState>(random.between(1, 3));
                auto update = update_of(known[random.below(known.size())], state);
                if (segments.apply(update)) records.emplace_back(update);
            }
        }
        RemoteLogSegments again;
        for (const RemoteLogMetadata& record : records) {
            auto decoded = decode_remote_log_metadata(encode(record).bytes());
            ASSERT_TRUE(decoded);
            ASSERT_EQ(*decoded, record);
            std::visit(
                [&](const auto& each) {
                    if constexpr (requires { again.apply(each); }) ASSERT_TRUE(again.apply(each));
                },
                *decoded);
        }
        EXPECT_EQ(again.all(), segments.all());
        for (std::int32_t epoch = 0; epoch < 4; ++epoch) {
            EXPECT_EQ(again.highest_offset(epoch), segments.highest_offset(epoch));
            for (Offset offset = 0; offset < 240; ++offset) {
                const RemoteLogSegmentMetadata* found = segments.find(epoch, offset);
                EXPECT_EQ(again.find(epoch, offset) == nullptr, found == nullptr);
                if (found == nullptr) continue;
                EXPECT_EQ(found->state, copy_segment_finished);
                EXPECT_LE(found->segment.start_offset, offset);
                EXPECT_GE(found->segment.end_offset, offset);
            }
        }
    }
}

TEST(Lineage, FindsWhereCopyingEnded) {
    RemoteLogSegments segments;
    LeaderEpochs epochs;
    EXPECT_EQ(highest_copied_offset(segments, epochs, 500), no_offset);
    epochs.assign(0, 0);
    epochs.assign(2, 150);
    EXPECT_EQ(highest_copied_offset(segments, epochs, 500), no_offset);
    copy_into(segments, segment_metadata({.id = 1, .start = 0, .end = 99}));
    EXPECT_EQ(highest_copied_offset(segments, epochs, 500), 99);
    // Of epoch 0 this log has no more than offset 149, whatever was copied of it.
    copy_into(segments, segment_metadata({.id = 2, .start = 100, .end = 199}));
    EXPECT_EQ(highest_copied_offset(segments, epochs, 500), 149);
    copy_into(segments, segment_metadata({.id = 3, .start = 150, .end = 299, .epoch = 2}));
    EXPECT_EQ(highest_copied_offset(segments, epochs, 500), 299);
    EXPECT_EQ(highest_copied_offset(segments, epochs, 250), 249);
}

TEST(Lineage, TellsHowFarRecordsAreThere) {
    RemoteLogSegments segments;
    LeaderEpochs epochs;
    epochs.assign(0, 0);
    for (std::uint64_t i = 0; i < 5; ++i) {
        auto start = static_cast<Offset>(i) * 100;
        copy_into(segments, segment_metadata({.id = i, .start = start, .end = start + 99}));
    }
    EXPECT_EQ(readable_until(segments, epochs, 0, 1'000), 500);
    EXPECT_EQ(readable_until(segments, epochs, 250, 1'000), 500);
    EXPECT_EQ(readable_until(segments, epochs, 500, 1'000), 500);
    EXPECT_EQ(readable_until(segments, epochs, 0, 450), 400) << "the last is of another history";
    auto third = segment_metadata({.id = 2, .start = 200, .end = 299});
    ASSERT_TRUE(segments.apply(update_of(third, delete_segment_started)));
    EXPECT_EQ(readable_until(segments, epochs, 0, 1'000), 200);
    EXPECT_EQ(highest_copied_offset(segments, epochs, 1'000), 499);
}

TEST(Lineage, TheLogBeginsWhereItsFirstSegmentDoes) {
    RemoteLogSegments segments;
    LeaderEpochs epochs;
    epochs.assign(3, 40);
    EXPECT_EQ(remote_log_start(segments, epochs), std::nullopt);
    auto first = segment_metadata({.id = 1, .start = 40, .end = 99, .epoch = 3});
    ASSERT_TRUE(segments.apply(first));
    EXPECT_EQ(remote_log_start(segments, epochs), std::nullopt) << "its copy is not finished";
    ASSERT_TRUE(segments.apply(update_of(first, copy_segment_finished)));
    copy_into(segments, segment_metadata({.id = 2, .start = 100, .end = 120, .epoch = 3}));
    EXPECT_EQ(remote_log_start(segments, epochs), 40);
    ASSERT_TRUE(segments.apply(update_of(first, delete_segment_started)));
    EXPECT_EQ(remote_log_start(segments, epochs), 100);
}

}  // namespace
}  // namespace millrace::storage::remote
