#include "client/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/admin_cluster.h"
#include "client/admin_configs.h"
#include "client/admin_group_offsets.h"
#include "client/admin_groups.h"
#include "client/admin_offsets.h"
#include "client/admin_topics.h"
#include "client/broker_for_tests.h"
#include "protocol/consumer_group_describe.h"
#include "protocol/consumer_protocol_assignment.h"
#include "protocol/create_topics.h"
#include "protocol/delete_groups.h"
#include "protocol/delete_topics.h"
#include "protocol/describe_cluster.h"
#include "protocol/describe_configs.h"
#include "protocol/describe_groups.h"
#include "protocol/describe_log_dirs.h"
#include "protocol/describe_quorum.h"
#include "protocol/describe_topic_partitions.h"
#include "protocol/find_coordinator.h"
#include "protocol/incremental_alter_configs.h"
#include "protocol/list_groups.h"
#include "protocol/list_offsets.h"
#include "protocol/offset_commit.h"
#include "protocol/offset_fetch.h"
#include "protocol/update_features.h"

namespace millrace::client {
namespace {

using env::Shard;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Two brokers and an admin; broker 1 is the controller.
struct Fixture {
    explicit Fixture(Shard& s) : shard(s), one(s, 1), two(s, 2) {
        for (BrokerForTests* broker : both) broker->start();
        one.metadata.brokers = two.metadata.brokers = {{1, "127.0.0.1", one.address().port, {}},
                                                       {2, "127.0.0.1", two.address().port, {}}};
        two.metadata.controller_id = 1;
    }
    Admin& admin() {
        if (!made) {
            auto config = AdminConfig::parse({{"bootstrap.servers", one.bootstrap()},
                                              {"request.timeout.ms", "5000"},
                                              {"default.api.timeout.ms", "20000"}});
            made = std::make_unique<Admin>(shard, *config);
        }
        return *made;
    }
    void add_topic(const std::string& name, std::vector<std::int32_t> leaders) {
        one.add_topic(name, leaders);
        two.metadata.topics = one.metadata.topics;
    }
    // Groups whose name begins with "1" are coordinated by broker 1, all others by broker 2.
    void coordinate() {
        for (BrokerForTests* broker : both) {
            broker->on<FindCoordinatorRequest>([this](const FindCoordinatorRequest& request,
                                                      std::int16_t) {
                FindCoordinatorResponse response;
                for (const std::string& key : request.coordinator_keys) {
                    BrokerForTests& found = key.starts_with("1") ? one : two;
                    response.coordinators.push_back(
                        {key, found.id(), "127.0.0.1", found.address().port, ErrorCode::none, {}});
                }
                return response;
            });
        }
    }
    Task<void> close() {
        if (made) co_await made->close();
        for (BrokerForTests* broker : both) co_await broker->stop();
    }

    Shard& shard;
    BrokerForTests one, two;
    BrokerForTests* both[2] = {&one, &two};
    std::unique_ptr<Admin> made;
};

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
        EXPECT_THAT((listed.at({"nope", 0}).error().message), HasSubstr("partition nope-0"));
        co_await f.close();
    });
}

