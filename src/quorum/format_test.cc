#include "quorum/format.h"

#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "env/sim/world.h"
#include "quorum/initial_controllers.h"
#include "quorum/quorum_for_tests.h"
#include "quorum/scram_argument.h"
#include "quorum/snapshot_file.h"

namespace millrace::quorum {
namespace {

class FormatTest : public testing::Test {
  protected:
    FormatTest() : world_(1), disk(world_.add_node("node").disk()), random(1) {}

    static config::BrokerConfig config(std::string_view more = {}) {
        return config_for_tests("/d1,/d2", more);
    }
    static FormatCommand standalone() {
        FormatCommand command;
        command.cluster_id = "abc";
        command.standalone = true;
        return command;
    }
    Result<std::string> run(const config::BrokerConfig& config, const FormatCommand& command) {
        return format(disk, config, command, random, 1'795'000'000'000);
    }
    // The sentence it is refused with; nothing is written.
    std::string refusal(const config::BrokerConfig& config, const FormatCommand& command) {
        auto formatted = run(config, command);
        if (formatted) return "formatted";
        EXPECT_FALSE(disk.exists("/d1"));
        return formatted.error().message;
    }
    storage::MetaProperties meta(const std::string& directory) {
        auto text = env::read_file(disk, directory + "/meta.properties");
        EXPECT_TRUE(text);
        return storage::MetaProperties::parse(text.value_or(""), directory).value();
    }

  private:
    env::sim::World world_;

  protected:
    env::sim::Disk& disk;
    Random random;
};

TEST_F(FormatTest, Standalone) {
    auto printed = run(config(), standalone());
    ASSERT_TRUE(printed) << printed.error().message;
    EXPECT_EQ(
        *printed,
        "Bootstrap metadata: BootstrapMetadata(records=["
        "ApiMessageAndVersion(FeatureLevelRecord(name='metadata.version', featureLevel=30) at "
        "version 0), "
        "ApiMessageAndVersion(FeatureLevelRecord(name='eligible.leader.replicas.version', "
        "featureLevel=1) at version 0), "
        "ApiMessageAndVersion(FeatureLevelRecord(name='group.version', featureLevel=1) at version "
        "0), "
        "ApiMessageAndVersion(FeatureLevelRecord(name='share.version', featureLevel=1) at version "
        "0), "
        "ApiMessageAndVersion(FeatureLevelRecord(name='streams.version', featureLevel=1) at "
        "version 0), "
        "ApiMessageAndVersion(FeatureLevelRecord(name='transaction.version', featureLevel=2) at "
        "version 0)], metadataVersionLevel=30, source=format command)\n"
        "Formatting dynamic metadata voter directory /d1 with metadata.version 4.3-IV0.\n"
        "Formatting data directory /d2 with metadata.version 4.3-IV0.\n");
    EXPECT_EQ(meta("/d1").cluster_id, "abc");
    EXPECT_EQ(meta("/d1").node_id, 1);
    EXPECT_NE(meta("/d1").directory_id, meta("/d2").directory_id);
    EXPECT_TRUE(disk.exists("/d2/bootstrap.checkpoint"));
    EXPECT_FALSE(disk.exists("/d2/__cluster_metadata-0"));

    auto none = [](const metadata::VersionedRecord&, std::int64_t) -> Result<> {
        return fail(ErrorCode::invalid_record, "a record");
    };
    auto first = read_snapshot(
        disk, "/d1/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint", none);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->facts.kraft_version, 1);
    ASSERT_EQ(first->facts.voters->size(), 1U);
    const raft::Voter& voter = first->facts.voters->voters()[0];
    EXPECT_EQ(voter.key, (raft::ReplicaKey{1, *meta("/d1").directory_id}));
    EXPECT_EQ(voter.endpoints, (std::vector<raft::Endpoint>{{"CONTROLLER", "127.0.0.1", 9093}}));
}

TEST_F(FormatTest, WhatIsFormattedStays) {
    ASSERT_TRUE(run(config(), standalone()));
    storage::MetaProperties before = meta("/d1");
    auto again = run(config(), standalone());
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().message,
              "Log directory /d1 is already formatted. Use --ignore-formatted to ignore this "
              "directory and format the others.");
    FormatCommand ignoring = standalone();
    ignoring.ignore_formatted = true;
    EXPECT_EQ(run(config(), ignoring).value(),
              "All of the log directories are already formatted.\n");
    ASSERT_TRUE(disk.remove_all("/d2"));
    ASSERT_TRUE(run(config(), ignoring));
    EXPECT_EQ(meta("/d1"), before);
    EXPECT_EQ(meta("/d2").cluster_id, "abc");

