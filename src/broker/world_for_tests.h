#pragma once

#include <functional>
#include <gtest/gtest.h>

#include "env/sim/world.h"

namespace millrace::broker {

// A test as a node of a simulated world.
inline void in_world(const std::function<Task<void>(env::Shard&)>& test) {
    env::sim::World world(1);
    env::sim::Node& node = world.add_node("node");
    int code = world.run(node, [&](env::Shard& shard) -> Task<int> {
        co_await test(shard);
        co_return 0;
    });
    EXPECT_EQ(code, 0);
}

}  // namespace millrace::broker
