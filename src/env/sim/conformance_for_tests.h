#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

#include "env/disk.h"
#include "env/network.h"
#include "env/posix/world.h"
#include "env/shard.h"
#include "env/sim/world.h"

// One suite for both worlds: what passes in the simulator holds in reality, and the other way
// round. Tests say what `env` promises, and nothing that only one of its worlds does.

// Leaves a test coroutine that cannot go on.
#define CO_ASSERT(...)                                     \
    do {                                                   \
        if (!(__VA_ARGS__)) {                              \
            ADD_FAILURE() << "not true: " << #__VA_ARGS__; \
            co_return;                                     \
        }                                                  \
    } while (false)

namespace millrace::env::conformance {

struct World {
    std::string name;
    std::uint64_t sim_seed = 0;  // 0: the real world
};

inline void PrintTo(const World& world, std::ostream* out) { *out << world.name; }

inline auto worlds() {
    return testing::Values(World{"posix"}, World{"sim_seed_1", 1}, World{"sim_seed_2", 2},
                           World{"sim_seed_3", 3}, World{"sim_seed_4", 4});
}

inline std::string name_of(const testing::TestParamInfo<World>& info) { return info.param.name; }

class Conformance : public testing::TestWithParam<World> {
  protected:
    void SetUp() override {
        if (simulated()) return;
        folder_ = testing::TempDir() + "millrace-conformance-" + std::to_string(getpid());
        std::filesystem::remove_all(folder_);
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override {
        if (!simulated()) std::filesystem::remove_all(folder_);
    }

    bool simulated() const { return GetParam().sim_seed != 0; }
    // An empty folder of the world's disk.
    const std::string& folder() const { return folder_; }
    std::string path(std::string_view name) const { return folder_ + "/" + std::string(name); }

    // Runs `body` on shard 0 of a fresh world; a minute at most.
    void run(int shards, std::function<Task<void>(Shard&)> body) {
        auto main = [this, &body](Shard& here) -> Task<int> {
            if (simulated()) EXPECT_TRUE(here.disk().make_directories(folder_));
            Time end = here.now() + Duration::seconds(60);
            bool ended = co_await with_deadline(here, end, body(here));
            EXPECT_TRUE(ended) << "still runs after a minute";
            co_return 0;
        };
        if (simulated()) {
            // Odd seeds resume what is ready in any order.
            sim::World world(GetParam().sim_seed,
                             {.shuffle_coroutines = GetParam().sim_seed % 2 == 1});
            world.run(world.add_node("node", {.shards = shards}), main);
        } else {
            posix::World world({.shards = shards, .timestamp_log = false});
            world.run(main);
        }
    }
    void run(std::function<Task<void>(Shard&)> body) { run(1, std::move(body)); }

  private:
    std::string folder_ = "/conformance";
};

}  // namespace millrace::env::conformance

// In each file of the suite, for its own name of the fixture.
#define MILLRACE_RUN_IN_BOTH_WORLDS(suite)                                        \
    INSTANTIATE_TEST_SUITE_P(Worlds, suite, millrace::env::conformance::worlds(), \
                             millrace::env::conformance::name_of)
