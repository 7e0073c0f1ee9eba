// kafka-share-groups against a broker that answers what it is told.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/dispatch.h"
#include "cli/fake_process.h"
#include "client/broker_for_tests.h"
#include "protocol/alter_share_group_offsets.h"
#include "protocol/delete_groups.h"
#include "protocol/delete_share_group_offsets.h"
#include "protocol/describe_share_group_offsets.h"
#include "protocol/find_coordinator.h"
#include "protocol/list_groups.h"
#include "protocol/list_offsets.h"
#include "protocol/share_group_describe.h"

namespace millrace::cli {
namespace {

using client::BrokerForTests;
using testing::HasSubstr;

// A broker with one share group, "g" of topic "t".
struct Sharing {
    explicit Sharing(env::Shard& world) : shard(world), broker(world) {
        broker.add_topic("t", {1, 1});
        broker.versions.erase(ApiKey::describe_topic_partitions);  // Metadata tells as much
        broker.on<FindCoordinatorRequest>(
            [this](const FindCoordinatorRequest& request, std::int16_t) {
                FindCoordinatorResponse response;
                for (const std::string& key : request.coordinator_keys)
                    response.coordinators.push_back({key, broker.id(), broker.address().host,
                                                     broker.address().port, ErrorCode::none, ""});
                return response;
            });
        broker.on<ListGroupsRequest>([this](const ListGroupsRequest& request, std::int16_t) {
            EXPECT_THAT(request.types_filter, testing::ElementsAre("Share"));
            ListGroupsResponse response;
            response.groups.push_back({"g", "share", state, "share"});
            return response;
        });
        broker.on<ShareGroupDescribeRequest>(
            [this](const ShareGroupDescribeRequest& request, std::int16_t) {
                ShareGroupDescribeResponse response;
                for (const std::string& id : request.group_ids) {
                    auto& group = response.groups.emplace_back();
                    group.group_id = id;
                    group.group_state = state;
                    if (id != "g") group.error_code = ErrorCode::group_id_not_found;
                }
                return response;
            });
        broker.on<DescribeShareGroupOffsetsRequest>(
            [](const DescribeShareGroupOffsetsRequest& request, std::int16_t) {
                DescribeShareGroupOffsetsResponse response;
                auto& group = response.groups.emplace_back();
                group.group_id = request.groups.at(0).group_id;
                EXPECT_FALSE(request.groups[0].topics.has_value());
                auto& topic = group.topics.emplace_back();
                topic.topic_name = "t";
                topic.partitions.push_back(
                    {.partition_index = 0, .start_offset = 5, .leader_epoch = 1, .lag = 2});
                return response;
            });
        broker.on<ListOffsetsRequest>([](const ListOffsetsRequest& request, std::int16_t) {
            ListOffsetsResponse response;
            for (const auto& topic : request.topics) {
                auto& answered = response.topics.emplace_back();
                answered.name = topic.name;
                for (const auto& partition : topic.partitions) {
                    auto& told = answered.partitions.emplace_back();
                    told.partition_index = partition.partition_index;
                    told.offset = partition.timestamp == -2 ? 3 : 9;
                }
            }
            return response;
        });
        broker.start();
    }
    struct Ran {
        int code = 0;
        std::string output;
        std::string error;
    };
    Task<Ran> run(std::vector<std::string> line) {
        line.insert(line.begin(), {"millrace", "share-groups"});
        line.insert(line.end(), {"--bootstrap-server", broker.bootstrap()});
        FakeProcess process;
        Invocation invocation = read_invocation(line, {});
        int code = co_await cli::run(shard, process, invocation, {});
        co_return Ran{code, process.output, process.error};
    }

