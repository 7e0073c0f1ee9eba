#include "core/controller/reassign_partitions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <string>

#include "core/controller/alter_partition.h"
#include "core/controller/controller_for_tests.h"

namespace millrace::controller {
namespace {

using metadata::BrokerIds;
using testing::ElementsAre;
using testing::IsEmpty;
using Answer = AlterPartitionReassignmentsResponse::ReassignablePartitionResponse;

class ReassignPartitionsTest : public testing::Test {
  protected:
    ReassignPartitionsTest() {
        controller.start_brokers(5);
        topic = controller.create("t", {{1, 2, 3}, {1, 2, 3}});
    }
    static ReassignPartitions command(std::optional<BrokerIds> replicas, std::int32_t index = 0) {
        ReassignPartitions command;
        auto& wanted = command.request.topics.emplace_back();
        wanted.name = "t";
        wanted.partitions.push_back({.partition_index = index, .replicas = std::move(replicas)});
        return command;
    }
    Answer run(const ReassignPartitions& command) {
        return controller.run(command).responses.at(0).partitions.at(0);
    }
    Answer reassign(std::optional<BrokerIds> replicas) { return run(command(std::move(replicas))); }
    const metadata::Partition& partition() { return controller.partition("t"); }
    // The leader has another ISR.
    void set_isr(const BrokerIds& isr) {
        AlterPartition command;
        command.request.broker_id = partition().leader;
        command.request.broker_epoch = controller.state.broker(partition().leader)->epoch;
        auto& data = command.request.topics.emplace_back();
        data.topic_id = topic;
        auto& wanted = data.partitions.emplace_back();
        wanted.leader_epoch = partition().leader_epoch;
        wanted.partition_epoch = partition().epoch;
        for (std::int32_t id : isr) {
            wanted.new_isr_with_epochs.push_back(
                {.broker_id = id, .broker_epoch = controller.state.broker(id)->epoch});
        }
        controller.run(command);
    }
    ListPartitionReassignmentsResponse list(bool all) {
        ListReassignments command;
        if (!all) {
            auto& topics = command.request.topics.emplace();
            topics.push_back({.name = "t", .partition_indexes = {1, 0, 9}});
            topics.push_back({.name = "nobody", .partition_indexes = {0}});
        } else {
            command.request.topics.reset();
        }
        return controller.run(command);
    }

