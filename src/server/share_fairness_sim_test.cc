// Members of a share group that read unlike many partitions, on a node of several shards: whoever
// reads more of them is slower with each, and has its share of the records all the same.

#include <array>
#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <vector>

#include "client/admin_configs.h"
#include "client/cluster.h"
#include "client/connection.h"
#include "protocol/share_fetch.h"
#include "protocol/share_group_heartbeat.h"
#include "server/clients_for_tests.h"
#include "server/node_trial_for_tests.h"
#include "server/seeds_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::int32_t partitions = 6;
constexpr int records = 120;

// Fetches and accepts by raw requests.
class Member {
  public:
    Member(std::string id, std::vector<std::int32_t> reads, std::int32_t min_bytes)
        : id_(std::move(id)), reads_(std::move(reads)), min_bytes_(min_bytes) {}

    int had() const { return had_; }

    // The group has a state for the topic once a member is assigned its partitions.
    Task<void> join(env::Shard& shard, client::Cluster& cluster, Uuid& topic) {
        std::int32_t epoch = 0;
        while (topic == Uuid{}) {
            ShareGroupHeartbeatRequest beat{
                .group_id = "sharing", .member_id = id_, .member_epoch = epoch};
            if (epoch == 0) beat.subscribed_topic_names = {"t"};
            auto told = co_await ask(cluster, std::move(beat));
            if (told.error_code == ErrorCode::none) epoch = told.member_epoch;
            if (told.assignment && !told.assignment->topic_partitions.empty())
                topic = told.assignment->topic_partitions.front().topic_id;
            co_await env::sleep_for(shard, Duration::milliseconds(50));
        }
    }

    Task<void> read(client::Cluster& cluster, const Uuid& topic, const bool& finished) {
        Accepted accepted;
        std::int32_t epoch = 0;
        while (!finished) {
            ShareFetchRequest fetch{.group_id = "sharing",
                                    .member_id = id_,
                                    .share_session_epoch = epoch++,
                                    .max_wait_ms = 500,
                                    .min_bytes = min_bytes_,
                                    .max_bytes = 1 << 20,
                                    .max_records = 1,
                                    .batch_size = 1};
            fetch.share_acquire_mode = 1;
            auto& asked = fetch.topics.emplace_back();
            asked.topic_id = topic;
            for (std::int32_t partition : reads_) {
                auto& one = asked.partitions.emplace_back();
                one.partition_index = partition;
                one.acknowledgement_batches = std::move(accepted[partition]);
            }
            accepted.clear();
            auto told = co_await ask(cluster, std::move(fetch));
            EXPECT_EQ(told.error_code, ErrorCode::none);
            if (told.error_code != ErrorCode::none) co_return;
            for (const auto& each : told.responses) {
                for (const auto& partition : each.partitions) take(partition, accepted);
            }
        }
    }

  private:
    using Accepted = std::map<std::int32_t, std::vector<ShareFetchRequest::AcknowledgementBatch>>;

    template <typename Request>
    Task<typename Request::Response> ask(client::Cluster& cluster, Request request) {
        auto connected = co_await cluster.coordinator(client::CoordinatorType::group, "sharing");
        EXPECT_TRUE(connected) << (connected ? "" : connected.error().message);
        auto reply = co_await (*connected)->call(request);
        EXPECT_TRUE(reply) << (reply ? "" : reply.error().message);
        co_return std::move(reply->response);
    }
    void take(const ShareFetchResponse::PartitionData& partition, Accepted& accepted) {
        EXPECT_EQ(partition.error_code, ErrorCode::none);
        EXPECT_EQ(partition.acknowledge_error_code, ErrorCode::none);
        for (const auto& range : partition.acquired_records) {
            had_ += static_cast<int>(range.last_offset - range.first_offset + 1);
            accepted[partition.partition_index].push_back(
                {range.first_offset, range.last_offset, {1}});
        }
    }

    std::string id_;
    std::vector<std::int32_t> reads_;
    std::int32_t min_bytes_;
    int had_ = 0;
};

