#include "client/admin_cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/admin_configs.h"
#include "client/admin_for_tests.h"
#include "client/admin_topics.h"
#include "protocol/describe_cluster.h"
#include "protocol/describe_configs.h"
#include "protocol/describe_log_dirs.h"
#include "protocol/describe_quorum.h"
#include "protocol/incremental_alter_configs.h"
#include "protocol/update_features.h"

namespace millrace::client {
namespace {

using env::Shard;
using testing::AllOf;
using testing::HasSubstr;
using Fixture = AdminForTests;

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
