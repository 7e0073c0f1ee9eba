#include <algorithm>
#include <gtest/gtest.h>
#include <set>

#include "base/random.h"
#include "core/groups/consumer_groups_for_tests.h"
#include "core/groups/share_assignor.h"

namespace millrace::groups {
namespace {

// A cluster of topics, and a coordinator whose decisions are in its log at once; share coordinators
// do what they are asked for when they are let.
class Bench : public ConsumerGroupBench {
  public:
    using ConsumerGroupBench::ConsumerGroupBench;

    ShareGroupHeartbeatResponse share_beat(ShareGroupHeartbeatRequest request) {
        auto decision = groups.share_heartbeat(request, {"client", "/127.0.0.1"}, now);
        conclude(request.group_id, std::move(decision.records), {});
        if (decision.initialize) asked = std::move(decision.initialize);
        return decision.response;
    }
    ShareGroupHeartbeatResponse join(const std::string& member, std::vector<std::string> topics) {
        return share_beat({.group_id = "g",
                           .member_id = member,
                           .member_epoch = 0,
                           .subscribed_topic_names = std::move(topics)});
    }
    ShareGroupHeartbeatResponse beat_again(const std::string& member, std::int32_t epoch) {
        return share_beat({.group_id = "g", .member_id = member, .member_epoch = epoch});
    }
    void initialized() { conclude("g", groups.shares().initialized(*asked), {}); }
    void not_initialized() { conclude("g", groups.shares().not_initialized(*asked), {}); }
    void let_time_pass(Duration time) {
        now = now + time;
        while (auto records = groups.next_share_due(now)) conclude("g", std::move(*records), {});
    }
    const ShareGroup& group() const { return *groups.shares().find("g"); }
    static std::size_t partitions_of(const ShareGroupHeartbeatResponse& response) {
        std::size_t count = 0;
        for (const auto& topic : response.assignment->topic_partitions)
            count += topic.partitions.size();
        return count;
    }

