#include "core/replication/nearest.h"

#include <gtest/gtest.h>

#include "core/replication/replication_for_tests.h"

namespace millrace::replication {
namespace {

class NearestTest : public testing::Test {
  protected:
    NearestTest() {
        for (std::int32_t id : {1, 2, 3, 4}) image_ = with_broker(image_, id, 100 + id);
        put(1, "a");
        put(2, "b");
        put(3, "b");
        leader_.step(LogMoved{20, 20}, input());
        fetched(2, 10, 5);
        fetched(3, 15, 5);
    }
    void put(std::int32_t id, std::string rack, bool fenced = false) {
        image_ = with_broker(image_, id, 100 + id, fenced, false, std::move(rack));
    }
    LeaderInput input() const { return {Time(), Duration::seconds(30), image_}; }
    void fetched(std::int32_t id, Offset offset, Offset start) {
        leader_.step(FollowerFetched{id, 100 + id, offset, start}, input());
    }
    std::optional<std::int32_t> nearest(Offset offset, std::string_view rack) {
        return nearest_replica(leader_, 1, offset, rack, image_);
    }

    metadata::Image image_;
    Leader leader_{1, {led_by(1, {1, 2, 3, 4}, {1, 2, 3}), 1}, 0, 0, Time()};
};

TEST_F(NearestTest, IsTheOneOfTheRackThatHasMost) {
    EXPECT_EQ(nearest(8, "b"), 3);
    EXPECT_EQ(nearest(12, "b"), 3);
    fetched(2, 20, 5);
    EXPECT_EQ(nearest(8, "b"), 2);
}

TEST_F(NearestTest, IsTheLeaderWhereItIsOfTheRackOrNobodyIs) {
    EXPECT_FALSE(nearest(8, "a"));
    EXPECT_FALSE(nearest(8, "c"));
    EXPECT_FALSE(nearest(8, ""));
}

TEST_F(NearestTest, HasTheOffsetAndIsAliveAndInSync) {
    EXPECT_FALSE(nearest(16, "b"));
    EXPECT_FALSE(nearest(4, "b"));
    put(3, "b", true);
    EXPECT_EQ(nearest(8, "b"), 2);
    put(4, "d");
    EXPECT_FALSE(nearest(0, "d")) << "4 is not in sync";
}

}  // namespace
}  // namespace millrace::replication
