#include "core/controller/alter_partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/controller/assign_directories.h"
#include "core/controller/controller_for_tests.h"

namespace millrace::controller {
namespace {

using metadata::BrokerIds;
using testing::ElementsAre;
using testing::IsEmpty;
using Wanted = AlterPartitionRequest::PartitionData;
using Answer = AlterPartitionResponse::PartitionData;

class AlterPartitionTest : public testing::Test {
  protected:
    AlterPartitionTest() : controller(30, true, "min.insync.replicas=2\n") {
        controller.start_brokers(3);
        topic = controller.create("t", {{1, 2, 3}});
    }
    Wanted wanted(const BrokerIds& isr) {
        const metadata::Partition& partition = controller.partition("t");
        Wanted wanted;
        wanted.leader_epoch = partition.leader_epoch;
        wanted.partition_epoch = partition.epoch;
        for (std::int32_t id : isr) {
            auto& member = wanted.new_isr_with_epochs.emplace_back();
            member.broker_id = id;
            const metadata::Broker* broker = controller.state.broker(id);
            member.broker_epoch = broker == nullptr ? 0 : broker->epoch;
        }
        return wanted;
    }
    Answer alter(const Wanted& wanted, std::int32_t leader = 1) {
        AlterPartition command;
        command.request.broker_id = leader;
        command.request.broker_epoch = controller.state.broker(leader)->epoch;
        auto& data = command.request.topics.emplace_back();
        data.topic_id = topic;
        data.partitions = {wanted};
        return controller.run(command).topics.at(0).partitions.at(0);
    }
    ErrorCode refused(auto change) {
        Wanted one = wanted({1, 2});
        change(one);
        ErrorCode code = alter(one).error_code;
        EXPECT_TRUE(controller.last.empty());
        return code;
    }
    ControllerForTests controller;
    Uuid topic;
};

TEST_F(AlterPartitionTest, TheIsrShrinksAndGrows) {
    Answer answer = alter(wanted({1, 2}));
    EXPECT_EQ(answer.error_code, ErrorCode::none);
    EXPECT_THAT(answer.isr, ElementsAre(1, 2));
    EXPECT_EQ(answer.partition_epoch, 1);
    EXPECT_EQ(answer.leader_epoch, 0) << "the leader stays in its epoch";
    EXPECT_THAT(alter(wanted({1, 2, 3})).isr, ElementsAre(1, 2, 3));
    alter(wanted({1, 2, 3}));
    EXPECT_TRUE(controller.last.empty());
}

TEST_F(AlterPartitionTest, WhoLeavesBelowTheMinimumStaysEligible) {
    alter(wanted({1}));
    EXPECT_THAT(controller.partition("t").elr, ElementsAre(2, 3));
    alter(wanted({1, 3}));
    EXPECT_THAT(controller.partition("t").elr, IsEmpty());
}

TEST_F(AlterPartitionTest, RequestsOfAnotherTimeAreRefused) {
    alter(wanted({1, 2, 3}));
    alter(wanted({1, 2}));
    EXPECT_EQ(refused([](Wanted& w) { w.leader_epoch = -1; }), ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(refused([](Wanted& w) { w.leader_epoch = 9; }), ErrorCode::not_controller);
    EXPECT_EQ(refused([](Wanted& w) { w.partition_epoch = 0; }), ErrorCode::invalid_update_version);
    EXPECT_EQ(refused([](Wanted& w) { w.partition_epoch = 9; }), ErrorCode::not_controller);
    EXPECT_EQ(refused([](Wanted& w) { w.partition_index = 4; }),
              ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(alter(wanted({1, 2}), 2).error_code, ErrorCode::invalid_request)
        << "only the leader knows";
}

TEST_F(AlterPartitionTest, TheIsrMustMakeSense) {
    auto set = [](std::initializer_list<std::int32_t> ids) {
        return [ids](Wanted& w) {
            w.new_isr_with_epochs.clear();
            for (std::int32_t id : ids) w.new_isr_with_epochs.emplace_back().broker_id = id;
        };
    };
    EXPECT_EQ(refused(set({})), ErrorCode::invalid_request);
    EXPECT_EQ(refused(set({2, 3})), ErrorCode::invalid_request) << "without its leader";
    EXPECT_EQ(refused(set({1, 1})), ErrorCode::invalid_request);
    EXPECT_EQ(refused(set({1, 4})), ErrorCode::invalid_request) << "no replica";
    EXPECT_EQ(refused([](Wanted& w) { w.leader_recovery_state = 2; }), ErrorCode::invalid_request);
    EXPECT_EQ(refused([](Wanted& w) { w.leader_recovery_state = 1; }), ErrorCode::invalid_request);
    EXPECT_EQ(refused([](Wanted& w) { w.new_isr_with_epochs[1].broker_epoch -= 1; }),
              ErrorCode::ineligible_replica)
        << "an incarnation before";
    controller.fence(3);
    EXPECT_EQ(alter(wanted({1, 2, 3})).error_code, ErrorCode::ineligible_replica);
}

TEST_F(AlterPartitionTest, UnknownTopicsAndBrokersAreTold) {
    topic = Uuid{9, 9};
    EXPECT_EQ(alter(wanted({1, 2})).error_code, ErrorCode::unknown_topic_id);
    AlterPartition command;
    command.request.broker_id = 1;
    EXPECT_EQ(controller.run(command).error_code, ErrorCode::stale_broker_epoch);
}

TEST_F(AlterPartitionTest, AnUncleanLeaderTellsWhenItHasRecovered) {
    ConfigRecord config;
    config.resource_type = static_cast<std::int8_t>(config::ResourceType::topic);
    config.resource_name = "t";
    config.name = "unclean.leader.election.enable";
    config.value = "true";
    controller.commit({{config, 0}});
    alter(wanted({1}));
    ClearElrRecord clear;
    clear.topic_name = "t";
    controller.commit({{clear, 0}});
    controller.fence(1);
    EXPECT_EQ(controller.partition("t").leader, 2);
    EXPECT_EQ(controller.partition("t").recovery, metadata::LeaderRecovery::recovering);
    Wanted recovering = wanted({2});
    recovering.leader_recovery_state = 1;
    EXPECT_EQ(alter(recovering, 2).leader_recovery_state, 1);
    recovering = wanted({2, 3});
    recovering.leader_recovery_state = 1;
    EXPECT_EQ(alter(recovering, 2).error_code, ErrorCode::invalid_request);
    EXPECT_EQ(alter(wanted({2}), 2).leader_recovery_state, 0);
    EXPECT_EQ(controller.partition("t").recovery, metadata::LeaderRecovery::recovered);
}

TEST_F(AlterPartitionTest, ReplicasAreAssignedToDirectories) {
    AssignDirectories command;
    command.request.broker_id = 1;
    command.request.broker_epoch = controller.state.broker(1)->epoch;
    auto& directory = command.request.directories.emplace_back();
    directory.id = ControllerForTests::directory(1, 2);
    auto& wanted = directory.topics.emplace_back();
    wanted.topic_id = topic;
    wanted.partitions.resize(2);
    wanted.partitions[1].partition_index = 7;
    auto answer = controller.run(command).directories.at(0).topics.at(0);
    EXPECT_EQ(answer.partitions[0].error_code, ErrorCode::none);
    EXPECT_EQ(answer.partitions[1].error_code, ErrorCode::unknown_topic_or_partition);
    EXPECT_EQ(controller.partition("t").directory_of(1), directory.id);
    EXPECT_EQ(controller.state.partitions().in_directory(directory.id).size(), 1U);
    // A directory that is no longer there: the replica is lost.
    command.request.directories[0].id = Uuid{77, 77};
    controller.run(command);
    EXPECT_EQ(controller.partition("t").leader, 2);
    command.request.broker_epoch = 0;
    EXPECT_EQ(controller.run(command).error_code, ErrorCode::stale_broker_epoch);
    ControllerForTests old(16);
    EXPECT_EQ(old.run(command).error_code, ErrorCode::unsupported_version);
}

}  // namespace
}  // namespace millrace::controller
