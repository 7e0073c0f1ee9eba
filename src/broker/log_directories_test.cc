#include "broker/log_directories.h"

#include <functional>
#include <gtest/gtest.h>

#include "config/broker_config.h"
#include "config/properties.h"
#include "core/metadata/partition.h"
#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"

namespace millrace::broker {
namespace {

using env::Shard;
using storage::LogDirectory;
using storage::PartitionName;

config::BrokerConfig configured(const std::string& more) {
    auto file = config::Properties::parse(
        "process.roles=broker,controller\nnode.id=1\n"
        "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\n"
        "controller.quorum.bootstrap.servers=broker:9093\nlog.dirs=/a,/b,/c\n" +
        more);
    auto parsed = config::BrokerConfig::parse(*file);
    CHECK(parsed.has_value());
    return *parsed;
}

class LogDirectoriesTest : public testing::Test {
  protected:
    void run(std::function<void(Shard&)> body) {
        auto main = [&](Shard& here) -> Task<int> {
            body(here);
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
    }
    static void format(Shard& here, const std::string& path, std::optional<Uuid> id,
                       std::string cluster = "one", std::int32_t node = 1) {
        auto directory = LogDirectory::open(here.disk(), path);
        storage::MetaProperties meta;
        meta.cluster_id = std::move(cluster);
        meta.node_id = node;
        meta.directory_id = id;
        EXPECT_TRUE((*directory)->write_meta(meta, here.wall_ms()));
    }
    static void format_all(Shard& here) {
        format(here, "/a", Uuid{1, 1});
        format(here, "/b", Uuid{1, 2});
        format(here, "/c", Uuid{1, 3});
    }
    static std::string refusal(Shard& here, const config::BrokerConfig& config = configured("")) {
        auto opened = LogDirectories::open(here, config);
        return opened ? "" : opened.error().message;
    }

    env::sim::World world_{3};
    env::sim::Node& node_ = world_.add_node("node");
};

TEST_F(LogDirectoriesTest, ANewReplicaGoesWhereFewestAre) {
    run([](Shard& here) {
        format_all(here);
        config::BrokerConfig config = configured("");
        auto opened = LogDirectories::open(here, config);
        ASSERT_TRUE(opened) << opened.error().message;
        LogDirectories& directories = *opened;
        EXPECT_EQ(directories.cluster_id(), "one");
        auto place = [&](const Uuid& assigned, const config::BrokerConfig& with) {
            LogDirectory* placed = directories.place({"t", 0}, assigned, with);
            return placed == nullptr ? "none" : placed->path();
        };
        const Uuid none = metadata::unassigned_directory;
        directories.count(*directories.find("/a"), 2);
        directories.count(*directories.find("/b"), 1);
        EXPECT_EQ(place(none, config), "/c");
        EXPECT_EQ(place(Uuid{1, 1}, config), "/a") << "the controller's choice";
        EXPECT_EQ(place(none, configured("cordoned.log.dirs=/c\n")), "/b");
        EXPECT_EQ(place(Uuid{1, 3}, configured("cordoned.log.dirs=/c\n")), "/c");
        EXPECT_EQ(place(none, configured("cordoned.log.dirs=*\n")), "/c") << "all are alike";
        EXPECT_EQ(place(Uuid{9, 9}, config), "/c") << "one that has left log.dirs";

        directories.prefer({"t", 0}, *directories.find("/a"));
        EXPECT_EQ(place(none, config), "/a");
        EXPECT_EQ(place(none, config), "/c") << "asked for once";

        directories.find("/c")->health().fail({ErrorCode::kafka_storage_error, "broken"});
        EXPECT_EQ(place(none, config), "/b");
        EXPECT_EQ(place(Uuid{1, 3}, config), "none") << "it may lie in what failed";
        EXPECT_EQ(place(Uuid{9, 9}, config), "none");
        EXPECT_EQ(directories.offline_count(), 1U);
        EXPECT_FALSE(directories.is_online("/c"));
        EXPECT_FALSE(directories.is_online("/d"));
        EXPECT_EQ(directories.online_ids(), (std::vector<Uuid>{{1, 1}, {1, 2}}));
        EXPECT_EQ(directories.cordoned_ids(configured("cordoned.log.dirs=/b\n")),
                  (std::vector<Uuid>{{1, 2}}));
    });
}

TEST_F(LogDirectoriesTest, OneThatCannotBeReadIsOffline) {
    run([&](Shard& here) {
        format_all(here);
        node_.disk().break_under("/b/");
        auto opened = LogDirectories::open(here, configured("metadata.log.dir=/c\n"));
        ASSERT_TRUE(opened) << opened.error().message;
        EXPECT_EQ(opened->all().size(), 2U);
        EXPECT_EQ(opened->offline_count(), 1U);
        EXPECT_FALSE(opened->is_online("/b"));
        EXPECT_EQ(opened->place({"t", 0}, Uuid{1, 2}, configured("")), nullptr);
    });
    run([&](Shard& here) {
        EXPECT_TRUE(refusal(here, configured("metadata.log.dir=/b\n")).contains("/b"));
        node_.disk().break_under("/a/");
        node_.disk().break_under("/c/");
        EXPECT_NE(refusal(here, configured("metadata.log.dir=/a\n")), "");
    });
}

TEST_F(LogDirectoriesTest, WhatIsNotThisNodesEndsTheStart) {
    run([](Shard& here) {
        format(here, "/a", Uuid{1, 1});
        format(here, "/b", Uuid{1, 2});
        EXPECT_TRUE(refusal(here).contains("/c is not formatted"));
        format(here, "/c", Uuid{1, 2});
        EXPECT_TRUE(refusal(here).contains("the same directory.id"));
        format(here, "/c", Uuid{1, 3}, "another");
        EXPECT_TRUE(refusal(here).contains("belongs to cluster another"));
        format(here, "/c", Uuid{1, 3}, "one", 2);
        EXPECT_TRUE(refusal(here).contains("belongs to node 2"));
        format(here, "/c", Uuid{1, 3});
        auto held = LogDirectory::open(here.disk(), "/c");
        EXPECT_TRUE(refusal(here).contains("another process uses this directory"));
    });
}

TEST_F(LogDirectoriesTest, ADirectoryWithoutAnIdGetsOne) {
    run([](Shard& here) {
        format(here, "/a", Uuid{1, 1});
        format(here, "/b", std::nullopt);
        format(here, "/c", Uuid{1, 3});
        std::vector<Uuid> ids;
        for (int start = 0; start < 2; ++start) {
            auto opened = LogDirectories::open(here, configured(""));
            ASSERT_TRUE(opened) << opened.error().message;
            EXPECT_EQ(opened->online_ids().size(), 3U);
            if (start == 1) EXPECT_EQ(opened->online_ids(), ids) << "it is kept";
            ids = opened->online_ids();
        }
    });
}

}  // namespace
}  // namespace millrace::broker
