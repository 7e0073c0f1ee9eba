#include "client/acquired_records.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <limits>
#include <string>

#include "client/log_for_tests.h"
#include "records/builder.h"

namespace millrace::client {
namespace {

using Ranges = AcquiredRecords::Ranges;

// Batches of so many records each.
Slice batches(std::vector<int> sizes) {
    LogForTests log;
    for (int size : sizes) {
        BatchBuilder builder;
        for (int i = 0; i < size; ++i) builder.append(1, std::nullopt, as_bytes("v"));
        log.append(builder.build(), 1 << 20);
    }
    return log.read(0, 1 << 20);
}

// "0*1 1*2 |" for each batch: offsets with how often each was given.
std::string given(AcquiredRecords& records) {
    std::string text;
    for (;;) {
        auto batch = records.next();
        if (!batch) {
            text += "! ";
            continue;
        }
        if (!*batch) return text;
        EXPECT_EQ((*batch)->records.size(), (*batch)->delivery_counts.size());
        for (std::size_t i = 0; i < (*batch)->records.size(); ++i)
            text +=
                fmt::format("{}*{} ", (*batch)->records[i].offset, (*batch)->delivery_counts[i]);
        text += "| ";
    }
}

TEST(AcquiredRecords, GivesWhatWasAcquired) {
    AcquiredRecords records({"t", 0}, batches({3, 2, 4}), Ranges{{1, 2, 1}, {3, 3, 2}, {6, 7, 1}},
                            {});
    EXPECT_EQ(given(records), "1*1 2*1 | 3*2 | 6*1 7*1 | ");
    EXPECT_TRUE(records.take_acknowledgements().empty());
}

TEST(AcquiredRecords, OffsetsWithoutRecordsAreGaps) {
    // As of a log that was compacted, or cut, or whose last batch is a marker.
    AcquiredRecords records({"t", 0}, batches({2}), Ranges{{0, 0, 1}, {1, 9, 1}}, {});
    EXPECT_EQ(given(records), "0*1 1*1 | ");
    EXPECT_EQ(records.take_acknowledgements(), (Acknowledgements{{2, 9, AcknowledgeType::gap}}));
    AcquiredRecords nothing({"t", 0}, Slice(), Ranges{{5, 6, 1}, {9, 9, 1}}, {});
    EXPECT_EQ(given(nothing), "");
    EXPECT_EQ(nothing.take_acknowledgements(),
              (Acknowledgements{{5, 6, AcknowledgeType::gap}, {9, 9, AcknowledgeType::gap}}));
}

TEST(AcquiredRecords, WhatIsBrokenIsRejected) {
    Slice bytes = batches({2, 2, 2});
    std::vector<std::uint8_t> copy(bytes.data(), bytes.data() + bytes.size());
    copy[copy.size() / 2] ^= 1;
    AcquiredRecords records({"t", 0}, Slice::copy(Bytes(copy)), Ranges{{0, 2, 1}, {3, 5, 3}}, {});
    EXPECT_EQ(given(records), "0*1 1*1 | ! 4*3 5*3 | ");
    EXPECT_EQ(records.take_acknowledgements(), (Acknowledgements{{2, 3, AcknowledgeType::reject}}));
}

TEST(AcquiredRecords, RangesMayClaimAnything) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    AcquiredRecords records({"t", 0}, batches({2}),
                            Ranges{{0, most, 1}, {3, 1, 1}, {0, 4, 1}, {-5, -1, 1}}, {});
    EXPECT_EQ(given(records), "0*1 1*1 | ");
    EXPECT_EQ(records.take_acknowledgements().size(), 2U);
    AcquiredRecords none({"t", 0}, batches({2}), Ranges{}, {});
    EXPECT_EQ(given(none), "");
}

}  // namespace
}  // namespace millrace::client
