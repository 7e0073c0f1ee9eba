#include "client/admin_topics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/admin_for_tests.h"
#include "client/admin_offsets.h"
#include "protocol/create_topics.h"
#include "protocol/delete_topics.h"
#include "protocol/describe_topic_partitions.h"
#include "protocol/list_offsets.h"

namespace millrace::client {
namespace {

using env::Shard;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Fixture = AdminForTests;

TEST(AdminTopics, AreCreatedByTheControllerEachWithItsOutcome) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        std::vector<CreateTopicsRequest> requests;
        f.one.on<CreateTopicsRequest>([&](const CreateTopicsRequest& request, std::int16_t) {
            requests.push_back(request);
            CreateTopicsResponse response;
            for (const auto& topic : request.topics) {
                auto& result = response.topics.emplace_back();
                result.name = topic.name;
                if (topic.name == "there") {
                    result.error_code = ErrorCode::topic_already_exists;
                    result.error_message = "Topic 'there' already exists.";
                } else if (topic.name == "later" && requests.size() == 1) {
                    result.error_code = ErrorCode::not_controller;
                } else {
                    result.topic_id = {1, 2};
                    result.num_partitions = 3;
                    result.replication_factor = 2;
                }
            }
            return response;
        });
        std::vector<NewTopic> topics(3);
        topics[0].name = "there";
        topics[1] = {.name = "new",
                     .partitions = 3,
                     .replication_factor = 2,
                     .configs = {{"retention.ms", "1"}}};
        topics[2] = {.name = "later", .assignment = {{0, {2, 1}}}};
        auto created = co_await create_topics(f.admin(), topics);
        CO_ASSERT(created.size() == 3);
        CO_ASSERT(created.at("new"));
        EXPECT_EQ(created.at("new")->partitions, 3);
        EXPECT_EQ(created.at("new")->id, (Uuid{1, 2}));
        EXPECT_TRUE(created.at("later"));
        CO_ASSERT(!created.at("there"));
        EXPECT_EQ(created.at("there").error().code, ErrorCode::topic_already_exists);
        EXPECT_THAT(created.at("there").error().message,
                    AllOf(HasSubstr("topic 'there'"), HasSubstr("already exists"),
                          HasSubstr("TOPIC_ALREADY_EXISTS")));
        CO_ASSERT(requests.size() == 2);
        EXPECT_EQ(requests[0].topics.size(), 3U);
        EXPECT_EQ(requests[1].topics.size(), 1U);  // only what failed for the moment
        EXPECT_EQ(requests[1].topics[0].name, "later");
        EXPECT_EQ(requests[1].topics[0].num_partitions, -1);
        EXPECT_EQ(requests[1].topics[0].assignments[0].broker_ids, (std::vector{2, 1}));
        EXPECT_LE(requests[0].timeout_ms, 5000);
        co_await f.close();
    });
}

TEST(AdminTopics, AreDeletedByNameFromAnOldBroker) {
    in_sim(1, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.one.versions[ApiKey::delete_topics] = {1, 5};
        f.one.on<DeleteTopicsRequest>([](const DeleteTopicsRequest& request, std::int16_t) {
            DeleteTopicsResponse response;
            for (const std::string& name : request.topic_names) {
                auto& result = response.responses.emplace_back();
                result.name = name;
            }
            return response;
        });
        auto deleted = co_await delete_topics(f.admin(), std::vector<std::string>{"a", "b"});
        EXPECT_EQ(deleted.size(), 2U);
        for (const auto& [name, outcome] : deleted) EXPECT_TRUE(outcome) << name;
        co_await f.close();
    });
}

TEST(AdminTopics, AreListed) {
    in_sim(2, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.add_topic("b", {1});
        f.add_topic("a", {1});
        f.add_topic("__consumer_offsets", {1});
        for (BrokerForTests* broker : f.both) broker->metadata.topics[2].is_internal = true;
        auto listed = co_await list_topics(f.admin(), false);
        CO_ASSERT(listed && listed->size() == 2);
        EXPECT_EQ((*listed)[0].name, "a");
        auto all = co_await list_topics(f.admin(), true);
        CO_ASSERT(all);
        EXPECT_EQ(all->size(), 3U);
        co_await f.close();
    });
}

