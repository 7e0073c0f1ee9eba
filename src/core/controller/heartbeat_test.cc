#include "core/controller/heartbeat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/controller/controller_for_tests.h"

namespace millrace::controller {
namespace {

using testing::ElementsAre;

BrokerHeartbeatResponse shut_down(ControllerForTests& controller, std::int32_t id) {
    BrokerHeartbeat command = controller.heartbeat(id);
    command.request.want_shut_down = true;
    return controller.run(command);
}

TEST(Heartbeat, UnfencesABrokerThatHasReadItsRegistration) {
    ControllerForTests controller;
    std::int64_t epoch = controller.run(controller.registration(1)).broker_epoch;
    BrokerHeartbeat behind = controller.heartbeat(1);
    behind.request.current_metadata_offset = epoch - 1;
    BrokerHeartbeatResponse response = controller.run(behind);
    EXPECT_TRUE(response.is_fenced);
    EXPECT_FALSE(response.is_caught_up);
    response = controller.beat(1);
    EXPECT_FALSE(response.is_fenced);
    EXPECT_TRUE(response.is_caught_up);
    controller.beat(1);
    EXPECT_TRUE(controller.last.empty()) << "nothing new is nothing to write";
}

TEST(Heartbeat, OldIncarnationsAreRefused) {
    ControllerForTests controller;
    controller.start_broker(1);
    BrokerHeartbeat command = controller.heartbeat(1);
    --command.request.broker_epoch;
    EXPECT_EQ(controller.run(command).error_code, ErrorCode::stale_broker_epoch);
    EXPECT_EQ(controller.beat(2).error_code, ErrorCode::stale_broker_epoch);
}

TEST(Heartbeat, FencingMovesLeadershipsAndComingBackTakesOrphans) {
    ControllerForTests controller;
    controller.start_brokers(2);
    controller.create("t", {{1, 2}});
    controller.create("alone", {{1}});
    controller.fence(1);
    EXPECT_EQ(controller.partition("t").leader, 2);
    EXPECT_EQ(controller.partition("alone").leader, metadata::no_leader);
    EXPECT_THAT(controller.partition("alone").isr, ElementsAre(1)) << "the last one stays";
    EXPECT_EQ(controller.state.partitions().leaderless().size(), 1U);
    controller.beat(1);
    EXPECT_EQ(controller.partition("t").leader, 2);
    EXPECT_EQ(controller.partition("alone").leader, 1);
}

TEST(Heartbeat, AControlledShutdownWaitsUntilAllKnow) {
    ControllerForTests controller;
    controller.start_brokers(3);
    controller.create("t", {{1, 2}});
    controller.beat(2);
    controller.beat(3);
    BrokerHeartbeatResponse response = shut_down(controller, 1);
    EXPECT_FALSE(response.should_shut_down);
    EXPECT_FALSE(response.is_fenced);
    EXPECT_TRUE(controller.state.broker(1)->in_controlled_shutdown);
    EXPECT_EQ(controller.partition("t").leader, 2);
    EXPECT_FALSE(shut_down(controller, 1).should_shut_down) << "2 and 3 have not read it";
    controller.beat(2);
    EXPECT_FALSE(shut_down(controller, 1).should_shut_down) << "3 has not read it";
    controller.beat(3);
    response = shut_down(controller, 1);
    EXPECT_TRUE(response.should_shut_down);
    EXPECT_TRUE(response.is_fenced);
    EXPECT_TRUE(controller.state.broker(1)->fenced);
}

TEST(Heartbeat, WhoLeadsNothingMayGoAtOnce) {
    ControllerForTests controller;
    controller.start_brokers(2);
    EXPECT_TRUE(shut_down(controller, 1).should_shut_down);
    EXPECT_TRUE(shut_down(controller, 1).should_shut_down) << "a fenced one, too";
}

// The next controller does not know whether the others have read of it: it asks the broker anew.
TEST(Heartbeat, AShutdownOutlivesTheController) {
    ControllerForTests controller;
    controller.start_brokers(2);
    controller.create("t", {{1, 2}});
    EXPECT_FALSE(shut_down(controller, 1).should_shut_down);
    controller.sessions.begin(controller.state.image(), controller.now);
    EXPECT_TRUE(shut_down(controller, 1).should_shut_down);
}

TEST(Heartbeat, PartitionsLeaveADirectoryThatFailed) {
    ControllerForTests controller;
    controller.start_brokers(2);
    controller.create("t", {{1, 2}});
    PartitionChangeRecord placed;
    placed.topic_id = controller.state.image().topics.find("t")->id;
    placed.partition_id = 0;
    placed.directories =
        std::vector<Uuid>{ControllerForTests::directory(1, 1), ControllerForTests::directory(2, 1)};
    controller.commit({{placed, 1}});
    BrokerHeartbeat command = controller.heartbeat(1);
    command.request.offline_log_dirs = {ControllerForTests::directory(1, 2)};
    controller.run(command);
    EXPECT_EQ(controller.partition("t").leader, 1) << "it lies in the other one";
    command.request.offline_log_dirs.push_back(ControllerForTests::directory(1, 1));
    controller.run(command);
    EXPECT_EQ(controller.partition("t").leader, 2);
    EXPECT_THAT(controller.partition("t").isr, ElementsAre(2));
}

TEST(Heartbeat, CordonedDirectoriesAreRemembered) {
    ControllerForTests controller;
    controller.start_broker(1);
    BrokerHeartbeat command = controller.heartbeat(1);
    command.request.cordoned_log_dirs = {ControllerForTests::directory(1, 2),
                                         ControllerForTests::directory(1, 1)};
    controller.run(command);
    EXPECT_EQ(controller.last.size(), 1U);
    EXPECT_FALSE(controller.state.broker(1)->has_uncordoned_directory());
    std::ranges::reverse(*command.request.cordoned_log_dirs);
    controller.run(command);
    EXPECT_TRUE(controller.last.empty()) << "the same ones in another order";
    command.request.cordoned_log_dirs.reset();
    controller.run(command);
    EXPECT_TRUE(controller.last.empty()) << "not said is not none";
}

TEST(FenceStaleBroker, OneAtATimeAndOnlyWhoIsSilent) {
    ControllerForTests controller;
    controller.start_brokers(3);
    controller.create("t", {{1, 2, 3}});
    controller.pass(Duration::seconds(8));
    controller.beat(2);
    EXPECT_EQ(controller.sessions.next_expiry(controller.state.image()),
              controller.now + Duration::seconds(1));
    controller.run(FenceStaleBroker{});
    EXPECT_TRUE(controller.last.empty());
    controller.pass(Duration::seconds(1));
    controller.run(FenceStaleBroker{});
    EXPECT_TRUE(controller.state.broker(1)->fenced);
    EXPECT_FALSE(controller.state.broker(3)->fenced);
    controller.run(FenceStaleBroker{});
    EXPECT_TRUE(controller.state.broker(3)->fenced);
    controller.run(FenceStaleBroker{});
    EXPECT_TRUE(controller.last.empty());
    EXPECT_THAT(controller.partition("t").isr, ElementsAre(2));
}

FenceGoneBroker gone(const ControllerForTests& controller, std::int32_t id) {
    return {.broker = id, .epoch = controller.state.broker(id)->epoch, .since = controller.now};
}

TEST(FenceGoneBroker, DoesNotWaitForTheSession) {
    ControllerForTests controller;
    controller.start_brokers(2);
    controller.create("t", {{1, 2}});
    EXPECT_TRUE(controller.run(gone(controller, 1)).fenced);
    EXPECT_TRUE(controller.state.broker(1)->fenced);
    EXPECT_EQ(controller.partition("t").leader, 2);
    EXPECT_THAT(controller.partition("t").isr, ElementsAre(2));
    EXPECT_FALSE(controller.run(gone(controller, 1)).fenced) << "it is";
    // Its next life need not wait for the session, either.
    EXPECT_EQ(controller.run(controller.registration(1)).error_code, ErrorCode::none);
}

TEST(FenceGoneBroker, AnotherLifeIsNotMeant) {
    ControllerForTests controller;
    controller.start_brokers(1);
    FenceGoneBroker before = gone(controller, 1);
    --before.epoch;
    EXPECT_FALSE(controller.run(before).fenced);
    EXPECT_FALSE(controller.run(FenceGoneBroker{.broker = 7, .epoch = before.epoch}).fenced);
    EXPECT_TRUE(controller.last.empty());
}

TEST(FenceGoneBroker, WhoWasHeardOfSinceLives) {
    ControllerForTests controller;
    controller.start_brokers(1);
    FenceGoneBroker suspected = gone(controller, 1);
    controller.pass(Duration::milliseconds(50));
    controller.beat(1);
    EXPECT_FALSE(controller.run(suspected).fenced);
    EXPECT_FALSE(controller.state.broker(1)->fenced);
}

TEST(FenceGoneBroker, IsMistakenOnlyOnceABrokersLife) {
    ControllerForTests controller;
    controller.start_brokers(1);
    EXPECT_TRUE(controller.run(gone(controller, 1)).fenced);
    controller.pass(Duration::seconds(1));
    EXPECT_FALSE(controller.beat(1).is_fenced) << "it was there all the time";
    controller.pass(Duration::seconds(1));
    EXPECT_FALSE(controller.run(gone(controller, 1)).fenced);
    controller.pass(Duration::seconds(9));
    controller.run(FenceStaleBroker{});
    EXPECT_TRUE(controller.state.broker(1)->fenced) << "silence counts as ever";
    controller.run(controller.registration(1));
    controller.beat(1);
    EXPECT_TRUE(controller.run(gone(controller, 1)).fenced) << "a new life, a new chance";
}

TEST(FenceGoneBroker, ANewTermHasHeardOfNobody) {
    ControllerForTests controller;
    controller.start_brokers(2);
    Time began = controller.now;
    controller.pass(Duration::milliseconds(1));
    controller.sessions.begin(controller.state.image(), controller.now);
    controller.beat(2);
    for (std::int32_t id : {1, 2}) {
        FenceGoneBroker suspected = gone(controller, id);
        suspected.since = began;
        EXPECT_EQ(controller.run(suspected).fenced, id == 1) << id;
    }
}

TEST(Sessions, TellWhenABrokerWasHeardOf) {
    Sessions sessions(Duration::seconds(9));
    EXPECT_EQ(sessions.last_heard(1), std::nullopt);
    Time now = Time() + Duration::seconds(5);
    sessions.touch(1, 7, 100, now);
    EXPECT_EQ(sessions.last_heard(1), now);
    sessions.forget(1);
    EXPECT_EQ(sessions.last_heard(1), std::nullopt);
}

TEST(Sessions, ANewControllerGivesEverybodyAWholeSession) {
    ControllerForTests controller;
    controller.start_brokers(2);
    controller.fence(2);
    controller.pass(Duration::seconds(60));
    controller.sessions.begin(controller.state.image(), controller.now);
    controller.run(FenceStaleBroker{});
    EXPECT_TRUE(controller.last.empty());
    EXPECT_EQ(controller.sessions.lowest_offset(controller.state.image()), -1);
    EXPECT_FALSE(
        controller.sessions.is_valid(2, controller.state.broker(2)->epoch, controller.now));
}

}  // namespace
}  // namespace millrace::controller
