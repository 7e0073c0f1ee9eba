#include "broker/cleaner/io_throttle.h"

#include <gtest/gtest.h>

#include "base/scope.h"
#include "env/shard.h"
#include "env/sim/world.h"

namespace millrace::broker {
namespace {

void run(std::function<Task<void>(env::Shard&)> body) {
    env::sim::World world(1);
    env::sim::Node& node = world.add_node("node");
    auto main = [&](env::Shard& here) -> Task<int> {
        co_await body(here);
        co_return 0;
    };
    EXPECT_EQ(world.run(node, main), 0);
}

TEST(IoThrottle, AllWhoTakeShareTheRate) {
    run([](env::Shard& here) -> Task<void> {
        IoThrottle throttle(here, 1'000'000);
        Time begun = here.now();
        auto body = [&](Scope& scope) -> Task<void> {
            auto take = [&]() -> Task<void> {
                for (int i = 0; i < 10; ++i) co_await throttle.take(100'000);
            };
            for (int i = 0; i < 3; ++i) scope.spawn(take());
            co_await scope.join();
        };
        co_await with_scope(body);
        EXPECT_NEAR((here.now() - begun).in_seconds(), 3, 0.01);
        // Nothing is saved up.
        co_await env::sleep_for(here, Duration::seconds(100));
        begun = here.now();
        co_await throttle.take(500'000);
        EXPECT_NEAR((here.now() - begun).in_seconds(), 0.5, 0.01);
    });
}

TEST(IoThrottle, ANewRateHoldsForWhatWaits) {
    run([](env::Shard& here) -> Task<void> {
        IoThrottle throttle(here, 10);
        Time begun = here.now();
        auto body = [&](Scope& scope) -> Task<void> {
            scope.spawn(throttle.take(1'000'000));
            co_await env::sleep_for(here, Duration::seconds(10));
            throttle.set_rate(1e308);
            co_await scope.join();
        };
        co_await with_scope(body);
        EXPECT_LE((here.now() - begun).in_seconds(), 11.1);
    });
}

TEST(IoThrottle, PortionsFollowTheRate) {
    run([](env::Shard& here) -> Task<void> {
        EXPECT_EQ(IoThrottle(here, 1).portion(), 64U << 10U);
        EXPECT_EQ(IoThrottle(here, 1 << 20).portion(), 256U << 10U);
        EXPECT_EQ(IoThrottle(here, 1e308).portion(), 4U << 20U);
        co_return;
    });
}

}  // namespace
}  // namespace millrace::broker
