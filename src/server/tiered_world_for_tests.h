#pragma once

#include <algorithm>
#include <fmt/core.h>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/admin_configs.h"
#include "client/admin_offsets.h"
#include "env/sim/fabric.h"
#include "server/clients_for_tests.h"
#include "server/simulated_node_for_tests.h"
#include "storage/remote/directory_store.h"
#include "storage/remote/faulty_store_for_tests.h"

namespace millrace::server {

inline constexpr std::string_view tiered_configs =
    "remote.log.storage.system.enable=true\n"
    "rlmm.config.remote.log.metadata.topic.replication.factor=1\n"
    "rlmm.config.remote.log.metadata.topic.num.partitions=3\n"
    "remote.log.manager.task.interval.ms=300\n"
    "log.retention.check.interval.ms=300\n"
    "log.initial.task.delay.ms=100\n"
    "log.index.interval.bytes=200\n";
inline constexpr std::string_view patient =
    "delivery.timeout.ms=1200000\nmax.block.ms=1200000\nrequest.timeout.ms=4000\n"
    "batch.size=700\n";

// A directory on another machine, as one process of the node sees it; its calls fail as told.
class MountedStore final : public storage::remote::ObjectStore {
  public:
    MountedStore(std::unique_ptr<storage::remote::DirectoryStore> directory, std::uint64_t seed,
                 const storage::remote::StoreFaults& faults)
        : directory_(std::move(directory)), faulty_(*directory_, seed, faults) {}
    Result<> put(std::string_view key, storage::remote::ObjectSource& source) override {
        return faulty_.put(key, source);
    }
    Result<Buffer> get(std::string_view key, std::uint64_t offset, std::uint64_t size) override {
        return faulty_.get(key, offset, size);
    }
    Result<> remove(std::string_view key) override { return faulty_.remove(key); }
    Result<std::vector<std::string>> list(std::string_view prefix) override {
        return faulty_.list(prefix);
    }
    void stop() override { faulty_.stop(); }

  private:
    std::unique_ptr<storage::remote::DirectoryStore> directory_;
    storage::remote::FaultyStore faulty_;
};

// The machine with the directory.
class Nas {
  public:
    explicit Nas(env::sim::World& world) : machine_(world.add_node("nas")) {
        CHECK(machine_.disk().make_directories("/remote"));
    }
    // The store of a node, or of its next process.
    Result<std::unique_ptr<storage::remote::ObjectStore>> mount(std::int32_t node) {
        ASSIGN_OR_RETURN(auto directory,
                         storage::remote::DirectoryStore::open(machine_.disk(), "/remote", node));
        return std::make_unique<MountedStore>(std::move(directory), ++mounted_, faults);
    }
    // Objects of every topic.
    std::vector<std::string> stored() {
        auto store = storage::remote::DirectoryStore::open(machine_.disk(), "/remote", 99);
        CHECK(store.has_value());
        auto listed = (*store)->list("");
        CHECK(listed.has_value());
        return *listed;
    }

    storage::remote::StoreFaults faults;

  private:
    env::sim::Node& machine_;
    std::uint64_t mounted_ = 0;
};

class TieredWorld {
  public:
    explicit TieredWorld(std::uint64_t seed, int shards = 2, std::string_view more = {})
        : world(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world),
          nas_(world),
          node(world, shards, std::string(tiered_configs) + std::string(more)),
          admin_(world.add_node("admin")) {
        node.keep_segments_in([this](const config::BrokerConfig&) { return nas_.mount(1); });
    }
    ~TieredWorld() {
        for (const auto& each : world.nodes()) world.crash(*each);
    }

