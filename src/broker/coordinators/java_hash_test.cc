#include "broker/coordinators/java_hash.h"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

TEST(CoordinatorPartition, IsThatOfApache) {
    EXPECT_EQ(coordinator_partition("polygenelubricants", 50), 0);
    EXPECT_EQ(coordinator_partition("hello", 50), 22);
}

}  // namespace
}  // namespace millrace::broker