TEST(AdminConfigs, AreAskedOfTheBrokerTheyBelongTo) {
    in_sim(5, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        std::map<std::string, std::int32_t> asked_of;
        for (BrokerForTests* broker : f.both) {
            broker->on<DescribeConfigsRequest>(
                [&, broker](const DescribeConfigsRequest& request, std::int16_t) {
                    DescribeConfigsResponse response;
                    for (const auto& resource : request.resources) {
                        asked_of[resource.resource_name] = broker->id();
                        auto& result = response.results.emplace_back();
                        result.resource_type = resource.resource_type;
                        result.resource_name = resource.resource_name;
                        auto& entry = result.configs.emplace_back();
                        entry.name = "k";
                        entry.value = "v";
                        entry.config_source = 5;
                    }
                    return response;
                });
        }
        std::vector<ConfigResource> resources = {{ResourceType::broker, "1"},
                                                 {ResourceType::broker, "2"},
                                                 {ResourceType::topic, "t"},
                                                 {ResourceType::broker, "x"}};
        auto described = co_await describe_configs(f.admin(), resources);
        CO_ASSERT(described.size() == 4);
        EXPECT_EQ(asked_of["1"], 1);
        EXPECT_EQ(asked_of["2"], 2);
        CO_ASSERT(described.at(resources[2]));
        EXPECT_EQ((*described.at(resources[2]))[0].source, ConfigSource::default_config);
        CO_ASSERT(!described.at(resources[3]));
        EXPECT_THAT(described.at(resources[3]).error().message, HasSubstr("'x' is not the id"));
        co_await f.close();
    });
}

TEST(AdminConfigs, TellWhyTheyAreRefused) {
    in_sim(6, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        for (BrokerForTests* broker : f.both) {
            broker->on<IncrementalAlterConfigsRequest>(
                [](const IncrementalAlterConfigsRequest& request, std::int16_t) {
                    IncrementalAlterConfigsResponse response;
                    for (const auto& resource : request.resources) {
                        response.responses.push_back({ErrorCode::invalid_config, "not so",
                                                      resource.resource_type,
                                                      resource.resource_name});
                    }
                    return response;
                });
        }
        ConfigResource topic{ResourceType::topic, "t"};
        auto altered =
            co_await alter_configs(f.admin(), {{topic, {{"a", AlterOperation::set, "1"}}}});
        CO_ASSERT(!altered.at(topic));
        EXPECT_EQ(altered.at(topic).error().message, "topic 't': not so (INVALID_CONFIG)");
        co_await f.close();
    });
}

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
            response.groups.push_back({"a", "consumer", "Stable", "Consumer"});
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

TEST(AdminCluster, IsDescribedAlsoByOldBrokers) {
    for (bool old : {false, true}) {
        in_sim(11, [old](Shard& shard) -> Task<void> {
            Fixture f(shard);
            for (BrokerForTests* broker : f.both) {
                if (old) broker->versions.erase(ApiKey::describe_cluster);
                broker->on<DescribeClusterRequest>(
                    [&f](const DescribeClusterRequest&, std::int16_t) {
                        DescribeClusterResponse response;
                        response.cluster_id = "test-cluster";
                        response.controller_id = 1;
                        for (const auto& known : f.one.metadata.brokers) {
                            response.brokers.push_back({known.node_id, known.host, known.port, {}});
                        }
                        return response;
                    });
            }
            auto described = co_await describe_cluster(f.admin());
            CO_ASSERT(described && described->nodes.size() == 2);
            EXPECT_EQ(described->cluster_id, "test-cluster");
            EXPECT_EQ(described->nodes[1].address, f.two.address());
            auto versions = co_await broker_api_versions(f.admin());
            CO_ASSERT(versions && versions->size() == 2 && (*versions)[1].apis);
            EXPECT_EQ((*versions)[1].apis->size(), f.two.versions.size());
            co_await f.two.stop();
            versions = co_await broker_api_versions(f.admin());
            CO_ASSERT(versions && versions->size() == 2);
            EXPECT_TRUE((*versions)[0].apis);
            co_await f.close();
        });
    }
}