    FormatCommand other = ignoring;
    other.cluster_id = "abd";
    EXPECT_EQ(run(config(), other).error().message,
              "Invalid cluster.id in: /d1/meta.properties. Expected abd, but read abc");
    EXPECT_EQ(run(config("node.id=2\n"), ignoring).error().message,
              "Stored node id 1 doesn't match previous node id 2 in /d1/meta.properties. If you "
              "moved your data, make sure your configured node id matches. If you intend to create "
              "a new node, you should remove all data in your data directories.");
}

TEST_F(FormatTest, KindsOfQuorum) {
    FormatCommand command;
    command.cluster_id = "abc";
    EXPECT_EQ(refusal(config(), command),
              "Because controller.quorum.voters is not set on this controller, you must specify "
              "one of the following: --standalone, --initial-controllers, or "
              "--no-initial-controllers.");
    std::string fixed = "controller.quorum.voters=1@127.0.0.1:9093\n";
    EXPECT_EQ(refusal(config(fixed), standalone()),
              "You cannot specify controller.quorum.voters and format the node with "
              "--initial-controllers or --standalone. If you want to use dynamic quorum, please "
              "remove controller.quorum.voters and specify controller.quorum.bootstrap.servers "
              "instead.");
    std::string broker = "process.roles=broker\nlisteners=PLAINTEXT://127.0.0.1:9092\n";
    EXPECT_EQ(refusal(config(broker), standalone()),
              "You can only use --standalone on a controller.");

    auto kind = [&](const config::BrokerConfig& one, const FormatCommand& how) {
        auto printed = run(one, how);
        EXPECT_TRUE(printed) << printed.error().message;
        std::string text = printed.value_or("");
        std::size_t at = text.find("Formatting ");
        EXPECT_TRUE(disk.exists("/d1/meta.properties"));
        bool first = disk.exists("/d1/__cluster_metadata-0");
        EXPECT_TRUE(disk.remove_all("/d1"));
        EXPECT_TRUE(disk.remove_all("/d2"));
        return std::pair(text.substr(at, text.find(" /d1") - at), first);
    };
    EXPECT_EQ(kind(config(fixed), command),
              std::pair(std::string("Formatting metadata directory"), false));
    EXPECT_EQ(kind(config(broker), command),
              std::pair(std::string("Formatting metadata directory"), false));
    command.no_initial_controllers = true;
    EXPECT_EQ(kind(config(), command),
              std::pair(std::string("Formatting metadata directory"), false));
    command.no_initial_controllers = false;
    command.initial_controllers = "2@h:1:JEXY6aqzQY-32P5TStzaFg";
    EXPECT_EQ(kind(config(), command),
              std::pair(std::string("Formatting dynamic metadata directory"), true));
    command.initial_controllers = "2@h:1:JEXY6aqzQY-32P5TStzaFg,1@[::1]:2:bAQaeVzuTCiIXK7cWa4ZVg";
    EXPECT_EQ(kind(config(), command),
              std::pair(std::string("Formatting dynamic metadata voter directory"), true));
}

