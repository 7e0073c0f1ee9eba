#include "core/controller/alter_scram.h"

#include <gtest/gtest.h>

#include "core/controller/controller_for_tests.h"
#include "core/controller/scram_keys.h"

namespace millrace::controller {
namespace {

constexpr std::int8_t sha256 = 1;
constexpr std::int8_t sha512 = 2;

class AlterScramTest : public testing::Test {
  protected:
    void remove(const std::string& user, std::int8_t mechanism = sha256) {
        auto& deletion = command_.request.deletions.emplace_back();
        deletion.name = user;
        deletion.mechanism = mechanism;
    }
    void set(const std::string& user, std::int8_t mechanism = sha256,
             std::int32_t iterations = 4096, const std::string& salted = "salted password") {
        auto& upsertion = command_.request.upsertions.emplace_back();
        upsertion.name = user;
        upsertion.mechanism = mechanism;
        upsertion.iterations = iterations;
        upsertion.salt = Slice::copy("salt");
        upsertion.salted_password = Slice::copy(salted);
    }
    // "user: error message" of each user.
    std::vector<std::string> run() {
        std::vector<std::string> told;
        for (const auto& result : controller_.run(command_).results) {
            told.push_back(
                result.user + ": " +
                result.error_message.value_or(std::string(meaning_of(result.error_code))));
            if (result.error_code == ErrorCode::none) told.back() = result.user;
        }
        command_.request = {};
        return told;
    }
    const metadata::ScramCredential* find(const std::string& user, std::int8_t mechanism) {
        return controller_.state.image().scram.find(metadata::ScramUser{mechanism, user});
    }
    using Told = std::vector<std::string>;

    ControllerForTests controller_;
    AlterScramCredentials command_;
};

TEST_F(AlterScramTest, SetsAndRemoves) {
    set("alice");
    set("bob", sha512, 16384);
    EXPECT_EQ(run(), (Told{"alice", "bob"}));
    ASSERT_NE(find("alice", sha256), nullptr);
    EXPECT_EQ(find("alice", sha256)->salt, "salt");
    EXPECT_EQ(find("alice", sha256)->stored_key.size(), 32U);
    EXPECT_EQ(find("bob", sha512)->server_key.size(), 64U);
    remove("alice");
    set("bob", sha512, 5000);
    EXPECT_EQ(run(), (Told{"alice", "bob"}));
    EXPECT_EQ(find("alice", sha256), nullptr);
    EXPECT_EQ(find("bob", sha512)->iterations, 5000);
}

TEST_F(AlterScramTest, RefusesWhatIsWrong) {
    set("few", sha256, 4095);
    set("many", sha256, 16385);
    set("", sha256);
    set("other", 3);
    set("no password", sha256, 4096, "");
    remove("nobody");
    EXPECT_EQ(run(),
              (Told{"nobody: Attempt to delete a user credential that does not exist",
                    "few: Too few iterations", "many: Too many iterations",
                    ": Username must not be empty", "other: Unknown SCRAM mechanism",
                    "no password: " + std::string(meaning_of(ErrorCode::unknown_server_error))}));
    EXPECT_TRUE(controller_.last.empty());
}

TEST_F(AlterScramTest, NobodyIsAlteredTwice) {
    set("alice");
    run();
    remove("alice");
    set("alice", sha512);
    set("bob");
    set("bob", sha512);
    set("carol");
    std::string twice = ": A user credential cannot be altered twice in the same request";
    EXPECT_EQ(run(), (Told{"alice" + twice, "bob" + twice, "carol"}));
    EXPECT_NE(find("alice", sha256), nullptr);
    EXPECT_EQ(find("bob", sha256), nullptr);
    EXPECT_NE(find("carol", sha256), nullptr);
}

TEST(AlterScram, NeedsAMetadataVersionThatHasIt) {
    ControllerForTests controller(8);
    AlterScramCredentials command;
    command.request.deletions.emplace_back().name = "alice";
    auto response = controller.run(command);
    EXPECT_EQ(response.results.at(0).error_message,
              "The current metadata.version does not support SCRAM");
    EXPECT_EQ(response.results[0].error_code, ErrorCode::unsupported_version);
}

// RFC 7677, section 3: user "user", password "pencil".
TEST(ScramKeys, AreThoseOfTheRfc) {
    const ScramMechanism& mechanism = *find_scram_mechanism(sha256);
    std::string salt("\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81");
    auto salted = salted_password(mechanism, "pencil", as_bytes(salt), 4096);
    ScramKeys keys = scram_keys(mechanism, Bytes(salted));
    // WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=
    EXPECT_EQ(keys.stored_key.view().substr(0, 4), "\x58\x6e\x5d\xf2");
    // wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=
    EXPECT_EQ(keys.server_key.view().substr(0, 4), "\xc1\xf3\xcb\xc1");
}

}  // namespace
}  // namespace millrace::controller
