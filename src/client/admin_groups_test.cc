#include "client/admin_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/admin_for_tests.h"
#include "client/admin_group_offsets.h"
#include "protocol/consumer_group_describe.h"
#include "protocol/consumer_protocol_assignment.h"
#include "protocol/delete_groups.h"
#include "protocol/describe_groups.h"
#include "protocol/list_groups.h"
#include "protocol/offset_commit.h"
#include "protocol/offset_fetch.h"

namespace millrace::client {
namespace {

using env::Shard;
using testing::ElementsAre;
using testing::HasSubstr;
using Fixture = AdminForTests;

TEST(AdminGroups, AreListedFromAllBrokers) {
    in_sim(7, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.one.on<ListGroupsRequest>([](const ListGroupsRequest& request, std::int16_t) {
            ListGroupsResponse response;
            response.groups.push_back({"b", "consumer", "Stable", "Classic"});
            EXPECT_THAT(request.states_filter, ElementsAre("Stable"));
            return response;
        });
        f.two.on<ListGroupsRequest>([](const ListGroupsRequest&, std::int16_t) {
            ListGroupsResponse response;
            response.groups.push_back({"a", "consumer", "Stable", "consumer"});
            return response;
        });
        auto listed = co_await list_groups(f.admin(), {.states = {"Stable"}, .types = {}});
        CO_ASSERT(listed && listed->groups.size() == 2);
        EXPECT_EQ(listed->groups[0].id, "a");
        EXPECT_EQ(listed->groups[0].type, "Consumer");
        EXPECT_EQ(listed->groups[1].id, "b");
        EXPECT_TRUE(listed->errors.empty());

        f.two.on<ListGroupsRequest>([](const ListGroupsRequest&, std::int16_t) {
            return ListGroupsResponse{.error_code = ErrorCode::cluster_authorization_failed};
        });
        listed = co_await list_groups(f.admin(), {.states = {"Stable"}, .types = {}});
        CO_ASSERT(listed);
        EXPECT_EQ(listed->groups.size(), 1U);
        CO_ASSERT(listed->errors.size() == 1);
        EXPECT_THAT(listed->errors[0].message, HasSubstr("groups of broker 2 at"));
        co_await f.close();
    });
}

Slice assignment(std::vector<ConsumerProtocolAssignment::TopicPartition> partitions) {
    Writer out;
    out.write_int16(1);
    ConsumerProtocolAssignment assigned;
    assigned.assigned_partitions = std::move(partitions);
    CHECK(assigned.encode(out, 1).has_value());
    return std::move(out).finish_in_memory();
}

TEST(AdminGroups, AreDescribedByTheirCoordinatorsInBothProtocols) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.coordinate();
        for (BrokerForTests* broker : f.both) {
            broker->on<ConsumerGroupDescribeRequest>(
                [](const ConsumerGroupDescribeRequest& request, std::int16_t) {
                    ConsumerGroupDescribeResponse response;
                    for (const std::string& id : request.group_ids) {
                        auto& group = response.groups.emplace_back();
                        group.group_id = id;
                        group.group_state = "Stable";
                        group.group_epoch = 4;
                        if (!id.ends_with("new")) group.error_code = ErrorCode::group_id_not_found;
                    }
                    return response;
                });
            broker->on<DescribeGroupsRequest>(
                [](const DescribeGroupsRequest& request, std::int16_t) {
                    DescribeGroupsResponse response;
                    for (const std::string& id : request.groups) {
                        auto& group = response.groups.emplace_back();
                        group.group_id = id;
                        if (id.ends_with("gone")) {
                            group.error_code = ErrorCode::group_id_not_found;
                            continue;
                        }
                        group.group_state = "Stable";
                        group.protocol_type = "consumer";
                        group.protocol_data = "range";
                        auto& member = group.members.emplace_back();
                        member.member_id = "m";
                        member.member_assignment = assignment({{"t", {1, 0}}});
                        auto& broken = group.members.emplace_back();
                        broken.member_id = "n";
                        broken.member_assignment = Slice::copy("\x7f garbage");
                    }
                    return response;
                });
        }
        std::vector<std::string> ids = {"1-new", "2-old", "2-gone"};
        auto described = co_await describe_groups(f.admin(), ids);
        CO_ASSERT(described.size() == 3 && described.at("1-new") && described.at("2-old"));
        EXPECT_EQ(described.at("1-new")->type, "Consumer");
        EXPECT_EQ(described.at("1-new")->coordinator, 1);
        EXPECT_EQ(described.at("1-new")->epoch, 4);
        EXPECT_EQ(described.at("2-old")->type, "Classic");
        EXPECT_EQ(described.at("2-old")->coordinator, 2);
        EXPECT_THAT(described.at("2-old")->members[0].assignment,
                    ElementsAre(TopicPartition{"t", 0}, TopicPartition{"t", 1}));
        EXPECT_TRUE(described.at("2-old")->members[1].assignment.empty());
        CO_ASSERT(!described.at("2-gone"));
        EXPECT_EQ(described.at("2-gone").error().code, ErrorCode::group_id_not_found);
        co_await f.close();
    });
}