class Trial : private NodeTrial {
  public:
    Trial(std::uint64_t seed, std::int32_t min_bytes)
        : NodeTrial(seed, 3), producer_(world_.add_node("producer")) {
        std::vector<std::int32_t> all;
        for (std::int32_t i = 0; i < partitions; ++i) all.push_back(i);
        add("of-many", all, min_bytes);
        add("of-one", {0}, 1);
        add("of-one-too", {0}, 1);
    }
    ~Trial() { end(); }

    // Records come one by one, or so many at once, to the partition that all read.
    void run(int at_once) {
        start_node();
        on_admin([](env::Shard& shard) -> Task<void> {
            co_await create_topic(shard, "t", partitions);
            co_await with_admin(shard, [](client::Admin& admin) -> Task<void> {
                client::ConfigResource group{client::ResourceType::group, "sharing"};
                auto altered = co_await client::alter_configs(
                    admin, {{group, {{.name = "share.auto.offset.reset", .value = "earliest"}}}});
                EXPECT_TRUE(altered.at(group)) << altered.at(group).error().message;
            });
        });
        for (Reader& each : readers_) {
            each.machine->start([this, &each](env::Shard& shard) -> Task<int> {
                co_await live(shard, *each.member);
                co_return 0;
            });
        }
        wait_for("the group", [&] { return topic_ != Uuid{}; });
        producer_.start([at_once](env::Shard& shard) -> Task<int> {
            co_await produce(shard, at_once);
            co_return 0;
        });
        wait_for("the records", [&] { return had() >= records; });
        finished_ = true;
        for (Reader& each : readers_)
            wait_for("a member", [&] { return !each.machine->running(); });
    }
    std::vector<int> shares() const {
        std::vector<int> all;
        for (const Reader& each : readers_) all.push_back(each.member->had());
        return all;
    }

  private:
    struct Reader {
        std::unique_ptr<Member> member;
        env::sim::Node* machine;
    };
    void add(const std::string& id, std::vector<std::int32_t> reads, std::int32_t min_bytes) {
        readers_.push_back(
            {std::make_unique<Member>(id, std::move(reads), min_bytes), &world_.add_node(id)});
    }
    int had() const {
        int count = 0;
        for (int share : shares()) count += share;
        return count;
    }
    Task<void> live(env::Shard& shard, Member& member) {
        auto config = client_config<client::ConsumerConfig>();
        client::Cluster cluster(shard, config.cluster());
        auto body = [&]() -> Task<void> {
            if (&member == readers_.front().member.get())
                co_await member.join(shard, cluster, topic_);
            while (topic_ == Uuid{}) co_await env::sleep_for(shard, Duration::milliseconds(50));
            co_await member.read(cluster, topic_, finished_);
        };
        co_await and_finally(shard, body, [&] { return cluster.close(); });
    }
    static Task<void> produce(env::Shard& shard, int at_once) {
        co_await with_producer(shard, "linger.ms=0\n", [&](client::Producer& to) -> Task<void> {
            for (int i = 0; i < records; ++i) {
                auto sent =
                    co_await to.send({.topic = "t", .partition = 0, .value = as_bytes("record")});
                EXPECT_TRUE(sent);
                if (i % at_once != at_once - 1) continue;
                EXPECT_TRUE(co_await sent->get());
                co_await env::sleep_for(shard,
                                        Duration::milliseconds(shard.random().between(5, 30)));
            }
        });
    }

    Uuid topic_;
    bool finished_ = false;
    std::vector<Reader> readers_;
    env::sim::Node& producer_;
};

void expect_fair(std::uint64_t seed, int at_once) {
    Trial trial(seed, 1);
    trial.run(at_once);
    for (int share : trial.shares()) EXPECT_GE(share, records / 5);
}

TEST(ShareFairness, RecordsThatComeOneByOne) {
    for_seeds(6, [](std::uint64_t seed) { expect_fair(seed, 1); });
}

TEST(ShareFairness, RecordsThatComeTogether) {
    for_seeds(6, [](std::uint64_t seed) { expect_fair(seed, 20); });
}

// It waits for what never comes, and nobody waits for it.
TEST(ShareFairness, OneThatWantsMoreThanThereIs) {
    for_seeds(6, [](std::uint64_t seed) {
        Trial trial(seed, 1 << 20);
        trial.run(1);
        EXPECT_LT(trial.shares().front(), records / 2);
    });
}

}  // namespace
}  // namespace millrace::server
