// What a start makes of the directories that it finds, and of log directories that are needed and
// fail: the metadata's, and one that cannot be read.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "client/admin_cluster.h"
#include "client/admin_offsets.h"
#include "env/disk.h"
#include "server/ledger_for_tests.h"
#include "server/simulated_node_for_tests.h"

namespace millrace::server {
namespace {

using Directories = std::map<std::string, client::LogDirDescription>;
constexpr std::string_view hex = "0123456789abcdef0123456789abcdef";

class LogDirectoryStart : public testing::Test {
  protected:
    ~LogDirectoryStart() override {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    using Body = std::function<Task<void>(env::Shard&, Ledger&)>;
    void on_clients(Body body) {
        run_on(world_, clients_, [&](env::Shard& shard) { return body(shard, ledger_); });
    }
    void start() { node_.start_and_wait(); }
    void stop() {
        node_.ask_to_stop();
        EXPECT_TRUE(world_.run_until([&] { return !node_.running(); }, Duration::seconds(300)));
    }
    // Starts, makes the topic, and stops.
    void make_topic() {
        start();
        on_clients([](env::Shard& shard, Ledger& ledger) -> Task<void> {
            co_await create_topic(shard, "t", 3);
            co_await ledger.produce(shard, 0, 60, "");
        });
        stop();
    }
    // Where the replica's directory is.
    std::string home_of(const std::string& name) {
        for (const char* path : {"/a", "/b", "/c"}) {
            std::string there = fmt::format("{}/{}", path, name);
            if (node_.disk().exists(there)) return path;
        }
        return "";
    }
    std::vector<std::string> names_with(const std::string& path, std::string_view suffix) {
        std::vector<std::string> names;
        for (const auto& entry : *node_.disk().list(path)) {
            if (entry.name.ends_with(suffix)) names.push_back(entry.name);
        }
        return names;
    }
    void copy(const std::string& from, const std::string& to) {
        EXPECT_TRUE(node_.disk().make_directories(to));
        for (const auto& entry : *node_.disk().list(from)) {
            std::string name = "/" + entry.name;
            auto text = env::read_file(node_.disk(), from + name);
            auto file = node_.disk().open(to + name, {.write = true, .create = true});
            EXPECT_TRUE(text && file && (*file)->write(0, as_bytes(*text)));
        }
    }
    void check() {
        on_clients([](env::Shard& shard, Ledger& ledger) { return ledger.check(shard); });
    }

    env::sim::World world_{5};
    SimulatedLog log_{world_};
    SimulatedNode node_{world_, 2, "metadata.log.dir=/meta\nlog.dirs=/a,/b,/c\n"};
    env::sim::Node& clients_ = world_.add_node("clients");
    Ledger ledger_{"t", 3};
};

TEST_F(LogDirectoryStart, DeletedOnesGoLaterStrayOnesStay) {
    make_topic();
    std::string home = home_of("t-0");
    std::string deleted = fmt::format("{}/gone-0.{}-delete", home, hex);
    std::string stray = fmt::format("{}/lost-0.{}-stray", home, hex);
    copy(home + "/t-0", deleted);
    copy(home + "/t-0", stray);
    start();
    EXPECT_TRUE(node_.ready());
    EXPECT_TRUE(node_.disk().exists(deleted)) << "log.segment.delete.delay.ms is a minute";
    EXPECT_TRUE(
        world_.run_until([&] { return !node_.disk().exists(deleted); }, Duration::seconds(70)));
    EXPECT_TRUE(node_.disk().exists(stray + "/partition.metadata"));
    check();
}

TEST_F(LogDirectoryStart, WhatTheClusterDoesNotPlaceHereIsStray) {
    make_topic();
    std::string home = home_of("t-0");
    std::string topic = "AAAAAAAAAAAAAAAAAAAACQ";
    for (const std::string& name :
         {std::string("unknown-0"), fmt::format("unknown-1.{}-future", hex)}) {
        std::string path = fmt::format("{}/{}", home, name);
        copy(home + "/t-0", path);
        auto file =
            node_.disk().open(path + "/partition.metadata", {.write = true, .truncate = true});
        EXPECT_TRUE((*file)->write(0, as_bytes(fmt::format("version: 0\ntopic_id: {}", topic))));
    }
    start();
    EXPECT_TRUE(node_.ready());
    EXPECT_EQ(names_with(home, "-stray").size(), 2U);
    EXPECT_TRUE(names_with(home, "-future").empty());
    check();
}

// The metadata knows the topic's id; what rot leaves of it in the directory is near enough.
TEST_F(LogDirectoryStart, ARottenTopicIdIsMended) {
    make_topic();
    for (const auto& [name, offset] : {std::pair("t-0", 26), {"t-1", 3}, {"t-2", 22}}) {
        std::string metadata = fmt::format("{}/{}/partition.metadata", home_of(name), name);
        std::string sound = *env::read_file(node_.disk(), metadata);
        if (name == std::string("t-0")) {  // as Apache writes it, without a checksum
            auto file = node_.disk().open(metadata, {.write = true, .truncate = true});
            EXPECT_TRUE((*file)->write(0, as_bytes(sound.substr(0, 43))));
        }
        node_.disk().rot(metadata, static_cast<std::uint64_t>(offset), 0);
        start();
        EXPECT_TRUE(node_.ready());
        EXPECT_EQ(*env::read_file(node_.disk(), metadata), sound) << name;
        check();
        stop();
    }
    for (const char* path : {"/a", "/b", "/c"}) EXPECT_TRUE(names_with(path, "-stray").empty());
}

TEST_F(LogDirectoryStart, OfAnotherTopicOfTheNameItIsStray) {
    make_topic();
    std::string home = home_of("t-0");
    std::string metadata = home + "/t-0/partition.metadata";
    // As Apache writes it, without a checksum.
    std::string other = env::read_file(node_.disk(), metadata)->substr(0, 43);
    for (std::size_t at : {25U, 40U}) other[at] = other[at] == 'A' ? 'B' : 'A';
    auto file = node_.disk().open(metadata, {.write = true, .truncate = true});
    EXPECT_TRUE((*file)->write(0, as_bytes(other)));
    start();
    EXPECT_EQ(names_with(home, "-stray").size(), 1U);
}

// Such a directory is no use to a later topic of its name, either.
TEST_F(LogDirectoryStart, WhatDoesNotSayWhoseItIsAndIsNotNeededIsStray) {
    make_topic();
    std::string home = home_of("t-0");
    std::string other = home == "/a" ? "/b" : "/a";
    for (const std::string& path : {other + "/t-0", home + "/unknown-0"}) {
        copy(home + "/t-0", path);
        EXPECT_TRUE(node_.disk().remove(path + "/partition.metadata"));
    }
    start();
    EXPECT_TRUE(node_.ready());
    EXPECT_EQ(names_with(home, "-stray").size(), 1U);
    EXPECT_EQ(names_with(other, "-stray").size(), 1U);
    check();
}

TEST_F(LogDirectoryStart, TheSamePartitionTwiceIsRefused) {
    make_topic();
    std::string home = home_of("t-0");
    std::string other = home == "/a" ? "/b" : "/a";
    copy(home + "/t-0", other + "/t-0");
    node_.start();
    node_.doom();
    EXPECT_TRUE(world_.run_until([&] { return !node_.running(); }, Duration::seconds(300)));
    EXPECT_TRUE(node_.reason().contains("hold the same partition")) << node_.reason();
    EXPECT_TRUE(node_.reason().contains(other + "/t-0")) << node_.reason();
    EXPECT_TRUE(node_.disk().remove_all(other + "/t-0"));
    start();
    check();
}

TEST_F(LogDirectoryStart, ACopyTakesThePlaceOfALogThatIsGone) {
    make_topic();
    std::string home = home_of("t-0");
    std::string other = home == "/a" ? "/b" : "/a";
    copy(home + "/t-0", fmt::format("{}/t-0.{}-future", other, hex));
    EXPECT_TRUE(node_.disk().rename(home + "/t-0", fmt::format("{}/t-0.{}-delete", home, hex)));
    start();
    EXPECT_TRUE(node_.ready());
    EXPECT_EQ(home_of("t-0"), other);
    check();
}

TEST_F(LogDirectoryStart, ACopyGoesOnBesideItsLog) {
    make_topic();
    std::string home = home_of("t-0");
    std::string other = home == "/a" ? "/b" : "/a";
    std::string future = fmt::format("{}/t-0.{}-future", other, hex);
    EXPECT_TRUE(node_.disk().make_directories(future));
    auto text = env::read_file(node_.disk(), home + "/t-0/partition.metadata");
    auto file = node_.disk().open(future + "/partition.metadata", {.write = true, .create = true});
    EXPECT_TRUE((*file)->write(0, as_bytes(*text)));
    start();
    EXPECT_TRUE(node_.ready());
    EXPECT_TRUE(world_.run_until([&] { return node_.disk().exists(other + "/t-0"); },
                                 Duration::seconds(60)));
    EXPECT_FALSE(node_.disk().exists(home + "/t-0"));
    EXPECT_EQ(names_with(home, "-delete").size(), 1U);
    check();
    stop();
    start();
    check();
}

// Deleted and made again in one go, so that both may come in one image; what the checkpoints said
// of the old one must not be taken for the new one's after a crash.
TEST_F(LogDirectoryStart, ANameThatComesAgainBeginsAnew) {
    start();
    for (int round = 0; round < 6; ++round) {
        on_clients([round](env::Shard& shard, Ledger&) -> Task<void> {
            Ledger ledger("again", 2);
            co_await create_topic(shard, "again", 2);
            co_await ledger.produce(shard, 0, 20, "");
            co_await ledger.check(shard);
            co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
                auto deleted = co_await client::delete_records(
                    admin, {{{"again", 0}, -1}, {{"again", 1}, -1}});
                EXPECT_TRUE(deleted.at({"again", 0}));
                // The log start reaches its checkpoint.
                if (round % 2 == 0) co_await env::sleep_for(shard, Duration::seconds(90));
                std::vector<std::string> names{"again"};
                EXPECT_TRUE((co_await client::delete_topics(admin, names)).at("again"));
            });
            Ledger anew("again", 2);
            co_await create_topic(shard, "again", 2);
            co_await anew.produce(shard, 1, 10, "");
            co_await anew.check(shard);
        });
        node_.kill();
        start();
        on_clients([](env::Shard& shard, Ledger&) -> Task<void> {
            co_await with_consumer(shard, "", [&](client::Consumer& consumer) -> Task<void> {
                client::Partitions both{{"again", 0}, {"again", 1}};
                auto begins = co_await consumer.beginning_offsets(both);
                EXPECT_TRUE(begins);
                if (!begins) co_return;
                for (const auto& [partition, begin] : *begins) EXPECT_EQ(begin, 0);
            });
            co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
                std::vector<std::string> names{"again"};
                EXPECT_TRUE((co_await client::delete_topics(admin, names)).at("again"));
            });
        });
    }
}

