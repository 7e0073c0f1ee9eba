// The directory of a metadata log in which one bit of one file is flipped: the node does not start
// and says why, or nothing that it knows is another one; what an unclean end may have torn off the
// log's end may be gone.

#include <cstdlib>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <map>
#include <optional>

#include "base/log_for_tests.h"
#include "env/sim/file_tree_for_tests.h"
#include "env/sim/world.h"
#include "quorum/quorum_for_tests.h"

namespace millrace::quorum {
namespace {

using env::Shard;
using env::sim::FileTree;

// What a node knows once it leads.
struct Told {
    std::map<std::string, Uuid> topics;
    std::int32_t epoch = 0;
    std::int64_t offset = 0;
};

class BitFlips : public testing::Test {
  protected:
    FileTree files_at_the_end() {
        FileTree files;
        env::sim::World world(1);
        env::sim::Node& node = world.add_node("node");
        world.run(node, [&](Shard& shard) -> Task<int> {
            EXPECT_TRUE(format_for_tests(shard, config_));
            for (int life = 0; life < 2; ++life) {
                co_await with_quorum(shard, config_, [life](Shard& here, MetadataQuorum& quorum) {
                    return create(here, quorum, life);
                });
            }
            env::sim::read_tree(shard.disk(), "/data", files);
            co_return 0;
        });
        return files;
    }
    static Task<void> create(Shard& shard, MetadataQuorum& quorum, int life) {
        co_await quorum.caught_up();
        EXPECT_TRUE(co_await start_broker_for_tests(shard, quorum));
        for (int i = 0; i < 6; ++i) {
            EXPECT_TRUE(co_await quorum.submit(topic_for_tests(fmt::format("t{}-{}", life, i))));
        }
        // A snapshot that is under way comes to its end.
        co_await env::sleep_for(shard, Duration::milliseconds(50));
    }

    // Nothing when the start is refused.
    std::optional<Told> reopen(const FileTree& files) {
        std::optional<Told> told;
        env::sim::World world(1);
        env::sim::Node& node = world.add_node("node");
        world.run(node, [&](Shard& shard) -> Task<int> {
            env::sim::write_tree(node.disk(), files);
            auto quorum = co_await open_for_tests(shard, config_);
            if (!quorum) {
                EXPECT_FALSE(quorum.error().message.empty());
                co_return 1;
            }
            metadata::ImagePtr image;
            auto know = [&]() -> Task<void> { image = co_await (*quorum)->caught_up(); };
            co_await env::with_deadline(shard, shard.now() + Duration::seconds(60), know());
            if (image != nullptr) {
                told.emplace();
                for (const auto& [name, topic] : image->topics.by_name()) {
                    told->topics[std::string(name)] = topic->id;
                }
                told->epoch = (*quorum)->status().epoch;
                told->offset = image->offset;
            }
            (void)co_await (*quorum)->stop();
            co_return 0;
        });
        return told;
    }

    log::CapturedLog captured_;  // what is told of flips
    config::BrokerConfig config_ =
        config_for_tests("/data",
                         "metadata.log.max.record.bytes.between.snapshots=1500\n"
                         "internal.metadata.log.segment.bytes=1500\n"
                         "metadata.max.idle.interval.ms=0\n");
};

// Every so many bits; ./dev soak takes all.
TEST_F(BitFlips, AreFoundOrHarmless) {
    const char* of_environment = std::getenv("MILLRACE_BIT_STRIDE");
    std::uint64_t stride =
        of_environment == nullptr ? 149 : std::strtoull(of_environment, nullptr, 10);
    FileTree files = files_at_the_end();
    std::optional<Told> sound = reopen(files);
    ASSERT_TRUE(sound);
    ASSERT_EQ(sound->topics.size(), 12U);
    std::uint64_t flipped = 0, refused = 0, counter = 0;
    for (const auto& [name, stored] : files) {
        for (std::uint64_t bit = 0; bit < stored.content.size() * 8; ++bit) {
            if (++counter % stride != 0) continue;
            SCOPED_TRACE(fmt::format("bit {} of byte {} of {}", bit % 8, bit / 8, name));
            std::optional<Told> found = reopen(env::sim::rotten(files, name, bit));
            ++flipped;
            if (!found) {
                ++refused;
                continue;
            }
            bool may_be_cut = name.ends_with(".log");
            for (const auto& [topic, id] : found->topics) {
                EXPECT_TRUE(sound->topics.contains(topic) && sound->topics.at(topic) == id);
            }
            if (!may_be_cut) {
                EXPECT_EQ(found->topics, sound->topics);
                EXPECT_EQ(found->epoch, sound->epoch);
                EXPECT_EQ(found->offset, sound->offset);
            }
            if (HasFailure()) return;
        }
    }
    RecordProperty("flipped", std::to_string(flipped));
    RecordProperty("refused", std::to_string(refused));
    EXPECT_GT(flipped, 200U);
}

}  // namespace
}  // namespace millrace::quorum