TEST(AdminGroups, AreLookedForAgainWhenTheirCoordinatorMoved) {
    in_sim(8, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.coordinate();
        int attempts = 0;
        f.two.on<DeleteGroupsRequest>([&](const DeleteGroupsRequest& request, std::int16_t) {
            DeleteGroupsResponse response;
            for (const std::string& id : request.groups_names) {
                response.results.push_back(
                    {id, ++attempts < 3 ? ErrorCode::not_coordinator : ErrorCode::non_empty_group});
            }
            return response;
        });
        auto deleted = co_await delete_groups(f.admin(), {"2-g"});
        CO_ASSERT(!deleted.at("2-g"));
        EXPECT_EQ(deleted.at("2-g").error().code, ErrorCode::non_empty_group);
        EXPECT_EQ(attempts, 3);
        EXPECT_EQ(f.one.count(ApiKey::find_coordinator) + f.two.count(ApiKey::find_coordinator), 3);
        co_await f.close();
    });
}

TEST(AdminGroupOffsets, AreFetchedInEveryShapeOfTheRequest) {
    for (std::int16_t version : {std::int16_t{5}, std::int16_t{7}, std::int16_t{10}}) {
        in_sim(9, [version](Shard& shard) -> Task<void> {
            Fixture f(shard);
            f.coordinate();
            f.two.versions[ApiKey::offset_fetch] = {1, version};
            f.two.on<OffsetFetchRequest>([](const OffsetFetchRequest& request, std::int16_t used) {
                OffsetFetchResponse response;
                EXPECT_LE(used, 9);
                if (used >= 8) {
                    auto& group = response.groups.emplace_back();
                    group.group_id = request.groups[0].group_id;
                    auto& topic = group.topics.emplace_back();
                    topic.name = "t";
                    topic.partitions.push_back({.partition_index = 0, .committed_offset = 42});
                    topic.partitions.push_back({.partition_index = 1, .committed_offset = -1});
                } else {
                    EXPECT_EQ(request.group_id, "2-g");
                    auto& topic = response.topics.emplace_back();
                    topic.name = "t";
                    topic.partitions.push_back({.partition_index = 0, .committed_offset = 42});
                    topic.partitions.push_back({.partition_index = 1, .committed_offset = -1});
                }
                return response;
            });
            auto fetched = co_await list_group_offsets(f.admin(), "2-g", std::nullopt);
            CO_ASSERT(fetched && fetched->size() == 1);
            EXPECT_EQ((fetched->at({"t", 0})->offset), 42);
            co_await f.close();
        });
    }
}

TEST(AdminGroupOffsets, AreAltered) {
    in_sim(10, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.coordinate();
        f.one.on<OffsetCommitRequest>([](const OffsetCommitRequest& request, std::int16_t used) {
            EXPECT_EQ(used, 9);
            EXPECT_EQ(request.generation_id_or_member_epoch, -1);
            OffsetCommitResponse response;
            for (const auto& topic : request.topics) {
                auto& answered = response.topics.emplace_back();
                answered.name = topic.name;
                for (const auto& partition : topic.partitions) {
                    answered.partitions.push_back(
                        {partition.partition_index, partition.committed_offset == 5
                                                        ? ErrorCode::none
                                                        : ErrorCode::unknown_member_id});
                }
            }
            return response;
        });
        CommittedOffset five{.offset = 5}, six{.offset = 6};
        auto altered =
            co_await alter_group_offsets(f.admin(), "1-g", {{{"t", 0}, five}, {{"t", 1}, six}});
        EXPECT_TRUE((altered.at({"t", 0})));
        CO_ASSERT((!altered.at({"t", 1})));
        EXPECT_THAT((altered.at({"t", 1}).error().message),
                    HasSubstr("offsets of group '1-g', partition t-1"));
        co_await f.close();
    });
}

}  // namespace
}  // namespace millrace::client
