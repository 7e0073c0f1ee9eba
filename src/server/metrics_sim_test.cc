// What a node tells of the quorum at /metrics: each figure that Apache Kafka's nodes have, with a
// value that may be.

#include <fmt/core.h>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "env/network.h"
#include "server/simulated_cluster_for_tests.h"

namespace millrace::server {
namespace {

constexpr std::string_view groups[] = {
    "kafka_server_raft_metrics_",        "kafka_controller_KafkaController_",
    "kafka_controller_ControllerStats_", "kafka_server_MetadataLoader_",
    "kafka_server_SnapshotEmitter_",     "kafka_server_broker_metadata_metrics_"};
// Here no thread of its own loads metadata, whose rest could be told.
constexpr std::string_view not_told = "kafka_server_MetadataLoader_Value AvgIdleRatio";

// Samples by name, with the label `name` behind it: those of the groups above.
std::set<std::string> told_by_apache() {
    std::set<std::string> told;
    std::ifstream recorded(MILLRACE_SOURCE_DIR "/src/metrics/recorded/exporter.tsv");
    for (std::string line; std::getline(recorded, line);) {
        for (std::string_view group : groups) {
            if (!line.starts_with(group)) continue;
            std::istringstream fields(line);
            std::string name;
            std::string label;
            std::getline(fields, name, '\t');
            std::getline(fields, label, '\t');
            told.insert(label.empty() ? name : name + " " + label);
        }
    }
    told.erase(std::string(not_told));
    return told;
}

Task<std::string> scrape(env::Shard& shard, env::Address from) {
    auto connection = co_await shard.network().connect(from);
    CHECK(connection.has_value());
    Chain request;
    request.append(
        Slice::copy(as_bytes("GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")));
    EXPECT_TRUE(co_await (*connection)->write(std::move(request)));
    std::string text;
    std::vector<std::uint8_t> piece(65'536);
    while (true) {
        auto read = co_await (*connection)->read(piece);
        if (!read || *read == 0) co_return text;
        text += as_string(Bytes(piece).first(*read));
    }
}

// The last value of each sample by its whole name, and by its name and the label `name`.
std::map<std::string, double> samples_in(const std::string& text) {
    std::map<std::string, double> samples;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::size_t space = line.rfind(' ');
        if (!line.starts_with("kafka_") || space == std::string::npos) continue;
        double value = std::strtod(line.c_str() + space, nullptr);
        std::string whole = line.substr(0, space);
        samples[whole] = value;
        std::string name = whole.substr(0, whole.find('{'));
        std::size_t label = whole.find("name=\"");
        bool labelled = label != std::string::npos && whole[label - 1] != 'e';
        if (labelled) {
            std::size_t end = whole.find('"', label + 6);
            name += " " + whole.substr(label + 6, end - label - 6);
        }
        samples[name] = value;
    }
    return samples;
}

TEST(Metrics, TellOfTheQuorumWhatApachesNodesTell) {
    env::sim::World world(1);
    SimulatedLog log(world);
    SimulatedCluster cluster(world,
                             {.nodes = {{1, Roles::both}, {2, Roles::both}, {3, Roles::both}},
                              .dynamic = true,
                              .lines = "metrics.listeners=:9404\n"
                                       "metadata.log.max.snapshot.interval.ms=2000\n"});
    ASSERT_TRUE(cluster.start_and_wait());
    world.run_for(Duration::seconds(5));
    env::sim::Node& machine = world.add_node("scraper");
    std::set<std::string> expected = told_by_apache();
    EXPECT_GT(expected.size(), 40U);
    std::int32_t leader = *cluster.leader();
    for (std::int32_t id : {1, 2, 3}) {
        SCOPED_TRACE(id);
        std::string text;
        run_on(world, machine, [&](env::Shard& shard) -> Task<void> {
            text = co_await scrape(shard, {SimulatedCluster::machine(id), 9404});
        });
        auto samples = samples_in(text);
        for (const std::string& each : expected) {
            bool of_heartbeats = each.contains("TimeSinceLastHeartbeatReceivedMs");
            EXPECT_EQ(samples.contains(each), id == leader || !of_heartbeats) << each;
        }
        auto raft = [&](const char* name) {
            return samples[fmt::format("kafka_server_raft_metrics_{}", name)];
        };
        EXPECT_EQ(raft("current_leader"), leader);
        EXPECT_EQ(raft("current_vote"), leader);
        EXPECT_EQ(raft("number_of_voters"), 3);
        EXPECT_EQ(raft("number_unknown_voter_connections"), 0);
        EXPECT_GE(raft("current_epoch"), 1);
        EXPECT_EQ(raft("log_end_epoch"), raft("current_epoch"));
        EXPECT_GT(raft("high_watermark"), 10);
        EXPECT_GE(raft("log_end_offset"), raft("high_watermark"));
        EXPECT_GE(raft("poll_idle_ratio_avg"), 0);
        EXPECT_LE(raft("poll_idle_ratio_avg"), 1);
        auto controller = [&](const char* name) {
            return samples[fmt::format("kafka_controller_KafkaController_Value {}", name)];
        };
        EXPECT_EQ(controller("ActiveControllerCount"), id == leader ? 1 : 0);
        EXPECT_EQ(controller("ActiveBrokerCount"), 3);
        EXPECT_EQ(controller("BrokerRegistrationState"), 30);
        EXPECT_LT(controller("LastAppliedRecordLagMs"), 2000);
        EXPECT_LE(controller("TimeSinceLastHeartbeatReceivedMs"), 3000);
        EXPECT_EQ(controller("NewActiveControllersCount"), 1);
        EXPECT_GT(samples["kafka_server_SnapshotEmitter_Value LatestSnapshotGeneratedBytes"], 100);
        EXPECT_LT(samples["kafka_server_SnapshotEmitter_Value LatestSnapshotGeneratedAgeMs"], 4000);
        EXPECT_EQ(samples["kafka_server_MetadataLoader_Value{name=\"FinalizedLevel\","
                          "featureName=\"kraftVersion\"}"],
                  1);
        EXPECT_GT(samples["kafka_server_MetadataLoader_Value{name=\"FinalizedLevel\","
                          "featureName=\"metadataVersion\"}"],
                  20);
    }
}

}  // namespace
}  // namespace millrace::server