TEST_F(FormatTest, Features) {
    auto with = [&](std::vector<std::string> features, std::optional<std::string> release = {}) {
        FormatCommand command = standalone();
        command.features = std::move(features);
        command.release_version = std::move(release);
        return refusal(config(), command);
    };
    EXPECT_EQ(with({"foo=1"}),
              "Unsupported feature: foo. Supported features are: eligible.leader.replicas.version, "
              "group.version, kraft.version, share.version, streams.version, transaction.version");
    EXPECT_EQ(with({"foo"}), "Can't parse feature=level string foo: equals sign not found.");
    EXPECT_EQ(with({"foo=x"}),
              "Can't parse feature=level string foo=x: unable to parse x as a short.");
    EXPECT_EQ(with({"metadata.version=20"}, "3.3"),
              "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.");
    EXPECT_TRUE(with({}, "9.9").starts_with("Unknown metadata.version '9.9'. Supported "));
    EXPECT_TRUE(with({"kraft.version=0"}).starts_with("Cannot set kraft.version to 0 if "));
    EXPECT_EQ(with({"share.version=0"}, "4.0"), "formatted");
    metadata::Records records;
    ASSERT_TRUE(read_snapshot(disk, "/d1/bootstrap.checkpoint",
                              [&](metadata::VersionedRecord record, std::int64_t) -> Result<> {
                                  records.push_back(std::move(record));
                                  return {};
                              }));
    EXPECT_EQ(std::get<FeatureLevelRecord>(records.at(0).message).feature_level, 25);
}

TEST(InitialControllersTest, WhatApacheRefuses) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"x", "No @ found in dynamic voter string."},
        {"@x", "Invalid @ at beginning of dynamic voter string."},
        {"1@", "No hostname found after node id."},
        {"1@h", "No colon following hostname could be found."},
        {"1@h:1", "No colon following port could be found."},
        {"1@[h:1", "Hostname began with left bracket, but no right bracket was found."},
        {"1@[h]1", "Port section must start with a colon."},
        {"1@h:x:JEXY6aqzQY-32P5TStzaFg", "Failed to parse port in dynamic voter string."},
        {"1@h:99999:JEXY6aqzQY-32P5TStzaFg", "Invalid port 99999 in dynamic voter string."},
        {"1@h:1:zz", "Failed to parse directory ID in dynamic voter string."},
        {"a@h:1:JEXY6aqzQY-32P5TStzaFg", "Failed to parse node id in dynamic voter string."},
        {"-1@h:1:JEXY6aqzQY-32P5TStzaFg", "Invalid negative node id -1 in dynamic voter string."},
        {"1@h:1:JEXY6aqzQY-32P5TStzaFg,1@h:2:JEXY6aqzQY-32P5TStzaFg",
         "Node id 1 was specified more than once."},
        {"", "No voters given."},
    };
    for (const auto& [text, sentence] : cases) {
        auto parsed = parse_initial_controllers(text, "CONTROLLER");
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().message, sentence);
    }
    auto parsed = parse_initial_controllers(
        " 2@b:2:JEXY6aqzQY-32P5TStzaFg,1@[::1]:9093:bAQaeVzuTCiIXK7cWa4ZVg", "CONTROLLER");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(raft::to_string(parsed->voters().at(0).key), "1:bAQaeVzuTCiIXK7cWa4ZVg");
    EXPECT_EQ(parsed->voters().at(0).endpoints.at(0), (raft::Endpoint{"CONTROLLER", "::1", 9093}));
}

