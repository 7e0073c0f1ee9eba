#include "broker/fetch_sessions.h"

#include <gtest/gtest.h>
#include <string>

#include "base/executor.h"
#include "base/scope.h"

namespace millrace::broker {
namespace {

constexpr std::int16_t by_name = 12;
constexpr std::int16_t by_id = 13;

// Runs coroutines when it is told to.
class ManualExecutor final : public Executor {
  public:
    void post(std::coroutine_handle<> coroutine) override { ready_.push_back(coroutine); }
    void run() {
        while (!ready_.empty()) {
            auto next = ready_.front();
            ready_.erase(ready_.begin());
            next.resume();
        }
    }

  private:
    std::vector<std::coroutine_handle<>> ready_;
};

FetchRequest asking(std::int32_t session, std::int32_t epoch,
                    std::vector<std::int32_t> partitions) {
    FetchRequest request;
    request.session_id = session;
    request.session_epoch = epoch;
    if (partitions.empty()) return request;
    auto& topic = request.topics.emplace_back();
    topic.topic = "t";
    for (std::int32_t partition : partitions) {
        auto& asked = topic.partitions.emplace_back();
        asked.partition = partition;
        asked.fetch_offset = 10 + partition;
    }
    return request;
}

FetchRequest forgetting(std::int32_t session, std::int32_t epoch, std::int32_t partition) {
    FetchRequest request = asking(session, epoch, {});
    auto& topic = request.forgotten_topics_data.emplace_back();
    topic.topic = "t";
    topic.partitions = {partition};
    return request;
}

std::string partitions_of(FetchPlan& plan) {
    std::string text;
    for (const FetchTarget& target : plan.targets()) text += std::to_string(target.partition) + " ";
    return text;
}

class FetchSessionsTest : public testing::Test {
  protected:
    std::int32_t open(std::vector<std::int32_t> partitions) {
        return sessions.begin(asking(0, 0, std::move(partitions)), by_name, now).session_id();
    }
    Time now;
    FetchSessions sessions{Random(1), 3, 2, Duration::seconds(120)};
};

TEST_F(FetchSessionsTest, RemembersWhatIsReadAndTakesChanges) {
    std::int32_t id = open({0, 1});
    EXPECT_EQ(id & 0xff, 3) << "ids bear the shard";
    FetchPlan plan = sessions.begin(asking(id, 1, {2}), by_name, now);
    EXPECT_TRUE(plan.incremental);
    EXPECT_EQ(partitions_of(plan), "0 1 2 ");
    plan = {};
    plan = sessions.begin(forgetting(id, 2, 1), by_name, now);
    EXPECT_EQ(partitions_of(plan), "0 2 ");
    EXPECT_EQ(plan.targets().front().offset, 10);
}

TEST_F(FetchSessionsTest, RefusesWhatDoesNotFit) {
    std::int32_t id = open({0});
    auto error = [&](FetchRequest request, std::int16_t version) {
        return sessions.begin(request, version, now).error;
    };
    EXPECT_EQ(error(asking(id, 2, {}), by_name), ErrorCode::invalid_fetch_session_epoch);
    EXPECT_EQ(error(asking(id, 1, {}), by_id), ErrorCode::fetch_session_topic_id_error);
    EXPECT_EQ(error(asking(id + 256, 1, {}), by_name), ErrorCode::fetch_session_id_not_found);
    EXPECT_EQ(error(asking(id, 1, {}), by_name), ErrorCode::none);
}

TEST_F(FetchSessionsTest, ServedPartitionsGoToTheEnd) {
    std::int32_t id = open({0, 1, 2});
    FetchPlan plan = sessions.begin(asking(id, 1, {}), by_name, now);
    plan.session->rotate({&plan.targets().front()});
    EXPECT_EQ(partitions_of(plan), "1 2 0 ");
}

TEST_F(FetchSessionsTest, WhatReadsNothingHasNoSession) {
    EXPECT_EQ(open({}), 0);
    std::int32_t id = open({0});
    sessions.begin(forgetting(id, 1, 0), by_name, now);
    EXPECT_EQ(sessions.count(), 0U);
}

TEST_F(FetchSessionsTest, AFinalEpochEndsTheSession) {
    std::int32_t id = open({0});
    FetchPlan plan = sessions.begin(asking(id, -1, {0}), by_name, now);
    EXPECT_EQ(plan.session_id(), 0);
    EXPECT_EQ(partitions_of(plan), "0 ");
    EXPECT_EQ(sessions.count(), 0U);
}

TEST_F(FetchSessionsTest, OnlyOneThatWasLongUnusedMakesRoom) {
    open({0});
    now = now + Duration::seconds(60);
    std::int32_t second = open({0});
    EXPECT_EQ(open({0}), 0) << "a full answer outside any session";
    now = now + Duration::seconds(61);
    EXPECT_NE(open({0}), 0);
    EXPECT_EQ(sessions.evictions(), 1U);
    EXPECT_EQ(sessions.begin(asking(second, 1, {}), by_name, now).error, ErrorCode::none);
}

TEST_F(FetchSessionsTest, ARequestWaitsForTheOneBeforeInItsSession) {
    std::int32_t id = open({0, 1});
    auto first = std::make_unique<FetchPlan>(sessions.begin(asking(id, 1, {}), by_name, now));
    FetchTarget* used = &first->targets().front();
    ManualExecutor executor;
    Scope scope(executor);
    std::string second;
    scope.spawn(
        [](FetchSessions& all, std::int32_t session, std::string& seen, Time time) -> Task<void> {
            co_await all.until_free(session);
            FetchPlan plan = all.begin(forgetting(session, 2, 0), by_name, time);
            seen = partitions_of(plan);
        }(sessions, id, second, now));
    executor.run();
    EXPECT_EQ(second, "");
    EXPECT_EQ(used->partition, 0) << "still there";
    first.reset();
    executor.run();
    EXPECT_EQ(second, "1 ");
}

// The client was told of no session: it asks for one again.
TEST(FetchSessions, ASessionThatIsNotToldIsGone) {
    FetchSessions sessions(Random(1), 0, 10, Duration::seconds(1));
    FetchPlan plan = sessions.begin(asking(0, 0, {0}), by_name, Time());
    ASSERT_NE(plan.session_id(), 0);
    sessions.abandon(plan);
    EXPECT_EQ(plan.session_id(), 0);
    EXPECT_EQ(sessions.count(), 0U);
    FetchPlan outside = sessions.begin(asking(0, -1, {0}), by_name, Time());
    sessions.abandon(outside);
    EXPECT_EQ(outside.session_id(), 0);
}

}  // namespace
}  // namespace millrace::broker