TEST(AdminCluster, LogDirectoriesAreThoseOfEachBroker) {
    in_sim(12, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        for (BrokerForTests* broker : f.both) {
            broker->on<DescribeLogDirsRequest>(
                [broker](const DescribeLogDirsRequest& request, std::int16_t) {
                    EXPECT_FALSE(request.topics);
                    DescribeLogDirsResponse response;
                    auto& good = response.results.emplace_back();
                    good.log_dir = "/good";
                    good.topics.push_back({"t", {{broker->id(), 1000, 3, false}}});
                    auto& bad = response.results.emplace_back();
                    bad.log_dir = "/bad";
                    bad.error_code = ErrorCode::kafka_storage_error;
                    return response;
                });
        }
        auto described = co_await describe_log_dirs(f.admin(), {1, 2, 9});
        CO_ASSERT(described.size() == 3 && described.at(1) && described.at(2));
        EXPECT_EQ((described.at(2)->at("/good").replicas.at({"t", 2}).bytes), 1000);
        EXPECT_FALSE(described.at(2)->at("/bad").status);
        CO_ASSERT(!described.at(9));
        EXPECT_THAT(described.at(9).error().message, HasSubstr("broker 9 is not running"));
        co_await f.close();
    });
}

TEST(AdminCluster, FeaturesAreUpdatedByTheController) {
    in_sim(13, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        f.one.on<UpdateFeaturesRequest>([](const UpdateFeaturesRequest& request, std::int16_t) {
            UpdateFeaturesResponse response;
            if (request.feature_updates.size() > 1) {
                response.error_code = ErrorCode::invalid_update_version;
                response.error_message = "no such level";
            }
            return response;
        });
        EXPECT_TRUE((co_await update_features(f.admin(), {{"metadata.version", {.level = 25}}}))
                        .at("metadata.version"));
        auto refused = co_await update_features(
            f.admin(), {{"metadata.version", {.level = 99}}, {"group.version", {.level = 1}}});
        CO_ASSERT(!refused.at("group.version"));
        EXPECT_THAT(refused.at("group.version").error().message, HasSubstr("no such level"));
        co_await f.close();
    });
}

TEST(AdminCluster, TheQuorumIsDescribedOrTheErrorTold) {
    in_sim(14, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        int asked = 0;
        for (BrokerForTests* broker : f.both) {
            broker->on<DescribeQuorumRequest>(
                [&](const DescribeQuorumRequest& request, std::int16_t) {
                    DescribeQuorumResponse response;
                    if (++asked == 3) return response;  // about nothing
                    auto& topic = response.topics.emplace_back();
                    topic.topic_name = request.topics[0].topic_name;
                    auto& partition = topic.partitions.emplace_back();
                    if (asked == 1) partition.error_code = ErrorCode::not_leader_or_follower;
                    partition.leader_id = 7;
                    partition.current_voters.push_back({.replica_id = 7});
                    response.nodes.push_back({7, {{"CONTROLLER", "host", 9093}}});
                    return response;
                });
        }
        auto described = co_await describe_metadata_quorum(f.admin());
        CO_ASSERT(described);
        EXPECT_EQ(described->leader_id, 7);
        EXPECT_EQ(described->nodes[7][0].address, (env::Address{"host", 9093}));
        auto wrong = co_await describe_metadata_quorum(f.admin());
        CO_ASSERT(!wrong);
        EXPECT_THAT(wrong.error().message, HasSubstr("not about the metadata log"));
        co_await f.close();
    });
}

TEST(Admin, GivesUpWhenItsTimeIsOver) {
    in_sim(15, [](Shard& shard) -> Task<void> {
        Fixture f(shard);
        Admin& admin = f.admin();
        for (BrokerForTests* broker : f.both) co_await broker->stop();
        Time before = shard.now();
        auto listed = co_await list_topics(admin, true);
        EXPECT_EQ((shard.now() - before).ms() / 1000, 19);  // the next attempt would be too late
        CO_ASSERT(!listed);
        EXPECT_EQ(listed.error().code, ErrorCode::request_timed_out);
        EXPECT_THAT(listed.error().message,
                    AllOf(HasSubstr("listing topics: "), HasSubstr(f.one.bootstrap())));
        NewTopic topic{.name = "t"};
        auto created = co_await create_topics(admin, {topic});
        CO_ASSERT(!created.at("t"));
        co_await f.close();
    });
}

}  // namespace
}  // namespace millrace::client
