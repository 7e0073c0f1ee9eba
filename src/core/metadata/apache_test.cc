// What an Apache Kafka 4.3.1 node wrote: the records of its metadata log up to a snapshot, and the
// snapshot (testdata/README.md). MILLRACE_METADATA_LOG and MILLRACE_METADATA_SNAPSHOT name others.
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/metadata/changes.h"
#include "core/metadata/replay.h"
#include "core/metadata/snapshot.h"

namespace millrace::metadata {
namespace {

struct Line {
    std::int64_t offset = 0;
    std::int32_t epoch = 0;
    std::string value;
};

std::vector<Line> read_lines(const char* variable, const std::string& name) {
    const char* other = std::getenv(variable);
    std::ifstream file(
        other != nullptr ? other : MILLRACE_SOURCE_DIR "/src/core/metadata/testdata/" + name);
    std::vector<Line> lines;
    Line line;
    std::string hex;
    while (file >> line.offset >> line.epoch >> hex) {
        line.value.clear();
        for (std::size_t i = 0; i < hex.size(); i += 2)
            line.value.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
        lines.push_back(line);
    }
    EXPECT_FALSE(lines.empty());
    return lines;
}

ImagePtr replayed(const std::vector<Line>& lines) {
    Replay replay;
    for (const Line& line : lines) {
        Result<> applied = replay.apply(as_bytes(line.value), line.offset, line.epoch);
        EXPECT_TRUE(applied.has_value()) << applied.error().message;
    }
    EXPECT_FALSE(replay.in_transaction());
    return replay.image();
}

ImagePtr log_image() { return replayed(read_lines("MILLRACE_METADATA_LOG", "apache_log.tsv")); }
ImagePtr snapshot_image() {
    return replayed(read_lines("MILLRACE_METADATA_SNAPSHOT", "apache_snapshot.tsv"));
}

TEST(Apache, RecordsAreReadAndWrittenByteForByte) {
    for (const char* name : {"apache_log.tsv", "apache_snapshot.tsv"}) {
        for (const Line& line : read_lines("MILLRACE_METADATA_ANY", name)) {
            Result<VersionedRecord> record = decode(as_bytes(line.value));
            ASSERT_TRUE(record.has_value()) << line.offset << ": " << record.error().message;
            ASSERT_EQ(encode(*record)->view(), line.value) << name_of(record->message);
        }
    }
}

TEST(Apache, TheLogAndTheSnapshotGiveOneImage) {
    ImagePtr log = log_image();
    ImagePtr snapshot = snapshot_image();
    Changes changes = diff(*snapshot, *log);
    EXPECT_TRUE(changes.empty());
    for (const TopicChange& change : changes.topics) ADD_FAILURE() << change.topic().name;
    for (const BrokerChange& change : changes.brokers) ADD_FAILURE() << "broker " << change.id;
    for (const ConfigResource& resource : changes.configs) ADD_FAILURE() << resource.name;
    EXPECT_TRUE(log->same_content(*snapshot));
}

TEST(Apache, OurSnapshotHasTheRecordsOfTheirs) {
    std::multiset<std::string> theirs;
    for (const Line& line : read_lines("MILLRACE_METADATA_SNAPSHOT", "apache_snapshot.tsv"))
        theirs.insert(line.value);
    std::multiset<std::string> ours;
    for (const VersionedRecord& record : *to_records(*log_image()))
        ours.insert(std::string(encode(record)->view()));
    for (const std::string& value : ours) {
        if (theirs.contains(value)) continue;
        VersionedRecord record = *decode(as_bytes(value));
        // Apache keeps the features of a registration in no order.
        bool registration = std::holds_alternative<RegisterBrokerRecord>(record.message) ||
                            std::holds_alternative<RegisterControllerRecord>(record.message);
        EXPECT_TRUE(registration) << name_of(record.message);
    }
    EXPECT_EQ(ours.size(), theirs.size());
}

TEST(Apache, TheImageHoldsWhatWasDone) {
    if (std::getenv("MILLRACE_METADATA_LOG") != nullptr) GTEST_SKIP() << "another log";
    ImagePtr image = log_image();
    EXPECT_EQ(image->offset, 172);
    EXPECT_EQ(image->epoch, 3);
    EXPECT_EQ(image->features.level_of("metadata.version"), 30);
    EXPECT_EQ(image->features.level_of("share.version"), 0);
    EXPECT_TRUE(image->features.elr_enabled());

    const Topic* orders = image->topics.find("orders");
    ASSERT_NE(orders, nullptr);
    EXPECT_EQ(image->topics.find(orders->id), orders);
    EXPECT_EQ(orders->partitions.size(), 5U);
    EXPECT_EQ(orders->partition(4)->leader, 1);
    EXPECT_EQ(image->topics.find("by-hand"), nullptr);
    EXPECT_EQ(image->topic_configs("orders"),
              (config::ConfigMap{{"cleanup.policy", "delete,compact"},
                                 {"min.insync.replicas", "1"},
                                 {"segment.bytes", "2097152"}}));
    EXPECT_EQ(image->configs_of(config::ResourceType::broker, "").at("log.retention.ms"),
              "7200000");
    const Broker* broker = image->active_broker(1);
    ASSERT_NE(broker, nullptr);
    EXPECT_EQ(broker->endpoint("PLAINTEXT")->port, 29192);
    EXPECT_EQ(broker->endpoint("CONTROLLER"), nullptr);
    EXPECT_EQ(broker->directories.size(), 1U);
    EXPECT_EQ(image->controllers.size(), 1U);
    EXPECT_EQ(image->next_producer_id, 1'000);
    EXPECT_EQ(image->scram.size(), 1U);
    EXPECT_EQ(image->quotas.size(), 2U);
    EXPECT_EQ(image->acls.size(), 1U);
}

}  // namespace
}  // namespace millrace::metadata
