#include "broker/share/share_metrics.h"

#include <gtest/gtest.h>

#include "metrics/declared.h"

namespace millrace::broker {
namespace {

namespace declared = metrics::declared;

TEST(ShareMetrics, CountsRecordsByWhatBecameOfThem) {
    metrics::Registry registry{Time()};
    ShareMetrics share(registry);
    share.acknowledged({{{0, 9}, {1}}, {{10, 12}, {2, 0, 3}}, {{20, 21}, {4}}});
    share.acknowledged({{{30, 30}, {1}}});
    auto count = [&](std::string type) {
        return registry
            .meter(declared::share_group_metrics_record_acknowledgements_per_sec, {std::move(type)})
            .count();
    };
    EXPECT_EQ(count("Accept"), 11U);
    EXPECT_EQ(count("Release"), 1U);
    EXPECT_EQ(count("Reject"), 1U);
    EXPECT_EQ(count("Renew"), 2U);
}

TEST(ShareMetrics, TellsWhichPartOfItsPartitionsAFetchHad) {
    metrics::Registry registry{Time()};
    ShareMetrics share(registry);
    share.fetched("g", 2, 3, Duration::milliseconds(40));
    share.fetched("g", 0, 3, Duration::milliseconds(500));
    share.fetched("other", 1, 1, Duration());
    auto& ratio = registry.histogram(
        declared::share_group_metrics_request_topic_partitions_fetch_ratio, {"g"});
    auto& after =
        registry.histogram(declared::share_group_metrics_topic_partitions_acquire_time_ms, {"g"});
    EXPECT_EQ(ratio.count(), 2U);
    EXPECT_EQ(ratio.max(), 66);
    EXPECT_EQ(ratio.min(), 0);
    EXPECT_EQ(after.min(), 40);
    EXPECT_EQ(after.max(), 500);
}

TEST(ShareMetrics, CountsRequestsOfEachTopicAndOfAll) {
    metrics::Registry registry{Time()};
    ShareMetrics share(registry);
    share.fetch_request("a");
    share.fetch_request("b");
    share.acknowledge_request("a");
    share.fetch_failed(0);
    share.acknowledge_failed(2);
    auto count = [&](const metrics::MeterDeclaration& declaration, metrics::Labels labels) {
        return registry.meter(declaration, std::move(labels)).count();
    };
    const auto& fetches = declared::broker_topic_metrics_total_share_fetch_requests_per_sec;
    EXPECT_EQ(count(fetches, {}), 2U);
    EXPECT_EQ(count(fetches, {"a"}), 1U);
    EXPECT_EQ(
        count(declared::broker_topic_metrics_total_share_acknowledgement_requests_per_sec, {"a"}),
        1U);
    EXPECT_EQ(count(declared::broker_topic_metrics_failed_share_fetch_requests_per_sec, {}), 0U);
    EXPECT_EQ(
        count(declared::broker_topic_metrics_failed_share_acknowledgement_requests_per_sec, {}),
        2U);
}

}  // namespace
}  // namespace millrace::broker