TEST_F(LogDirectoryStart, TheMetadataDirectoryEndsTheNode) {
    start();
    node_.doom();
    node_.disk().break_under("/meta/");
    EXPECT_TRUE(world_.run_until([&] { return !node_.running(); }, Duration::seconds(120)));
    EXPECT_TRUE(node_.reason().contains("the metadata log directory /meta has failed"))
        << node_.reason();
    node_.disk().mend();
    start();
    EXPECT_TRUE(node_.ready());
}

// It would go on electing replicas that are not there any more.
TEST_F(LogDirectoryStart, TheControllerHasToHearOfAFailure) {
    make_topic();
    start();
    node_.doom();
    auto quick = node_.disk().conditions.sync;
    // Nothing is committed for so long.
    node_.disk().conditions.sync = {Duration::seconds(300), Duration::seconds(300)};
    node_.disk().break_under("/b/");
    ledger_.allow_refusals();
    on_clients([](env::Shard& shard, Ledger& ledger) {
        return ledger.produce(shard, 1, 20,
                              "delivery.timeout.ms=6000\nrequest.timeout.ms=3000\n"
                              "max.block.ms=6000\n");
    });
    EXPECT_TRUE(world_.run_until([&] { return !node_.running(); }, Duration::seconds(3000)));
    EXPECT_TRUE(node_.reason().contains("log.dir.failure.timeout.ms")) << node_.reason();
    node_.lose_power();
    node_.disk().conditions.sync = quick;
    node_.disk().mend();
    start();
    EXPECT_TRUE(node_.ready());
    check();
}

TEST_F(LogDirectoryStart, OneThatCannotBeReadIsOffline) {
    make_topic();
    std::string lost = home_of("t-0");
    node_.disk().break_under(lost + "/");
    start();
    EXPECT_TRUE(node_.ready());
    on_clients([lost](env::Shard& shard, Ledger&) -> Task<void> {
        co_await with_admin(shard, [&](client::Admin& admin) -> Task<void> {
            auto told = co_await client::describe_log_dirs(admin, {1});
            EXPECT_EQ(told.at(1)->at(lost).status.error().code, ErrorCode::kafka_storage_error);
            client::TopicPartition zero{"t", 0};
            auto moved = co_await client::alter_replica_log_dirs(
                admin, 1, {{zero, lost == "/a" ? "/b" : "/a"}});
            EXPECT_EQ(moved.at(zero).error().code, ErrorCode::kafka_storage_error);
        });
    });
    node_.kill();
    node_.disk().mend();
    start();
    check();
}

}  // namespace
}  // namespace millrace::server