    env::Shard& shard;
    BrokerForTests broker;
    std::string state = "Empty";
};

Task<void> tell(env::Shard& shard) {
    Sharing sharing(shard);
    std::vector<std::string> line{"--list"};
    EXPECT_EQ((co_await sharing.run(line)).output, "g\n");
    line = {"--list", "--state", "empty"};
    EXPECT_EQ((co_await sharing.run(line)).output,
              "GROUP           STATE\ng               Empty\n");
    line = {"--list", "--state", "Reconciling"};
    EXPECT_THAT((co_await sharing.run(line)).error, HasSubstr("none of Empty, Stable, Dead"));
    line = {"--describe", "--group", "g"};
    EXPECT_EQ((co_await sharing.run(line)).output,
              "\nGROUP           TOPIC           PARTITION  START-OFFSET  LAG\n"
              "g               t               0          5             2\n");
    line = {"--describe", "--group", "g", "--members"};
    Sharing::Ran ran = co_await sharing.run(line);
    EXPECT_EQ(ran.output, "");
    EXPECT_EQ(ran.error, "\nShare group 'g' has no active members.\n");
    line = {"--describe", "--group", "none"};
    ran = co_await sharing.run(line);
    EXPECT_EQ(ran.code, 0);
    EXPECT_THAT(ran.error, HasSubstr("Executing share group command failed due to "));
    EXPECT_THAT(ran.error, HasSubstr("none"));
    line = {"--describe", "--group", "g", "--format", "json"};
    EXPECT_EQ((co_await sharing.run(line)).output,
              R"({"groups":[{"group":"g","state":"Empty","coordinator":1,"epoch":0,)"
              R"("assignment_epoch":0,"members":[],"offsets":[{"topic":"t","partition":0,)"
              R"("leader_epoch":1,"start_offset":5,"lag":2}]}]})"
              "\n");
    co_await sharing.broker.stop();
}

TEST(ShareGroups, AreListedAndDescribed) { client::in_sim(1, tell); }

Task<void> change(env::Shard& shard) {
    Sharing sharing(shard);
    std::vector<AlterShareGroupOffsetsRequest> altered;
    sharing.broker.on<AlterShareGroupOffsetsRequest>(
        [&](const AlterShareGroupOffsetsRequest& request, std::int16_t) {
            altered.push_back(request);
            AlterShareGroupOffsetsResponse response;
            for (const auto& topic : request.topics) {
                auto& answered = response.responses.emplace_back();
                answered.topic_name = topic.topic_name;
                for (const auto& partition : topic.partitions)
                    answered.partitions.push_back({.partition_index = partition.partition_index});
            }
            return response;
        });
    sharing.broker.on<DeleteShareGroupOffsetsRequest>(
        [](const DeleteShareGroupOffsetsRequest& request, std::int16_t) {
            DeleteShareGroupOffsetsResponse response;
            for (const auto& topic : request.topics) {
                auto& answered = response.responses.emplace_back();
                answered.topic_name = topic.topic_name;
                if (topic.topic_name != "t")
                    answered.error_code = ErrorCode::unknown_topic_or_partition;
            }
            return response;
        });
    sharing.broker.on<DeleteGroupsRequest>([](const DeleteGroupsRequest& request, std::int16_t) {
        DeleteGroupsResponse response;
        for (const std::string& group : request.groups_names)
            response.results.push_back({group, ErrorCode::none});
        return response;
    });

    std::vector<std::string> reset{"--reset-offsets", "--group", "g",
                                   "--topic",         "t:1",     "--to-earliest"};
    EXPECT_THAT((co_await sharing.run(reset)).error, HasSubstr("--dry-run"));
    reset.emplace_back("--dry-run");
    std::string table =
        "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n"
        "g               t               1          3\n";
    EXPECT_EQ((co_await sharing.run(reset)).output, table);
    EXPECT_TRUE(altered.empty());
    reset.back() = "--execute";
    EXPECT_EQ((co_await sharing.run(reset)).output, table);
    CO_ASSERT(altered.size() == 1);
    EXPECT_EQ(altered[0].topics.at(0).partitions.at(0).start_offset, 3);
    sharing.state = "Stable";
    Sharing::Ran ran = co_await sharing.run(reset);
    EXPECT_EQ(ran.code, 1);
    EXPECT_THAT(ran.error, HasSubstr("Share group 'g' is not empty."));
    EXPECT_EQ(altered.size(), 1U);

    std::vector<std::string> line{"--delete", "--group", "g"};
    EXPECT_THAT(
        (co_await sharing.run(line)).error,
        HasSubstr("* Group 'g' could not be deleted due to: Share group 'g' is not EMPTY."));
    sharing.state = "Empty";
    EXPECT_EQ((co_await sharing.run(line)).output,
              "Deletion of requested share groups ('g') was successful.\n");
    line = {"--delete", "--group", "other"};
    EXPECT_THAT((co_await sharing.run(line)).error,
                HasSubstr("Group 'other' is not a share group."));
    line = {"--delete-offsets", "--group", "g", "--topic", "t", "--topic", "u"};
    EXPECT_THAT((co_await sharing.run(line)).output,
                testing::StartsWith("\nTOPIC           STATUS\nt               Successful\n"
                                    "u               Error: "));
    co_await sharing.broker.stop();
}

TEST(ShareGroups, AreResetAndDeleted) { client::in_sim(1, change); }

}  // namespace
}  // namespace millrace::cli