    std::optional<ShareStateRequest> asked;
};

TEST(ShareGroupsTest, GivesOutWhatIsInitialized) {
    Bench bench;
    bench.create_topic("t", 2);
    auto joined = bench.join("m", {"t"});
    EXPECT_EQ(joined.error_code, ErrorCode::none);
    EXPECT_EQ(joined.member_epoch, 2);
    EXPECT_EQ(Bench::partitions_of(joined), 0U);
    ASSERT_TRUE(bench.asked);
    EXPECT_EQ(bench.asked->state_epoch, 2);
    EXPECT_EQ(bench.asked->topics.begin()->second.size(), 2U);
    bench.asked.reset();
    bench.beat_again("m", 2);
    EXPECT_FALSE(bench.asked) << "it is being initialized";

    bench.asked = {.group_id = "g", .state_epoch = 2, .topics = {{Bench::id_of("t"), {{0}, {1}}}}};
    bench.initialized();
    bench.now = bench.now + Duration::seconds(2);
    auto told = bench.beat_again("m", 2);
    EXPECT_EQ(told.member_epoch, 3);
    ASSERT_TRUE(told.assignment);
    EXPECT_EQ(Bench::partitions_of(told), 2U);
    EXPECT_FALSE(bench.beat_again("m", 3).assignment) << "nothing has changed";
    EXPECT_EQ(bench.beat_again("m", 2).error_code, ErrorCode::none) << "the answer was lost";
    EXPECT_EQ(bench.beat_again("m", 9).error_code, ErrorCode::fenced_member_epoch);
    EXPECT_EQ(bench.beat_again("x", 3).error_code, ErrorCode::unknown_member_id);
}

TEST(ShareGroupsTest, AsksAgainForWhatWasNotInitialized) {
    Bench bench;
    bench.create_topic("t", 1);
    bench.join("m", {"t"});
    bench.not_initialized();
    EXPECT_TRUE(bench.group().state_topics().initializing.empty());
    bench.asked.reset();
    bench.beat_again("m", 2);
    EXPECT_TRUE(bench.asked);
    bench.asked.reset();
    for (int i = 0; i < 4; ++i) {
        bench.let_time_pass(Duration::seconds(10));
        bench.beat_again("m", 2);
    }
    EXPECT_TRUE(bench.asked) << "nobody told what came of it";
}

TEST(ShareGroupsTest, InitializesNewPartitions) {
    Bench bench;
    bench.create_topic("t", 1);
    bench.join("m", {"t"});
    bench.initialized();
    bench.asked.reset();
    bench.add_partition("t");
    bench.let_time_pass(Duration::seconds(2));
    bench.beat_again("m", 2);
    ASSERT_TRUE(bench.asked);
    ASSERT_EQ(bench.asked->topics.begin()->second.size(), 1U);
    EXPECT_EQ(bench.asked->topics.begin()->second[0].partition, 1);
}

TEST(ShareGroupsTest, MembersGo) {
    Bench bench;
    bench.create_topic("t", 1);
    bench.join("a", {"t"});
    bench.join("b", {"t"});
    EXPECT_EQ(bench.group().members().size(), 2U);
    auto left = bench.share_beat({.group_id = "g", .member_id = "a", .member_epoch = -1});
    EXPECT_EQ(left.member_epoch, -1);
    EXPECT_EQ(bench.group().members().size(), 1U);
    bench.let_time_pass(Duration::seconds(50));
    EXPECT_TRUE(bench.group().members().empty()) << "its session is over";
    EXPECT_EQ(bench.group().state(), "Empty");
    EXPECT_EQ(bench.groups.list({}, {"share"}).size(), 1U);
    EXPECT_EQ(bench.groups.list({"stable"}, {}).size(), 0U);
}

TEST(ShareGroupsTest, RefusesWhatIsNoRequest) {
    Bench bench;
    bench.create_topic("t", 1);
    EXPECT_EQ(bench.join("", {"t"}).error_code, ErrorCode::invalid_request);
    EXPECT_EQ(bench.join("m", {}).error_code, ErrorCode::invalid_request);
    EXPECT_EQ(bench.beat_again("m", -2).error_code, ErrorCode::invalid_request);
    EXPECT_EQ(bench.beat_again("m", 1).error_code, ErrorCode::group_id_not_found);
    bench.options.share.max_size = 1;
    EXPECT_EQ(bench.join("m", {"t"}).error_code, ErrorCode::none);
    EXPECT_EQ(bench.join("n", {"t"}).error_code, ErrorCode::group_max_size_reached);
}

TEST(ShareGroupsTest, KeepsApartFromOtherGroups) {
    Bench bench;
    bench.create_topic("t", 1);
    bench.join("m", {"t"});
    auto consumer = bench.beat({.group_id = "g",
                                .member_id = "c",
                                .member_epoch = 0,
                                .rebalance_timeout_ms = 1'000,
                                .subscribed_topic_names = {{"t"}},
                                .topic_partitions = {{}}});
    EXPECT_EQ(consumer.error_code, ErrorCode::group_id_not_found);
    EXPECT_EQ(bench.groups.describe("g").error_code, ErrorCode::group_id_not_found);
    EXPECT_EQ(bench.groups.describe_consumer("g").error_code, ErrorCode::group_id_not_found);
    EXPECT_EQ(bench.groups.describe_share("g").group_state, "Stable");
    EXPECT_EQ(bench.groups.describe_share("x").error_code, ErrorCode::group_id_not_found);
    Commit commit{.group_id = "g", .partitions = {{"t", 0, {.offset = 1}}}};
    EXPECT_EQ(bench.groups.commit_offsets(commit, bench.now).response[0],
              ErrorCode::group_id_not_found);
    bench.beat({.group_id = "c",
                .member_id = "c",
                .member_epoch = 0,
                .rebalance_timeout_ms = 1'000,
                .subscribed_topic_names = {{"t"}},
                .topic_partitions = {{}}});
    EXPECT_EQ(bench
                  .share_beat({.group_id = "c",
                               .member_id = "m",
                               .member_epoch = 0,
                               .subscribed_topic_names = {{"t"}}})
                  .error_code,
              ErrorCode::group_id_not_found);
}

TEST(ShareGroupsTest, OffsetsChangeWhileNobodyReads) {
    Bench bench;
    bench.create_topic("t", 2);
    bench.join("m", {"t"});
    bench.initialized();
    AlterShareGroupOffsetsRequest alter{.group_id = "g"};
    alter.topics = {{.topic_name = "t", .partitions = {{0, 5}, {7, 5}}}, {.topic_name = "none"}};
    EXPECT_EQ(bench.groups.alter_share_offsets(alter, bench.now).response.error_code,
              ErrorCode::non_empty_group);
    bench.share_beat({.group_id = "g", .member_id = "m", .member_epoch = -1});
    auto altered = bench.groups.alter_share_offsets(alter, bench.now);
    ASSERT_TRUE(altered.initialize);
    EXPECT_EQ(altered.initialize->topics.begin()->second[0].start_offset, 5);
    EXPECT_EQ(altered.response.responses[0].partitions[1].error_code,
              ErrorCode::unknown_topic_or_partition);
    bench.conclude("g", std::move(altered.records), {});

    DeleteShareGroupOffsetsRequest remove{.group_id = "g"};
    remove.topics = {{"t"}, {"none"}};
    auto removed = bench.groups.delete_share_offsets(remove);
    ASSERT_TRUE(removed.remove);
    EXPECT_EQ(removed.remove->topics.begin()->second.size(), 2U);
    ASSERT_EQ(removed.response.responses.size(), 1U) << "the other one's answer is not known yet";
    bench.conclude("g", std::move(removed.records), {});
    EXPECT_TRUE(bench.group().state_topics().deleting.contains(Bench::id_of("t")));
    bench.conclude("g", bench.groups.shares().removed(*removed.remove), {});
    EXPECT_TRUE(bench.group().state_topics().deleting.empty());
}

TEST(ShareGroupsTest, DeletesTheirStatesFirst) {
    Bench bench;
    bench.create_topic("t", 2);
    bench.join("m", {"t"});
    bench.initialized();
    EXPECT_EQ(bench.groups.begin_share_deletion("g").response, ErrorCode::non_empty_group);
    bench.share_beat({.group_id = "g", .member_id = "m", .member_epoch = -1});
    auto begun = bench.groups.begin_share_deletion("g");
    ASSERT_TRUE(begun.remove);
    EXPECT_EQ(begun.remove->topics.begin()->second.size(), 2U);
    bench.conclude("g", std::move(begun.records), {});
    auto deleted = bench.groups.delete_group("g");
    EXPECT_EQ(deleted.response, ErrorCode::none);
    bench.conclude("g", std::move(deleted.records), {});
    EXPECT_EQ(bench.groups.shares().find("g"), nullptr);
}

// Counts as Apache Kafka has them: each partition as often as it takes, members alike.
TEST(ShareAssignorTest, SharesEvenly) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        Uuid topic{1, seed};
        std::vector<Assignment> current(static_cast<std::size_t>(random.between(1, 9)));
        for (int round = 0; round < 4; ++round) {
            auto partitions = static_cast<std::int32_t>(random.between(0, 7));
            if (random.chance(0.5)) current.resize(static_cast<std::size_t>(random.between(1, 9)));
            ShareStateTopics::Topics assignable;
            for (std::int32_t i = 0; i < partitions; ++i) assignable[topic].partitions.insert(i);
            GroupSpec spec;
            for (std::size_t i = 0; i < current.size(); ++i) {
                spec.members.push_back({.id = std::to_string(i),
                                        .topics = {{topic, partitions}},
                                        .current = &current[i]});
            }
            spec.type = random.chance(0.5) ? SubscriptionType::homogeneous
                                           : SubscriptionType::heterogeneous;
            Assignments next = assign_simple(spec, assignable);
            std::map<std::int32_t, std::size_t> holders;
            std::size_t fewest = 100;
            std::size_t most = 0;
            for (const auto& [id, assignment] : next) {
                std::size_t count = 0;
                for (const auto& [t, list] : assignment) {
                    count += list.size();
                    for (std::int32_t partition : list) ++holders[partition];
                    ASSERT_EQ(std::set<std::int32_t>(list.begin(), list.end()).size(), list.size());
                }
                fewest = std::min(fewest, count);
                most = std::max(most, count);
            }
            ASSERT_EQ(holders.size(), static_cast<std::size_t>(partitions));
            if (partitions > 0) {
                ASSERT_GE(fewest, 1U) << "a member has nothing to read";
                ASSERT_LE(most, fewest + 1);
            }
            for (std::size_t i = 0; i < current.size(); ++i) current[i] = next[std::to_string(i)];
        }
    }
}

