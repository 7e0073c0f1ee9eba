#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>

#include "env/sim/world.h"
#include "quorum/quorum_for_tests.h"

namespace millrace::quorum {
namespace {

// A node that loses its power again and again while topics are created on it.
class Life {
  public:
    explicit Life(std::uint64_t seed)
        : world_(seed, {.shuffle_coroutines = true}),
          node_(world_.add_node("node")),
          config_(config_for_tests("/data",
                                   "metadata.log.max.record.bytes.between.snapshots=3000\n"
                                   "internal.metadata.log.segment.bytes=4000\n"
                                   "metadata.max.retention.bytes=15000\n")) {}

    void live(int crashes) {
        world_.run(node_, [this](env::Shard& shard) -> Task<int> {
            EXPECT_TRUE(format_for_tests(shard, config_));
            co_return 0;
        });
        for (int i = 0; i < crashes && !testing::Test::HasFailure(); ++i) {
            node_.start([this](env::Shard& shard) {
                return with_quorum(shard, config_, [this](env::Shard& s, MetadataQuorum& quorum) {
                    return create_topics(s, quorum);
                });
            });
            // Also within the start itself.
            auto bound = world_.random().chance(0.3) ? 20'000 : 150'000;
            world_.run_for(Duration::microseconds(world_.random().between(0, bound)));
            world_.crash(node_);
        }
        check_twice();
    }
    std::size_t acknowledged() const { return acknowledged_.size(); }

  private:
    Task<void> create_topics(env::Shard& shard, MetadataQuorum& quorum) {
        check(*co_await quorum.caught_up());
        if (!co_await start_broker_for_tests(shard, quorum)) co_return;
        co_await with_scope([&](Scope& scope) -> Task<void> {
            for (int i = 0; i < 3; ++i) scope.spawn(create_some(shard, quorum));
            co_await scope.join();
        });
    }
    Task<void> create_some(env::Shard& shard, MetadataQuorum& quorum) {
        for (;;) {
            std::string name = "t" + std::to_string(names_++);
            asked_.insert(name);
            auto created = co_await quorum.submit(topic_for_tests(name));
            EXPECT_TRUE(created || is_of_ending_node(created.error())) << created.error().message;
            if (!created) co_return;
            EXPECT_EQ(created->response.topics.at(0).error_code, ErrorCode::none);
            acknowledged_[name] = created->response.topics.at(0).topic_id;
            metadata::ImagePtr image = co_await quorum.image_after(created->offset - 1);
            EXPECT_NE(image->topics.find(std::string_view(name)), nullptr);
            co_await env::sleep_for(shard, Duration::microseconds(world_.random().between(0, 900)));
        }
    }
    void check(const metadata::Image& image) const {
        for (const auto& [name, id] : acknowledged_) {
            const metadata::Topic* topic = image.topics.find(std::string_view(name));
            EXPECT_NE(topic, nullptr) << name << " was committed and is lost";
            if (topic == nullptr) return;
            EXPECT_EQ(topic->id, id);
            EXPECT_EQ(topic->partitions.size(), 1U);
        }
        for (const auto& entry : image.topics.by_name())
            EXPECT_TRUE(asked_.contains(std::string(entry.key)));
    }
    void check_twice() {
        metadata::ImagePtr first;
        for (int i = 0; i < 2; ++i) {
            world_.run(node_, [&](env::Shard& shard) {
                return with_quorum(shard, config_,
                                   [&](env::Shard&, MetadataQuorum& quorum) -> Task<void> {
                                       metadata::ImagePtr image = co_await quorum.caught_up();
                                       check(*image);
                                       if (first != nullptr)
                                           EXPECT_TRUE(image->same_content(*first));
                                       first = image;
                                   });
            });
        }
    }

    env::sim::World world_;
    env::sim::Node& node_;
    config::BrokerConfig config_;
    int names_ = 0;
    std::set<std::string> asked_;
    std::map<std::string, Uuid> acknowledged_;
};

TEST(MetadataQuorumCrashTest, NothingCommittedIsLostWithThePower) {
    std::uint64_t first = 1;
    std::uint64_t count = 8;
    if (const char* seed = std::getenv("MILLRACE_SEED")) {
        first = std::strtoull(seed, nullptr, 10);
        count = 1;
    }
    std::size_t acknowledged = 0;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        SCOPED_TRACE("MILLRACE_SEED=" + std::to_string(seed));
        Life life(seed);
        life.live(10);
        acknowledged += life.acknowledged();
        if (HasFailure()) return;
    }
    EXPECT_GT(acknowledged, count * 10);
}

}  // namespace
}  // namespace millrace::quorum
