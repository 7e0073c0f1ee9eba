// The formatting of a node, and a metadata log with its quorum-state and snapshots, whose node
// crashes, or whose disk fails, at every operation on a file: what was committed is there
// afterwards.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>

#include "env/sim/crash_points_for_tests.h"
#include "quorum/quorum_for_tests.h"

namespace millrace::quorum {
namespace {

using env::Shard;

class CreateTopicsScript final : public env::sim::CrashScript {
  public:
    Task<void> prepare(Shard& shard) override {
        EXPECT_TRUE(format_for_tests(shard, config_));
        co_return;
    }
    Task<void> act(Shard& shard) override {
        co_await run(shard,
                     [this](Shard& here, MetadataQuorum& quorum) { return create(here, quorum); });
    }
    Task<void> reopen(Shard& shard) override {
        co_await run(shard, [](Shard&, MetadataQuorum& quorum) -> Task<void> {
            co_await quorum.caught_up();
        });
    }
    Task<void> check(Shard& shard) override {
        bool checked = false;
        co_await run(shard, [&](Shard& here, MetadataQuorum& quorum) -> Task<void> {
            metadata::ImagePtr image = co_await quorum.caught_up();
            for (const auto& [name, id] : acknowledged_) {
                const metadata::Topic* topic = image->topics.find(std::string_view(name));
                EXPECT_TRUE(topic != nullptr && topic->id == id) << name << " was committed";
            }
            for (const auto& entry : image->topics.by_name()) {
                EXPECT_TRUE(asked_.contains(std::string(entry.key)));
            }
            EXPECT_TRUE(co_await start_broker_for_tests(here, quorum));
            auto created = co_await quorum.submit(topic_for_tests(next_name()));
            EXPECT_TRUE(created) << (created ? "" : created.error().message);
            if (created) note(*created);
            checked = true;
        });
        EXPECT_TRUE(checked);
    }

  private:
    // Whatever a quorum that has failed leaves waiting for ever is given up.
    static Task<void> run(Shard& shard, const config::BrokerConfig& config, QuorumBody body) {
        auto quorum = co_await open_for_tests(shard, config);
        if (!quorum) co_return;
        co_await env::with_deadline(shard, shard.now() + Duration::seconds(60),
                                    body(shard, **quorum));
        (void)co_await (*quorum)->stop();
    }
    Task<void> run(Shard& shard, QuorumBody body) { return run(shard, config_, std::move(body)); }

    Task<void> create(Shard& shard, MetadataQuorum& quorum) {
        co_await quorum.caught_up();
        bool started = co_await start_broker_for_tests(shard, quorum);
        EXPECT_TRUE(started || !sound);
        for (int i = 0; started && i < 8; ++i) {
            auto created = co_await quorum.submit(topic_for_tests(next_name()));
            EXPECT_TRUE(created || !sound);
            if (!created) co_return;
            note(*created);
        }
        // So that a snapshot that is under way comes to its end.
        co_await env::sleep_for(shard, Duration::milliseconds(50));
    }
    std::string next_name() { return *asked_.insert("t" + std::to_string(asked_.size())).first; }
    template <typename Created>
    void note(const Created& created) {
        const auto& topic = created.response.topics.at(0);
        EXPECT_EQ(topic.error_code, ErrorCode::none);
        acknowledged_["t" + std::to_string(asked_.size() - 1)] = topic.topic_id;
    }

    config::BrokerConfig config_ =
        config_for_tests("/data",
                         "metadata.log.max.record.bytes.between.snapshots=600\n"
                         "internal.metadata.log.segment.bytes=1500\n"
                         "metadata.max.retention.bytes=3000\n"
                         "metadata.max.idle.interval.ms=0\n");
    std::set<std::string> asked_;
    std::map<std::string, Uuid> acknowledged_;
};

// What is formatted stays as it is, and what is not is formatted by the same command.
class FormatScript final : public env::sim::CrashScript {
  public:
    Task<void> act(Shard& shard) override {
        Result<std::string> told = format(shard);
        EXPECT_TRUE(told || !sound);
        if (told) note(shard);
        co_return;
    }
    Task<void> reopen(Shard& shard) override {
        note(shard);
        if (format(shard)) note(shard);
        co_return;
    }
    Task<void> check(Shard& shard) override {
        note(shard);
        Result<std::string> told = format(shard);
        EXPECT_TRUE(told) << told.error().message;
        note(shard);
        EXPECT_EQ(ids_.size(), 2U);
        auto info = storage_info(shard.disk(), config_);
        EXPECT_TRUE(info && info->sound) << (info ? info->text : info.error().message);
        auto quorum = co_await open_for_tests(shard, config_);
        EXPECT_TRUE(quorum) << quorum.error().message;
        if (!quorum) co_return;
        EXPECT_TRUE(co_await start_broker_for_tests(shard, **quorum));
        auto created = co_await (*quorum)->submit(topic_for_tests(fmt::format("t{}", ++lives_)));
        EXPECT_TRUE(created) << (created ? "" : created.error().message);
        metadata::ImagePtr image = co_await (*quorum)->caught_up();
        EXPECT_EQ(static_cast<int>(image->topics.size()), lives_);
        EXPECT_TRUE(co_await (*quorum)->stop());
    }

  private:
    Result<std::string> format(Shard& shard) {
        FormatCommand command;
        command.cluster_id = cluster_for_tests;
        command.standalone = true;
        command.ignore_formatted = true;
        return quorum::format(shard.disk(), config_, command, shard.random(), shard.wall_ms());
    }
    // The ids of directories that are formatted, which do not change any more.
    void note(Shard& shard) {
        for (std::string path : {"/d1", "/d2"}) {
            std::string name = meta_properties_path(path);
            if (!shard.disk().exists(name)) continue;
            auto text = env::read_file(shard.disk(), name);
            if (!text) continue;  // the power is gone
            auto meta = storage::MetaProperties::parse(*text, name);
            EXPECT_TRUE(meta) << meta.error().message;
            if (!meta) continue;
            EXPECT_EQ(meta->cluster_id, cluster_for_tests);
            auto [known, first] = ids_.try_emplace(path, *meta->directory_id);
            EXPECT_EQ(known->second, *meta->directory_id) << name;
        }
    }

    config::BrokerConfig config_ = config_for_tests("/d1,/d2");
    std::map<std::string, Uuid> ids_;
    int lives_ = 0;
};

TEST(CrashPoints, MetadataLog) {
    env::sim::CrashSweep([] { return std::make_unique<CreateTopicsScript>(); }).crash();
}
TEST(CrashPoints, MetadataLogOnAFaultyDisk) {
    env::sim::CrashSweep([] { return std::make_unique<CreateTopicsScript>(); }).fail();
}

TEST(CrashPoints, Format) {
    env::sim::CrashSweep([] { return std::make_unique<FormatScript>(); }).crash();
}
TEST(CrashPoints, FormatOnAFaultyDisk) {
    env::sim::CrashSweep([] { return std::make_unique<FormatScript>(); }).fail();
}

}  // namespace
}  // namespace millrace::quorum