    ControllerForTests controller;
    Uuid topic;
};

TEST_F(ReassignPartitionsTest, EndsWhenTheNewReplicasAreInSync) {
    EXPECT_EQ(reassign({{4, 5, 1}}).error_code, ErrorCode::none);
    EXPECT_THAT(partition().replicas, ElementsAre(4, 5, 1, 2, 3));
    EXPECT_THAT(partition().adding, ElementsAre(4, 5));
    EXPECT_THAT(partition().removing, ElementsAre(2, 3));
    EXPECT_EQ(partition().leader, 1);
    set_isr({1, 2, 3, 4});
    EXPECT_TRUE(partition().is_reassigning());
    set_isr({1, 2, 3, 4, 5});
    EXPECT_FALSE(partition().is_reassigning());
    EXPECT_THAT(partition().replicas, ElementsAre(4, 5, 1));
    EXPECT_THAT(partition().isr, ElementsAre(1, 4, 5));
}

TEST_F(ReassignPartitionsTest, AnotherOrderIsThereAtOnce) {
    EXPECT_EQ(reassign({{3, 1, 2}}).error_code, ErrorCode::none);
    EXPECT_THAT(partition().replicas, ElementsAre(3, 1, 2));
    EXPECT_FALSE(partition().is_reassigning());
    EXPECT_EQ(reassign({{3, 1, 2}}).error_code, ErrorCode::none);
    EXPECT_TRUE(controller.last.empty());
}

TEST_F(ReassignPartitionsTest, IsCalledOff) {
    reassign({{4, 5, 1}});
    set_isr({1, 2, 4});
    EXPECT_EQ(reassign(std::nullopt).error_code, ErrorCode::none);
    EXPECT_FALSE(partition().is_reassigning());
    EXPECT_THAT(partition().replicas, ElementsAre(1, 2, 3));
    EXPECT_THAT(partition().isr, ElementsAre(1, 2));
    Answer again = reassign(std::nullopt);
    EXPECT_EQ(again.error_code, ErrorCode::no_reassignment_in_progress);
    EXPECT_EQ(again.error_message, std::nullopt);
}

TEST_F(ReassignPartitionsTest, IsNotCalledOffWhereOnlyTheNewReplicasAreInSync) {
    reassign({{4, 5}});
    for (std::int32_t id : {2, 3}) controller.fence(id);
    set_isr({1, 4});
    controller.fence(1);
    ASSERT_THAT(partition().isr, ElementsAre(4));
    Answer answer = reassign(std::nullopt);
    EXPECT_EQ(answer.error_code, ErrorCode::invalid_replica_assignment);
    EXPECT_EQ(answer.error_message,
              "Unable to revert partition assignment for t:0 because it would require an unclean "
              "leader election.");
}

TEST_F(ReassignPartitionsTest, TheReplicationFactorMayBeHeld) {
    ReassignPartitions more = command({{1, 2, 3, 4}});
    more.request.allow_replication_factor_change = false;
    Answer answer = run(more);
    EXPECT_EQ(answer.error_code, ErrorCode::invalid_replication_factor);
    EXPECT_EQ(answer.error_message, "The replication factor is changed from 3 to 4");
    ReassignPartitions same = command({{1, 2, 4}});
    same.request.allow_replication_factor_change = false;
    EXPECT_EQ(run(same).error_code, ErrorCode::none);
    // What counts is what the reassignment under way ends with.
    same = command({{1, 5, 4}});
    same.request.allow_replication_factor_change = false;
    EXPECT_EQ(run(same).error_code, ErrorCode::none);
}

TEST_F(ReassignPartitionsTest, BadTargets) {
    EXPECT_EQ(reassign({{}}).error_code, ErrorCode::invalid_replica_assignment);
    EXPECT_EQ(reassign({{1, 9}}).error_code, ErrorCode::invalid_replica_assignment);
    EXPECT_EQ(reassign({{1, 1}}).error_code, ErrorCode::invalid_replica_assignment);
    EXPECT_EQ(run(command({{1, 2}}, 7)).error_message, "Unable to find partition t:7.");
    ReassignPartitions elsewhere = command({{1}});
    elsewhere.request.topics[0].name = "nobody";
    EXPECT_EQ(run(elsewhere).error_message, "Unable to find a topic named nobody.");
    EXPECT_TRUE(controller.last.empty());
}

TEST_F(ReassignPartitionsTest, APartitionNamedTwiceIsReassignedOnce) {
    ReassignPartitions twice = command({{4, 5}});
    twice.request.topics[0].partitions.push_back(
        {.partition_index = 0, .replicas = BrokerIds{2, 3}});
    auto answers = controller.run(twice).responses.at(0).partitions;
    EXPECT_EQ(answers.at(0).error_code, ErrorCode::none);
    EXPECT_EQ(answers.at(1).error_code, ErrorCode::invalid_request);
    EXPECT_THAT(partition().adding, ElementsAre(4, 5));
}

TEST_F(ReassignPartitionsTest, AreListed) {
    EXPECT_THAT(list(true).topics, IsEmpty());
    reassign({{4, 2, 3}});
    for (bool all : {false, true}) {
        auto topics = list(all).topics;
        ASSERT_EQ(topics.size(), 1U);
        EXPECT_EQ(topics[0].name, "t");
        ASSERT_EQ(topics[0].partitions.size(), 1U);
        EXPECT_EQ(topics[0].partitions[0].partition_index, 0);
        EXPECT_THAT(topics[0].partitions[0].replicas, ElementsAre(4, 2, 3, 1));
        EXPECT_THAT(topics[0].partitions[0].adding_replicas, ElementsAre(4));
        EXPECT_THAT(topics[0].partitions[0].removing_replicas, ElementsAre(1));
    }
}

}  // namespace
}  // namespace millrace::controller
