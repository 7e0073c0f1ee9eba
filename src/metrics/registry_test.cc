#include "metrics/registry.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

#include "metrics/declared.h"

namespace millrace::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

Time at_second(std::int64_t seconds) { return Time::from_ns(seconds * 1'000'000'000); }

TEST(Meter, HasTheRatesOfASteadyStream) {
    Meter meter(at_second(0));
    for (int second = 1; second <= 3600; ++second) {
        meter.mark(7);
        meter.tick(at_second(second));
    }
    EXPECT_EQ(meter.count(), 25'200U);
    EXPECT_NEAR(meter.one_minute_rate(), 7, 1e-6);
    EXPECT_NEAR(meter.five_minute_rate(), 7, 1e-6);
    EXPECT_NEAR(meter.fifteen_minute_rate(), 7, 1e-6);
    EXPECT_EQ(meter.mean_rate(at_second(3600)), 7);
}

TEST(Meter, FadesOverItsMinutes) {
    Meter meter(at_second(0));
    meter.mark(300);
    meter.tick(at_second(5));
    EXPECT_EQ(meter.one_minute_rate(), 60);
    meter.tick(at_second(65));
    EXPECT_NEAR(meter.one_minute_rate(), 60 / std::exp(1.0), 1e-9);
    EXPECT_NEAR(meter.five_minute_rate(), 60 / std::exp(0.2), 1e-9);
    EXPECT_NEAR(meter.fifteen_minute_rate(), 60 / std::exp(1 / 15.0), 1e-9);
}

TEST(Meter, CountsItsTicksNotTheirCalls) {
    Meter often(at_second(0));
    Meter seldom(at_second(0));
    for (int second = 1; second <= 60; ++second) {
        often.mark(5);
        seldom.mark(5);
        often.tick(at_second(second));
    }
    seldom.tick(at_second(60));
    EXPECT_NEAR(often.one_minute_rate(), seldom.one_minute_rate(), 1e-9);
    EXPECT_EQ(often.one_minute_rate(), 5);
}

TEST(Exposition, AveragesAndMaximaAreThoseOfAllShards) {
    Registry one(at_second(0));
    Registry other(at_second(0));
    RecentSamples of_one;
    RecentSamples of_other;
    std::vector<Registry::Reading> readings;
    auto read = [&](Registry& registry, const RecentSamples& samples) {
        readings.push_back(registry.read_average(
            declared::group_coordinator_metrics_partition_load_time_avg, {}, samples));
        readings.push_back(registry.read_maximum(
            declared::group_coordinator_metrics_partition_load_time_max, {}, samples));
    };
    read(one, of_one);
    read(other, of_other);
    auto text = [&] {
        Snapshot both = one.snapshot(at_second(1));
        both.merge(other.snapshot(at_second(1)));
        return both.text();
    };
    EXPECT_THAT(text(), HasSubstr("partition_load_time_avg NaN\n"));
    EXPECT_THAT(text(), HasSubstr("partition_load_time_max NaN\n"));
    for (double ms : {10, 20, 30}) of_one.add(ms, at_second(1));
    EXPECT_THAT(text(), HasSubstr("partition_load_time_max 30\n"));
    of_other.add(60, at_second(1));
    EXPECT_THAT(text(), HasSubstr("partition_load_time_avg 30\n"));
    EXPECT_THAT(text(), HasSubstr("partition_load_time_max 60\n"));
}

TEST(Exposition, NamesAreThoseOfTheJmxExporter) {
    Registry registry(at_second(0));
    registry.meter(declared::broker_topic_metrics_bytes_in_per_sec).mark(10);
    registry.meter(declared::broker_topic_metrics_bytes_in_per_sec, {"t"}).mark(4);
    registry.gauge(declared::replica_manager_leader_count).set(3);
    registry.gauge(declared::raft_metrics_high_watermark).set(1234567);
    registry.gauge(declared::produce_byte_rate, {"", "app"}).set(0.5);
    registry.counter(declared::process_cpu_seconds_total).add(2);
    registry.counter(declared::socket_server_metrics_request_total, {"PLAINTEXT", "0"}).add(9);
    std::string text = registry.snapshot(at_second(10)).text();
    for (const char* line : {
             "# TYPE kafka_server_BrokerTopicMetrics_Count counter\n"
             "kafka_server_BrokerTopicMetrics_Count{name=\"BytesInPerSec\"} 10\n"
             "kafka_server_BrokerTopicMetrics_Count{name=\"BytesInPerSec\",topic=\"t\"} 4\n",
             "kafka_server_BrokerTopicMetrics_OneMinuteRate{name=\"BytesInPerSec\"} 1\n",
             "kafka_server_BrokerTopicMetrics_MeanRate{name=\"BytesInPerSec\",topic=\"t\"} 0.4\n",
             "# TYPE kafka_server_ReplicaManager_Value gauge\n"
             "kafka_server_ReplicaManager_Value{name=\"LeaderCount\"} 3\n",
             "kafka_server_raft_metrics_high_watermark 1234567\n",
             "kafka_server_Produce_byte_rate{client_id=\"app\"} 0.5\n",
             "# HELP process_cpu_seconds_total Processor time, in seconds.\n"
             "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 2\n",
             "kafka_server_socket_server_metrics_request_total{listener=\"PLAINTEXT\","
             "networkProcessor=\"0\"} 9\n",
         }) {
        EXPECT_THAT(text, HasSubstr(line));
    }
}

TEST(Exposition, HistogramsAndTimersHaveTheirAttributes) {
    Registry registry(at_second(0));
    Histogram& histogram = registry.histogram(declared::request_metrics_total_time_ms, {"Produce"});
    for (int i = 1; i <= 20; ++i) histogram.update(i);
    registry.timer(declared::log_flush_stats_log_flush_rate_and_time_ms)
        .update(Duration::microseconds(1500));
    std::string text = registry.snapshot(at_second(5)).text();
    const std::string labels = "{name=\"TotalTimeMs\",request=\"Produce\"} ";
    for (const char* attribute :
         {"Count{} 20", "Min{} 1", "Max{} 20", "Mean{} 10.5", "50thPercentile{} 10",
          "75thPercentile{} 15", "95thPercentile{} 19", "99thPercentile{} 20",
          "999thPercentile{} 20"}) {
        std::string line = std::string("kafka_network_RequestMetrics_") + attribute + "\n";
        line.replace(line.find("{} "), 3, labels);
        EXPECT_THAT(text, HasSubstr(line));
    }
    EXPECT_THAT(text,
                HasSubstr("kafka_log_LogFlushStats_Max{name=\"LogFlushRateAndTimeMs\"} 1.5\n"));
    EXPECT_THAT(text,
                HasSubstr("kafka_log_LogFlushStats_Count{name=\"LogFlushRateAndTimeMs\"} 1\n"));
    EXPECT_THAT(text,
                HasSubstr("kafka_log_LogFlushStats_FiveMinuteRate{name=\"LogFlushRateAndTimeMs\"} "
                          "0.2\n"));
}

TEST(Exposition, EachFamilyStandsTogetherOnce) {
    Registry registry(at_second(0));
    registry.gauge(declared::replica_manager_leader_count);
    registry.meter(declared::replica_manager_isr_expands_per_sec);
    registry.gauge(declared::replica_manager_partition_count);
    std::string text = registry.snapshot(at_second(1)).text();
    std::string_view type = "# TYPE kafka_server_ReplicaManager_Value";
    EXPECT_EQ(text.find(type), text.rfind(type));
    EXPECT_THAT(text, HasSubstr("kafka_server_ReplicaManager_Value{name=\"LeaderCount\"} 0\n"
                                "kafka_server_ReplicaManager_Value{name=\"PartitionCount\"} 0\n"));
}

TEST(Exposition, EscapesLabelsAndWritesSpecialNumbers) {
    Registry registry(at_second(0));
    registry.gauge(declared::metadata_loader_finalized_level, {"a\"b\\c\nd"})
        .set(std::numeric_limits<double>::quiet_NaN());
    registry.gauge(declared::replica_manager_leader_count)
        .set(-std::numeric_limits<double>::infinity());
    std::string text = registry.snapshot(at_second(1)).text();
    EXPECT_THAT(text, HasSubstr("featureName=\"a\\\"b\\\\c\\nd\"} NaN\n"));
    EXPECT_THAT(text, HasSubstr("{name=\"LeaderCount\"} -Inf\n"));
}

TEST(Registry, ExposesOnlyWhatIsUsed) {
    Registry registry(at_second(0));
    EXPECT_EQ(registry.snapshot(at_second(1)).text(), "");
    registry.meter(declared::broker_topic_metrics_bytes_in_per_sec, {"t"});
    registry.meter(declared::broker_topic_metrics_bytes_in_per_sec, {"u"});
    registry.gauge(declared::log_size, {"t", "0"});
    registry.remove_labelled("topic", "t");
    std::string text = registry.snapshot(at_second(1)).text();
    EXPECT_THAT(text, HasSubstr("topic=\"u\""));
    EXPECT_THAT(text, Not(HasSubstr("topic=\"t\"")));
    registry.remove(declared::broker_topic_metrics_bytes_in_per_sec, {"u"});
    EXPECT_EQ(registry.snapshot(at_second(1)).text(), "");
}

TEST(Registry, GivesTheSameInstrumentAgain) {
    Registry registry(at_second(0));
    Counter& counter = registry.counter(declared::process_cpu_seconds_total);
    EXPECT_EQ(&counter, &registry.counter(declared::process_cpu_seconds_total));
    EXPECT_NE(&registry.gauge(declared::log_size, {"t", "0"}),
              &registry.gauge(declared::log_size, {"t", "1"}));
}

TEST(Registry, ReadsGaugesWhileTheirReadingLives) {
    Registry registry(at_second(0));
    int partitions = 5;
    {
        Registry::Reading reading = registry.read_gauge(declared::replica_manager_partition_count,
                                                        {}, [&] { return partitions; });
        Registry::Reading moved = std::move(reading);
        partitions = 6;
        EXPECT_THAT(registry.snapshot(at_second(1)).text(), HasSubstr("\"PartitionCount\"} 6\n"));
    }
    EXPECT_EQ(registry.snapshot(at_second(1)).text(), "");
}

TEST(Snapshot, OfAllShardsIsTheirSum) {
    Registry one(at_second(0));
    Registry other(at_second(0));
    for (Registry* registry : {&one, &other}) {
        registry->gauge(declared::replica_manager_leader_count).set(2);
        registry->meter(declared::broker_topic_metrics_messages_in_per_sec).mark(10);
        registry->histogram(declared::request_metrics_total_time_ms, {"Fetch"})
            .update(registry == &one ? 1 : 3);
    }
    Snapshot all = one.snapshot(at_second(5));
    all.merge(other.snapshot(at_second(5)));
    std::string text = all.text();
    EXPECT_THAT(text, HasSubstr("{name=\"LeaderCount\"} 4\n"));
    EXPECT_THAT(text, HasSubstr("BrokerTopicMetrics_Count{name=\"MessagesInPerSec\"} 20\n"));
    EXPECT_THAT(text, HasSubstr("BrokerTopicMetrics_OneMinuteRate{name=\"MessagesInPerSec\"} 4\n"));
    EXPECT_THAT(text, HasSubstr("RequestMetrics_Mean{name=\"TotalTimeMs\",request=\"Fetch\"} 2\n"));
    EXPECT_THAT(text, HasSubstr("RequestMetrics_Max{name=\"TotalTimeMs\",request=\"Fetch\"} 3\n"));
}

TEST(Declarations, AreDocumentedAndNamedOnce) {
    std::set<std::pair<std::string_view, std::string_view>> names;
    for (const Declaration* declaration : declared::all) {
        EXPECT_FALSE(declaration->documentation.empty()) << declaration->family;
        EXPECT_LE(declaration->required_labels, declaration->labels.size());
        EXPECT_TRUE(names.emplace(declaration->family, declaration->name).second)
            << declaration->family << " " << declaration->name;
    }
    EXPECT_GT(names.size(), 200U);
}

}  // namespace
}  // namespace millrace::metrics
