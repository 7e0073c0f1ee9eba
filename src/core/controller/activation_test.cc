#include "core/controller/activation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/controller/controller_for_tests.h"
#include "core/metadata/bootstrap.h"

namespace millrace::controller {
namespace {

using testing::ElementsAre;

class ActivationTest : public testing::Test {
  protected:
    Result<Decision<Done>> activate(const metadata::FeatureLevels& levels) {
        return decide(Activate{metadata::bootstrap_records(levels)}, state,
                      {Time(), random, sessions});
    }
    static std::vector<std::string> names(const metadata::Records& records) {
        std::vector<std::string> names;
        for (const auto& record : records) names.emplace_back(metadata::name_of(record.message));
        return names;
    }
    Random random{1};
    Sessions sessions{Duration::seconds(9)};
    State state{settings_for_tests("min.insync.replicas=2\n")};
};

TEST_F(ActivationTest, AnEmptyLogGetsTheBootstrapRecordsInATransaction) {
    auto decision = activate({{"metadata.version", 30}, {"eligible.leader.replicas.version", 1}});
    ASSERT_TRUE(decision.has_value());
    EXPECT_FALSE(decision->atomic);
    EXPECT_THAT(names(decision->records),
                ElementsAre("BeginTransactionRecord", "FeatureLevelRecord", "FeatureLevelRecord",
                            "ConfigRecord", "EndTransactionRecord"));
    EXPECT_EQ(std::get<BeginTransactionRecord>(decision->records[0].message).name,
              "Bootstrap records");
    ASSERT_TRUE(state.apply(decision->records, 0, 1));
    EXPECT_TRUE(state.elr_enabled());
    EXPECT_EQ(state.config().min_insync_replicas(), 2);
    auto again = activate({{"metadata.version", 30}});
    EXPECT_TRUE(again->records.empty()) << "the log has it all";
}

TEST_F(ActivationTest, OldVersionsHaveNoTransactions) {
    auto decision = activate({{"metadata.version", 12}});
    EXPECT_TRUE(decision->atomic);
    EXPECT_THAT(names(decision->records), ElementsAre("FeatureLevelRecord"));
    metadata::Records records = decision->records;
    records.push_back({BeginTransactionRecord{}, 0});
    ASSERT_TRUE(state.apply(records, 0, 1));
    EXPECT_EQ(activate({}).error().code, ErrorCode::invalid_record);
}

TEST_F(ActivationTest, WhatALeaderLeftOpenIsAborted) {
    metadata::Records begun{{BeginTransactionRecord{}, 0},
                            metadata::feature_level_record("metadata.version", 25)};
    ASSERT_TRUE(state.apply(begun, 0, 1));
    auto decision = activate({{"metadata.version", 30}});
    EXPECT_THAT(names(decision->records),
                ElementsAre("AbortTransactionRecord", "BeginTransactionRecord",
                            "FeatureLevelRecord", "EndTransactionRecord"));
    EXPECT_EQ(std::get<AbortTransactionRecord>(decision->records[0].message).reason,
              "Controller failover");
    ASSERT_TRUE(state.apply(decision->records, state.next_offset(), 2));
    EXPECT_EQ(state.metadata_version().level(), 30);

    ASSERT_TRUE(
        state.apply(metadata::Records{{BeginTransactionRecord{}, 0}}, state.next_offset(), 2));
    EXPECT_THAT(names(activate({})->records), ElementsAre("AbortTransactionRecord"));
}

TEST_F(ActivationTest, BootstrapRecordsWithoutAVersionAreAnError) {
    EXPECT_EQ(decide(Activate{}, state, {Time(), random, sessions}).error().code,
              ErrorCode::invalid_record);
}

}  // namespace
}  // namespace millrace::controller
