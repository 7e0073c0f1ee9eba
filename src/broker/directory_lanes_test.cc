#include "broker/directory_lanes.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "env/shard.h"
#include "env/sim/world.h"

namespace millrace::broker {
namespace {

constexpr int directories = 3;
constexpr int pieces = 10;
constexpr int lanes = 2;

TEST(DirectoryLanes, SoManyAtOnceInEachOfAllDirectories) {
    env::sim::World world(5);
    env::sim::Node& node = world.add_node("node");
    int code = world.run(node, [&](env::Shard& here) -> Task<int> {
        DirectoryLanes work;
        std::vector<int> under_way(directories), begun(directories);
        int most = 0;
        for (int directory = 0; directory < directories; ++directory) {
            auto at = static_cast<std::size_t>(directory);
            for (int piece = 0; piece < pieces; ++piece) {
                work.add(fmt::format("/{}", directory), [&, at, piece](int lane) -> Task<void> {
                    EXPECT_EQ(begun[at]++, piece);
                    EXPECT_LE(++under_way[at], lanes);
                    EXPECT_TRUE(lane == 0 || lane == 1) << lane;
                    most = std::max(most, under_way[0] + under_way[1] + under_way[2]);
                    co_await env::sleep_for(here, Duration::milliseconds(1 + piece % 3));
                    --under_way[at];
                });
            }
        }
        co_await work.run(lanes);
        EXPECT_EQ(begun, std::vector<int>(directories, pieces));
        EXPECT_EQ(under_way, std::vector<int>(directories, 0));
        EXPECT_EQ(most, directories * lanes);
        co_return 0;
    });
    EXPECT_EQ(code, 0);
}

TEST(DirectoryLanes, ACancellationEndsWhatIsUnderWayAndBeginsNoMore) {
    env::sim::World world(6);
    env::sim::Node& node = world.add_node("node");
    int code = world.run(node, [&](env::Shard& here) -> Task<int> {
        DirectoryLanes work;
        int begun = 0;
        for (int piece = 0; piece < pieces; ++piece) {
            work.add("/a", [&](int) -> Task<void> {
                ++begun;
                co_await env::sleep_for(here, Duration::seconds(10));
            });
        }
        EXPECT_FALSE(
            co_await env::with_deadline(here, here.now() + Duration::seconds(1), work.run(lanes)));
        EXPECT_EQ(begun, lanes);
        co_return 0;
    });
    EXPECT_EQ(code, 0);
}

}  // namespace
}  // namespace millrace::broker
