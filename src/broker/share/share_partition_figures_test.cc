#include "broker/share/share_partition_figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "metrics/declared.h"

namespace millrace::broker {
namespace {

namespace declared = metrics::declared;
using testing::HasSubstr;
using testing::IsEmpty;

Time at(std::int64_t ms) { return Time() + Duration::milliseconds(ms); }

const metrics::Labels labels{"g", "t", "3"};
const FetchTicket one{at(1), 0, 1};
const FetchTicket other{at(2), 0, 2};

TEST(SharePartitionFigures, TimesTheTurnsOfFetches) {
    metrics::Registry registry{Time()};
    SharePartitionFigures figures(registry, labels);
    auto& ms = registry.histogram(declared::share_partition_metrics_fetch_lock_time_ms, labels);
    auto& ratio = registry.histogram(declared::share_partition_metrics_fetch_lock_ratio, labels);
    figures.turn_begins(one, at(10));
    figures.turn_begins(other, at(20));
    figures.turn_begins(one, at(25));
    figures.turn_ends(other, at(30));
    EXPECT_EQ(ms.count(), 0U);
    figures.turn_ends(one, at(40));
    EXPECT_EQ(ms.max(), 30);
    EXPECT_EQ(ratio.max(), 100);  // there was no time before the first one
    figures.turn_begins(other, at(70));
    figures.turn_ends(other, at(80));
    EXPECT_EQ(ms.min(), 10);
    EXPECT_EQ(ratio.min(), 25);
    figures.turn_begins(one, at(90));
    figures.turn_ends(one, at(90));
    EXPECT_EQ(ms.count(), 3U);
    EXPECT_EQ(ratio.min(), 10);
}

TEST(SharePartitionFigures, TellsOfRecordsAndGoesWithThePartition) {
    metrics::Registry registry{Time()};
    {
        SharePartitionFigures figures(registry, labels);
        figures.read_in_flight([] { return 5; }, [] { return 2; });
        figures.given_out({{0, 9, 1}, {10, 11, 2}});
        figures.timed_out(3);
        std::string text = registry.snapshot(at(1)).text();
        std::string tail = ",group=\"g\",topic=\"t\",partition=\"3\"} ";
        std::string family = "kafka_server_SharePartitionMetrics_";
        for (const char* sample :
             {"Value{name=\"InFlightMessageCount\"@5\n", "Value{name=\"InFlightBatchCount\"@2\n",
              "Max{name=\"InFlightBatchMessageCount\"@10\n",
              "Count{name=\"InFlightBatchMessageCount\"@1\n",
              "Count{name=\"AcquisitionLockTimeoutPerSec\"@3\n"}) {
            std::string wanted = family + sample;
            wanted.replace(wanted.find('@'), 1, tail);
            EXPECT_THAT(text, HasSubstr(wanted));
        }
    }
    EXPECT_THAT(registry.snapshot(at(1)).text(), IsEmpty());
}

}  // namespace
}  // namespace millrace::broker
