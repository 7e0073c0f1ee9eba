#pragma once

#include <cstdint>
#include <functional>
#include <gtest/gtest.h>
#include <limits>

#include "env/disk.h"
#include "env/shard.h"
#include "env/sim/world.h"
#include "storage/directory_health.h"
#include "storage/log.h"

namespace millrace::storage {

// A log on the disk of a simulated node; it is opened anew for each live(), and left as a kill
// would leave it.
class SimulatedLogTest : public testing::Test {
  protected:
    explicit SimulatedLogTest(std::uint64_t seed = 5)
        : world_(seed), node_(world_.add_node("node")) {
        EXPECT_TRUE(node_.disk().make_directories("/d"));
        EXPECT_TRUE(node_.disk().sync_directory("/"));
        origin_.path = "/d/t-0";
        origin_.options.producer_id_expiration_ms = std::numeric_limits<std::int64_t>::max();
    }

    void live(std::function<Task<void>(env::Shard&, Log&)> body) {
        auto main = [&](env::Shard& here) -> Task<int> {
            DirectoryHealth health;
            auto log = co_await Log::open(here, health, origin_);
            EXPECT_TRUE(log) << log.error().message;
            co_await body(here, **log);
            co_await (*log)->abandon();
            co_return 0;
        };
        EXPECT_EQ(world_.run(node_, main), 0);
    }

    env::sim::World world_;
    env::sim::Node& node_;
    LogOrigin origin_;
};

}  // namespace millrace::storage