TEST(AdminTopics, AreDescribedPageByPage) {
    in_sim(3, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        int pages = 0;
        // Two partitions a page of topic a with 5, then b with 1; c does not exist.
        auto page = [&](const DescribeTopicPartitionsRequest& request, std::int16_t) {
            ++pages;
            DescribeTopicPartitionsResponse response;
            std::int32_t from = request.cursor ? request.cursor->partition_index : 0;
            for (const auto& asked : request.topics) {
                auto& topic = response.topics.emplace_back();
                topic.name = asked.name;
                if (asked.name == "c") {
                    topic.error_code = ErrorCode::unknown_topic_or_partition;
                    continue;
                }
                std::int32_t total = asked.name == "a" ? 5 : 1;
                std::int32_t to = std::min(from + 2, total);
                for (std::int32_t i = from; i < to; ++i) {
                    auto& partition = topic.partitions.emplace_back();
                    partition.partition_index = i;
                    partition.leader_id = 1;
                    partition.eligible_leader_replicas = {2};
                }
                if (to < total) {
                    response.next_cursor = {asked.name, to};
                    break;
                }
                from = 0;
            }
            return response;
        };
        for (BrokerForTests* broker : f.both) broker->on<DescribeTopicPartitionsRequest>(page);
        auto described =
            co_await describe_topics(f.admin(), std::vector<std::string>{"b", "a", "c"});
        CO_ASSERT(described.size() == 3 && described.at("a") && described.at("b"));
        CO_ASSERT(described.at("a")->partitions.size() == 5);
        for (std::int32_t i = 0; i < 5; ++i) {
            EXPECT_EQ(described.at("a")->partitions[static_cast<std::size_t>(i)].index, i);
        }
        EXPECT_THAT(*described.at("b")->partitions[0].eligible_leaders, ElementsAre(2));
        CO_ASSERT(!described.at("c"));
        EXPECT_EQ(described.at("c").error().code, ErrorCode::unknown_topic_or_partition);
        EXPECT_GE(pages, 3);
        co_await f.close();
    });
}

TEST(AdminTopics, AreDescribedByMetadataWhereThereIsNoBetterWay) {
    in_sim(4, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.add_topic("t", {2, 1});
        for (BrokerForTests* broker : f.both) {
            broker->versions.erase(ApiKey::describe_topic_partitions);
        }
        auto described = co_await describe_topics(f.admin(), std::vector<std::string>{"t"});
        CO_ASSERT(described.at("t"));
        EXPECT_EQ(described.at("t")->partitions[0].leader, 2);
        EXPECT_FALSE(described.at("t")->partitions[0].eligible_leaders);
        auto by_id = co_await describe_topics(f.admin(), std::vector{described.at("t")->id});
        CO_ASSERT(by_id.size() == 1 && by_id.begin()->second);
        EXPECT_EQ(by_id.begin()->second->name, "t");
        co_await f.close();
    });
}

TEST(AdminOffsets, AreAskedOfTheLeadersAndFollowThem) {
    in_both_worlds([](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.add_topic("t", {1, 2});
        for (BrokerForTests* broker : f.both) {
            broker->on<ListOffsetsRequest>(
                [&f, broker](const ListOffsetsRequest& request, std::int16_t) {
                    ListOffsetsResponse response;
                    for (const auto& topic : request.topics) {
                        auto& answered = response.topics.emplace_back();
                        answered.name = topic.name;
                        for (const auto& partition : topic.partitions) {
                            auto& offset = answered.partitions.emplace_back();
                            offset.partition_index = partition.partition_index;
                            offset.offset = broker->id() * 100 + partition.timestamp;
                            if (partition.partition_index != 0 || broker->id() == 2) continue;
                            // Partition 0 moves to broker 2 while it is asked for.
                            offset.error_code = ErrorCode::not_leader_or_follower;
                            for (BrokerForTests* each : f.both) {
                                each->metadata.topics[0].partitions[0].leader_id = 2;
                                each->metadata.topics[0].partitions[0].leader_epoch = 2;
                            }
                        }
                    }
                    return response;
                });
        }
        auto listed = co_await list_offsets(
            f.admin(), {{{"t", 0}, offset_at::latest}, {{"t", 1}, 7}, {{"nope", 0}, 7}});
        CO_ASSERT(listed.size() == 3);
        CO_ASSERT((listed.at({"t", 0}) && listed.at({"t", 1})));
        EXPECT_EQ((listed.at({"t", 0})->offset), 199);
        EXPECT_EQ((listed.at({"t", 1})->offset), 207);
        CO_ASSERT((!listed.at({"nope", 0})));
        EXPECT_EQ((listed.at({"nope", 0}).error().code), ErrorCode::unknown_topic_or_partition);
        EXPECT_THAT((listed.at({"nope", 0}).error().message),
                    HasSubstr("partition nope-0 does not exist"));
        co_await f.close();
    });
}

}  // namespace
}  // namespace millrace::client
