#include "broker/coordinators/coordinator_figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "env/sim/world.h"
#include "metrics/declared.h"

namespace millrace::broker {
namespace {

namespace declared = metrics::declared;
using testing::HasSubstr;

TEST(CountAndRate, ARateIsOfTheLastHalfMinuteToMinute) {
    env::sim::World world(1);
    world.run(world.add_node("node"), [](env::Shard& shard) -> Task<int> {
        metrics::Registry registry(shard.now());
        CountAndRate commits(shard, registry,
                             declared::group_coordinator_metrics_offset_commit_count,
                             declared::group_coordinator_metrics_offset_commit_rate);
        auto text = [&] { return registry.snapshot(shard.now()).text(); };
        EXPECT_THAT(text(), HasSubstr("offset_commit_rate 0\n"));
        commits.add(20);
        std::uint64_t counted = 5;
        commits.follow(45, counted);
        EXPECT_EQ(counted, 45U);
        co_await env::sleep_for(shard, Duration::seconds(5));
        EXPECT_THAT(text(), HasSubstr("offset_commit_count 60\n"));
        EXPECT_THAT(text(), HasSubstr("offset_commit_rate 2\n"));
        co_await env::sleep_for(shard, Duration::seconds(60));
        EXPECT_THAT(text(), HasSubstr("offset_commit_rate 0\n"));
        co_return 0;
    });
}

TEST(LoadFigures, TellsPartitionsByStageAndHowLongTheyLoaded) {
    metrics::Registry registry{Time()};
    LoadFigures figures(registry,
                        {declared::share_coordinator_metrics_num_partitions,
                         declared::share_coordinator_metrics_partition_load_time_avg,
                         declared::share_coordinator_metrics_partition_load_time_max},
                        [](LoadFigures::Stage stage) -> std::size_t {
                            return stage == LoadFigures::Stage::active    ? 3
                                   : stage == LoadFigures::Stage::loading ? 2
                                                                          : 1;
                        });
    figures.loaded(Duration::milliseconds(10), Time());
    figures.loaded(Duration::milliseconds(30), Time());
    std::string text = registry.snapshot(Time()).text();
    EXPECT_THAT(text, HasSubstr("num_partitions{state=\"active\"} 3\n"));
    EXPECT_THAT(text, HasSubstr("num_partitions{state=\"loading\"} 2\n"));
    EXPECT_THAT(text, HasSubstr("num_partitions{state=\"failed\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("partition_load_time_avg 20\n"));
    EXPECT_THAT(text, HasSubstr("partition_load_time_max 30\n"));
}

}  // namespace
}  // namespace millrace::broker