TEST(ScramArgumentTest, WhatApacheRefuses) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"x", "Failed to find equals sign in SCRAM argument 'x'"},
        {"SHA=[a]", "The add-scram mechanism SHA is not supported."},
        {"SCRAM-SHA-256=a", "Expected configuration string to start with ["},
        {"SCRAM-SHA-256=[a", "Expected configuration string to end with ]"},
        {"SCRAM-SHA-256=[password=b]", "You must supply 'name' to add-scram"},
        {"SCRAM-SHA-256=[name=a]",
         "You must supply one of 'password' or 'saltedpassword' to add-scram"},
        {"SCRAM-SHA-256=[name=a,password=b,iterations=4]",
         "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256"},
        {"SCRAM-SHA-512=[name=a,password=b,iterations=99999999]",
         "The 'iterations' value must be <= 16384 for add-scram using SCRAM_SHA_512"},
        {"SCRAM-SHA-256=[name=a,saltedpassword=b]",
         "You must supply 'salt' with 'saltedpassword' to add-scram"},
        {"SCRAM-SHA-256=[name=a,password=b,foo=1]", "Unknown SCRAM configurations: foo"},
        {"SCRAM-SHA-256=[name=a,password=b,iterations=q]", "Failed to parse iterations count: q"},
        {"SCRAM-SHA-256=[name=a,password=b,salt=!!]", "Failed to decode given salt: !!"},
        {"SCRAM-SHA-256=[name=a,password=b,x]", "No equals sign found in SCRAM component: x"},
        {"SCRAM-SHA-256=[name=a,salt=N3E=,saltedpassword=!]",
         "Failed to decode given saltedPassword: !"},
        {"SCRAM-SHA-256=[name=a,salt=N3E=,saltedpassword=]",
         "Failed to decode given saltedPassword: "},
    };
    Random random(1);
    for (const auto& [text, sentence] : cases) {
        auto parsed = parse_scram_argument(text, random);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().message, sentence);
    }
}

// What Apache's format made of the same words.
TEST(ScramArgumentTest, CredentialsAreApaches) {
    Random random(1);
    auto record = parse_scram_argument(
        " SCRAM-SHA-256=[name=alice,iterations=8192,salt=\"N3E=\",password=\"x\"]", random);
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(record->name, "alice");
    EXPECT_EQ(record->mechanism, 1);
    EXPECT_EQ(record->iterations, 8192);
    EXPECT_EQ(record->salt.view(), "7q");
    auto bytes = [](const Slice& slice) {
        std::vector<int> numbers;
        for (std::uint8_t byte : slice.bytes()) numbers.push_back(static_cast<std::int8_t>(byte));
        return numbers;
    };
    EXPECT_EQ(bytes(record->stored_key),
              (std::vector<int>{-27,  66,  58,  0,   86,  33,  -50,  60,  103, 35,  -40,
                                -113, -41, -15, 118, 21,  -17, 95,   -10, 29,  -74, -125,
                                9,    116, 125, -83, -67, 112, -127, -18, 91,  -32}));
    EXPECT_EQ(bytes(record->server_key),
              (std::vector<int>{-116, -24, -16,  -75,  -18, 88,  -102, -61, -111, -64, 87,
                                -63,  -81, -37,  103,  -39, -73, 13,   -81, 8,    34,  -44,
                                -79,  -46, -121, -117, -29, 27,  34,   -48, 64,   78}));
    auto other = parse_scram_argument("SCRAM-SHA-512=[name=bob,password=x]", random);
    ASSERT_TRUE(other);
    EXPECT_EQ(other->mechanism, 2);
    EXPECT_EQ(other->iterations, 4096);
    EXPECT_EQ(other->salt.size(), 24U);
    EXPECT_EQ(other->stored_key.size(), 64U);
}

TEST_F(FormatTest, Info) {
    auto info = storage_info(disk, config());
    ASSERT_TRUE(info);
    EXPECT_FALSE(info->sound);
    EXPECT_EQ(info->text, "Found problems:\n  /d1 does not exist\n  /d2 does not exist\n\n");
    ASSERT_TRUE(run(config(), standalone()));
    info = storage_info(disk, config());
    EXPECT_TRUE(info->sound);
    EXPECT_EQ(info->text,
              "Found log directories:\n  /d1\n  /d2\n\nFound metadata: {cluster.id=abc, "
              "directory.id=" +
                  meta("/d1").directory_id->to_string() + ", node.id=1, version=1}\n\n");
    ASSERT_TRUE(disk.remove("/d1/meta.properties"));
    info = storage_info(disk, config_for_tests("/d1"));
    EXPECT_FALSE(info->sound);
    EXPECT_EQ(info->text,
              "Found log directory:\n  /d1\n\nFound problem:\n  /d1 is not formatted.\n\n");
}

}  // namespace
}  // namespace millrace::quorum
