#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <string_view>

#include "server/simulated_node_for_tests.h"

namespace millrace::server {

// A node in a simulated world that is made to suffer, with an administrator beside it. Whatever the
// derived class has that lives on machines is there until its destructor has called end().
class NodeTrial {
  public:
    NodeTrial(const NodeTrial&) = delete;

  protected:
    NodeTrial(std::uint64_t seed, int shards, std::string_view lines = {})
        : world_(seed, {.shuffle_coroutines = seed % 2 == 0}),
          log_(world_),
          node_(world_, shards, lines),
          admin_(world_.add_node("admin")) {}
    ~NodeTrial() = default;
    void end() {
        for (const auto& each : world_.nodes()) world_.crash(*each);
    }

    Random& random() { return world_.random(); }
    void start_node() {
        node_.start();
        wait_for("the start", [&] { return node_.ready(); });
    }
    // Nothing of this happens once the test has failed.
    void on_admin(const std::function<Task<void>(env::Shard&)>& body) {
        if (testing::Test::HasFailure()) return;
        admin_.start([body](env::Shard& shard) -> Task<int> {
            co_await body(shard);
            co_return 0;
        });
        wait_for("the admin", [&] { return !admin_.running(); });
    }
    void wait_for(std::string_view whom, const std::function<bool()>& done) {
        if (testing::Test::HasFailure()) return;
        EXPECT_TRUE(world_.run_until([&] { return testing::Test::HasFailure() || done(); },
                                     Duration::seconds(900)))
            << whom << " did not end";
    }

    env::sim::World world_;
    SimulatedLog log_;
    SimulatedNode node_;
    env::sim::Node& admin_;
};

}  // namespace millrace::server
