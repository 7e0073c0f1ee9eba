#include <fmt/format.h>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "env/posix/world.h"
#include "env/sim/world.h"
#include "quorum/control_records.h"
#include "quorum/quorum_for_tests.h"
#include "quorum/quorum_state_file.h"
#include "quorum/record_batches.h"
#include "quorum/snapshot_file.h"

namespace millrace::quorum {
namespace {

std::string to_hex(Bytes bytes) {
    std::string text;
    for (std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
    return text;
}

// Puts the directory testdata/apache onto the disk of a simulated node.
void bring_apache_directory(env::Disk& to) {
    env::posix::World real({.shards = 1, .timestamp_log = false});
    real.run([&](env::Shard& shard) -> Task<int> {
        const std::string root = MILLRACE_SOURCE_DIR "/src/quorum/testdata/apache";
        EXPECT_TRUE(to.make_directories("/data/__cluster_metadata-0"));
        for (std::string_view folder : {"", "/__cluster_metadata-0"}) {
            auto entries = shard.disk().list(root + std::string(folder));
            EXPECT_TRUE(entries);
            for (const env::DirectoryEntry& entry : *entries) {
                if (entry.is_directory) continue;
                std::string name = std::string(folder) + "/" + entry.name;
                auto text = env::read_file(shard.disk(), root + name);
                EXPECT_TRUE(text);
                EXPECT_TRUE(env::replace_file(to, "/data" + name, *text));
            }
        }
        co_return 0;
    });
}

TEST(ApacheFilesTest, ADirectoryOfApacheIsTakenOver) {
    env::sim::World world(1);
    env::sim::Node& node = world.add_node("node");
    bring_apache_directory(node.disk());
    config::BrokerConfig config = config_for_tests("/data");
    metadata::ImagePtr before;
    world.run(node, [&](env::Shard& shard) {
        return with_quorum(shard, config, [&](env::Shard&, MetadataQuorum& quorum) -> Task<void> {
            metadata::ImagePtr image = co_await quorum.caught_up();
            std::vector<std::string> names;
            for (const auto& entry : image->topics.by_name()) names.emplace_back(entry.key);
            EXPECT_EQ(names, (std::vector<std::string>{"t1", "topic-a", "topic-b", "topic-c",
                                                       "topic-d", "topic-e"}));
            EXPECT_EQ(image->topics.find(std::string_view("topic-e"))->id,
                      Uuid::parse("FhJwMEZZSRWjOs4EeSCjIg").value());
            EXPECT_EQ(image->topics.find(std::string_view("t1"))->partitions.size(), 3U);
            EXPECT_EQ(image->topic_configs("topic-a").at("retention.ms"), "1234");
            EXPECT_NE(image->brokers.find(1), nullptr);
            EXPECT_NE(image->controllers.find(1), nullptr);
            EXPECT_EQ(image->features.level_of("transaction.version"), 2);
            QuorumStatus status = quorum.status();
            EXPECT_EQ(status.epoch, 3);  // two terms of Apache's
            EXPECT_EQ(status.voters.at(0).key.directory,
                      Uuid::parse("bAQaeVzuTCiIXK7cWa4ZVg").value());
            before = image;
        });
    });
    // The snapshot alone and the log behind it are what the whole log is.
    ASSERT_TRUE(node.disk().remove(
        "/data/__cluster_metadata-0/00000000000000000100-0000000002.checkpoint"));
    world.run(node, [&](env::Shard& shard) {
        return with_quorum(shard, config, [&](env::Shard&, MetadataQuorum& quorum) -> Task<void> {
            metadata::ImagePtr image = co_await quorum.caught_up();
            EXPECT_TRUE(image->same_content(*before));
        });
    });
}

// Bytes that Apache's format wrote on 2026-11-25.
TEST(ApacheFilesTest, TheFirstSnapshotIsApachesByteForByte) {
    raft::Voter voter;
    voter.key = {1, Uuid::parse("846jlU0OQ0Kty21fAu-RhA").value()};
    voter.endpoints.push_back({"CONTROLLER", "127.0.0.1", 9393});
    QuorumFacts facts{1, raft::VoterSet({voter})};
    SnapshotBatch batch{0, 0, 0x01a2151bbb99};
    EXPECT_EQ(to_hex(snapshot_header_batch(batch, 0x01a2151bbb8e, facts)),
              "00000000000000000000009a0000000002cbd0d2fd002000000002000001a2151bbb99000001"
              "a2151bbb99ffffffffffffffffffffffffffff000000032a0000000800000003160000000001"
              "a2151bbb8e00001e00000208000000050a000000010000820100000408000000066e00000200"
              "000001f38ea3954d0e4342adcb6d5f02ef9184020b434f4e54524f4c4c45520a3132372e302e"
              "302e3124b1000000000100000000");
    batch = {3, 0, 0x01a2151bbba1};
    EXPECT_EQ(to_hex(snapshot_footer_batch(batch)),
              "00000000000000030000003f00000000024f33edb10020000000000000"
              "01a2151bbba1000001a2151bbba1ffffffffffffffffffffffffffff00"
              "0000011a00000008000000040600000000");
}

TEST(ApacheFilesTest, TheFirstBatchOfAnEpochIsApachesByteForByte) {
    env::sim::World world(1);
    env::sim::Node& node = world.add_node("node");
    bring_apache_directory(node.disk());
    auto text = env::read_file(node.disk(), "/data/__cluster_metadata-0/00000000000000000000.log");
    ASSERT_TRUE(text);
    auto first = BatchView::parse(as_bytes(*text));
    ASSERT_TRUE(first);
    auto values = read_control_batch(*first);
    ASSERT_TRUE(values);
    ASSERT_EQ(values->voters.size(), 1U);
    raft::EpochStart start;
    start.span = {0, 3, 1};
    start.leader = 1;
    start.voters = {1};
    start.granting = {1};
    start.voter_set = values->voters[0].value;
    start.kraft_version = values->kraft_versions.at(0).value;
    Slice ours = epoch_start_batch(start, first->max_timestamp());
    EXPECT_EQ(to_hex(ours), to_hex(first->bytes().first(first->size())));
}

TEST(ApacheFilesTest, RecordsOfASnapshotAreBatchedAsApacheDoes) {
    env::sim::World world(1);
    env::sim::Node& node = world.add_node("node");
    bring_apache_directory(node.disk());
    auto text = env::read_file(node.disk(), "/data/bootstrap.checkpoint");
    ASSERT_TRUE(text);
    metadata::Records records;
    auto head = read_snapshot(node.disk(), "/data/bootstrap.checkpoint",
                              [&](metadata::VersionedRecord record, std::int64_t) -> Result<> {
                                  records.push_back(std::move(record));
                                  return {};
                              });
    ASSERT_TRUE(head) << head.error().message;
    EXPECT_EQ(head->last_contained, 0);
    EXPECT_EQ(records.size(), 6U);
    BatchReader reader(as_bytes(*text));
    ASSERT_TRUE(*reader.next());
    auto data = reader.next();
    ASSERT_TRUE(data && *data);
    BatchOptions options;
    options.base_offset = 1;
    options.leader_epoch = 0;
    Slice ours;
    RecordBatches batches(options, (*data)->max_timestamp(), default_max_batch_bytes,
                          [&](Slice batch) -> Result<> {
                              ours = std::move(batch);
                              return {};
                          });
    for (const metadata::VersionedRecord& record : records) EXPECT_TRUE(batches.add(record));
    EXPECT_TRUE(batches.finish());
    EXPECT_EQ(to_hex(ours), to_hex((*data)->bytes().first((*data)->size())));
}

TEST(ApacheFilesTest, SnapshotNames) {
    EXPECT_EQ(snapshot_name({100, 2}), "00000000000000000100-0000000002.checkpoint");
    auto whole = parse_snapshot_name("00000000000000000100-0000000002.checkpoint");
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->id, (raft::OffsetAndEpoch{100, 2}));
    EXPECT_EQ(whole->kind, SnapshotName::Kind::whole);
    EXPECT_EQ(parse_snapshot_name("00000000000000000100-0000000002.checkpoint.deleted")->kind,
              SnapshotName::Kind::deleted);
    EXPECT_EQ(parse_snapshot_name("00000000000000000100-0000000002-123.checkpoint.part")->kind,
              SnapshotName::Kind::partial);
    for (std::string_view other :
         {"", ".checkpoint", "bootstrap.checkpoint", "00000000000000000100.log",
          "00000000000000000100-000000000x.checkpoint", "0-0.checkpoint",
          "00000000000000000100-0000000002.checkpoint.tmp"})
        EXPECT_FALSE(parse_snapshot_name(other)) << other;
}

TEST(ApacheFilesTest, QuorumState) {
    const Uuid directory = Uuid::parse("bAQaeVzuTCiIXK7cWa4ZVg").value();
    raft::VoterSet voters({raft::Voter{{1, {}}}, raft::Voter{{2, {}}}});
    for (std::int16_t version : {0, 1}) {
        for (const raft::QuorumState& state :
             {raft::QuorumState{}, raft::QuorumState{3, 2, {}},
              raft::QuorumState{4, raft::no_node, {1, version == 0 ? Uuid{} : directory}}}) {
            const std::string text = quorum_state_text(state, version, voters);
            auto read = parse_quorum_state(text, "quorum-state");
            ASSERT_TRUE(read) << read.error().message;
            EXPECT_EQ(*read, state);
            auto without = parse_quorum_state(text.substr(0, text.find('\n')), "quorum-state");
            EXPECT_TRUE(without && *without == state);
            for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
                std::string rotten = text;
                rotten[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
                auto found = parse_quorum_state(rotten, "quorum-state");
                EXPECT_TRUE(!found || *found == state) << "bit " << bit << " of " << text;
            }
        }
    }
    for (std::string_view bad :
         {"", "{}", "{\"data_version\":2}", "{\"data_version\":1,\"leaderId\":1}",
          R"({"leaderId":1,"leaderEpoch":-1,"votedId":-1,"data_version":0})",
          R"({"leaderId":x,"leaderEpoch":1,"votedId":-1,"data_version":0})",
          R"({"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"x","data_version":1})",
          R"({"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"x)"}) {
        auto read = parse_quorum_state(bad, "quorum-state");
        ASSERT_FALSE(read) << bad;
        EXPECT_EQ(read.error().code, ErrorCode::kafka_storage_error);
    }
}

}  // namespace
}  // namespace millrace::quorum