// Members come, go, fall silent and lose answers; the log, also when it is compacted, gives the
// groups again, and all partitions are given out in the end.
TEST(ShareGroupsTest, RandomMembers) {
    for (std::uint64_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        Bench bench;
        for (const char* topic : {"a", "b"})
            bench.create_topic(topic, static_cast<std::int32_t>(random.between(1, 4)));
        std::map<std::string, std::int32_t> epochs;
        auto beat = [&](const std::string& member) {
            std::int32_t& epoch = epochs[member];
            std::vector<std::string> topics{"a"};
            if (random.chance(0.5)) topics.push_back("b");
            auto told = epoch == 0 ? bench.join(member, topics) : bench.beat_again(member, epoch);
            if (random.chance(0.1)) return;  // the answer is lost
            epoch = told.error_code == ErrorCode::none ? told.member_epoch : 0;
            if (bench.asked && random.chance(0.8)) {
                if (random.chance(0.9)) bench.initialized();
                bench.asked.reset();
            }
        };
        for (int i = 0; i < 120; ++i) {
            bench.let_time_pass(Duration::milliseconds(random.between(1, 4'000)));
            std::string member = std::to_string(random.below(4));
            if (random.chance(0.05)) {
                bench.share_beat({.group_id = "g", .member_id = member, .member_epoch = -1});
                epochs[member] = 0;
            } else if (random.chance(0.03)) {
                bench.add_partition(random.chance(0.5) ? "a" : "b");
            } else {
                beat(member);
            }
        }
        for (int i = 0; i < 30; ++i) {
            bench.let_time_pass(Duration::seconds(3));
            for (const char* member : {"0", "1", "2", "3"}) {
                auto told = epochs[member] == 0 ? bench.join(member, {"a", "b"})
                                                : bench.beat_again(member, epochs[member]);
                epochs[member] = told.error_code == ErrorCode::none ? told.member_epoch : 0;
                if (bench.asked) bench.initialized();
                bench.asked.reset();
            }
        }
        const ShareGroup& group = bench.group();
        for (const auto& [name, count] : group.topics()) {
            std::set<std::int32_t> given;
            for (const auto& [id, member] : group.members()) {
                auto found = member.assigned.find(Bench::id_of(name));
                if (found != member.assigned.end())
                    given.insert(found->second.begin(), found->second.end());
            }
            EXPECT_EQ(given.size(),
                      bench.image->topics.find(std::string_view(name))->partitions.size());
        }
        std::map<std::string, std::size_t> last;
        for (std::size_t i = 0; i < bench.log.size(); ++i)
            last[std::string(bench.log[i].key.view())] = i;
        GroupCoordinator again(bench.options);
        again.set_image(bench.image);
        for (std::size_t i = 0; i < bench.log.size(); ++i) {
            bool stays = last.at(std::string(bench.log[i].key.view())) == i;
            if (stays) ASSERT_TRUE(again.apply(bench.log[i]));
        }
        const ShareGroup* replayed = again.shares().find("g");
        ASSERT_NE(replayed, nullptr);
        EXPECT_EQ(replayed->members(), group.members());
        EXPECT_EQ(replayed->targets(), group.targets());
        EXPECT_EQ(replayed->state_topics(), group.state_topics());
        EXPECT_EQ(replayed->epoch().epoch, group.epoch().epoch);
    }
}

}  // namespace
}  // namespace millrace::groups