    void start_and_wait() {
        if (testing::Test::HasFailure() || node.running()) return;
        node.start();
        wait_for("the start", [&] { return node.ready(); });
    }
    void stop_and_wait() {
        if (testing::Test::HasFailure()) return;
        node.ask_to_stop();
        wait_for("the node", [&] { return !node.running(); });
    }
    void wait_for(std::string_view whom, const std::function<bool()>& done) {
        if (testing::Test::HasFailure()) return;
        EXPECT_TRUE(world.run_until([&] { return testing::Test::HasFailure() || done(); },
                                    Duration::seconds(900)))
            << whom << " did not end";
    }
    void on_admin(std::function<Task<void>(env::Shard&)> body) {
        if (testing::Test::HasFailure()) return;
        admin_.start([body](env::Shard& shard) -> Task<int> {
            co_await body(shard);
            co_return 0;
        });
        wait_for("the admin", [&] { return !admin_.running(); });
    }
    void create(std::string topic, std::int32_t partitions, TopicConfigs configs) {
        on_admin([=](env::Shard& shard) {
            return create_topic_with(shard, topic, partitions, configs);
        });
    }
    void remove(std::string topic) {
        on_admin([topic](env::Shard& shard) {
            return with_admin(shard, [topic](client::Admin& admin) -> Task<void> {
                auto removed =
                    co_await client::delete_topics(admin, std::vector<std::string>{topic});
                const auto& outcome = removed.at(topic);
                EXPECT_TRUE(outcome ||
                            outcome.error().code == ErrorCode::unknown_topic_or_partition)
                    << outcome.error().message;
            });
        });
    }
    void configure(std::string topic, TopicConfigs configs) {
        on_admin([=](env::Shard& shard) {
            return with_admin(shard, [=](client::Admin& admin) -> Task<void> {
                client::ConfigResource resource{client::ResourceType::topic, topic};
                std::vector<client::ConfigChange> changes;
                for (const auto& [key, value] : configs) {
                    changes.push_back({key, client::AlterOperation::set, value});
                }
                auto altered = co_await client::alter_configs(admin, {{resource, changes}});
                EXPECT_TRUE(altered.at(resource)) << altered.at(resource).error().message;
            });
        });
    }
    // What ListOffsets says; -1000 when it was refused.
    std::int64_t offset(std::string topic, std::int32_t partition, std::int64_t spec) {
        std::int64_t found = -1000;
        on_admin([&, topic, partition, spec](env::Shard& shard) {
            return with_admin(
                shard, [&, topic, partition, spec](client::Admin& admin) -> Task<void> {
                    client::TopicPartition which{topic, partition};
                    auto listed = co_await client::list_offsets(admin, {{which, spec}});
                    const auto& outcome = listed.at(which);
                    if (outcome) found = outcome->offset;
                });
        });
        return found;
    }
    std::vector<std::string> stored() { return nas_.stored(); }
    // Of a partition, wherever it lies.
    std::size_t local_segments(std::string_view partition) {
        std::size_t count = 0;
        for (const std::string& path : paths_of(partition)) {
            auto entries = node.disk().list(path);
            if (!entries) continue;
            count += static_cast<std::size_t>(std::ranges::count_if(
                *entries, [](const auto& each) { return each.name.ends_with(".log"); }));
        }
        return count;
    }
    std::vector<std::string> paths_of(std::string_view partition) {
        std::vector<std::string> paths;
        for (std::string_view directory : {"/data", "/a", "/b"}) {
            std::string path = fmt::format("{}/{}", directory, partition);
            if (node.disk().exists(path)) paths.push_back(path);
        }
        return paths;
    }

    env::sim::World world;

  private:
    SimulatedLog log_;
    Nas nas_;

  public:
    storage::remote::StoreFaults& faults = nas_.faults;
    SimulatedNode node;

  private:
    env::sim::Node& admin_;
};

inline const TopicConfigs small_and_tiered = {{"remote.storage.enable", "true"},
                                              {"internal.segment.bytes", "3000"},
                                              {"local.retention.bytes", "1"},
                                              {"file.delete.delay.ms", "100"}};

}  // namespace millrace::server
