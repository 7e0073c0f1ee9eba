#include "tls/stream.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "env/disk.h"
#include "env/posix/world.h"
#include "env/sim/world.h"
#include "tls/settings_for_tests.h"

namespace millrace::tls {
namespace {

using env::Shard;
using testing::HasSubstr;
using Side = Profile::Side;

// Two ends of a connection in one shard, with a stream on each.
class Pair {
  public:
    Task<void> connect(Shard& shard, Settings ours, Settings theirs,
                       std::string host = "localhost") {
        auto server_profile = Profile::load(ours, Side::server, shard.disk(), shard.wall_ms());
        auto client_profile = Profile::load(theirs, Side::client, shard.disk(), shard.wall_ms());
        CHECK(server_profile && client_profile);
        auto listener = shard.network().listen({"127.0.0.1", 0});
        CHECK(listener);
        auto connected = co_await shard.network().connect((*listener)->local());
        auto accepted = co_await (*listener)->accept();
        CHECK(connected && accepted);
        near_ = *std::move(connected);
        far_ = *std::move(accepted);
        client.emplace(shard, *near_, *client_profile, host);
        server.emplace(shard, *far_, *server_profile);
        co_await with_scope([&](Scope& scope) -> Task<void> {
            scope.spawn(shake(*client, *near_, client_outcome));
            scope.spawn(shake(*server, *far_, server_outcome));
            co_await scope.join();
        });
    }
    Result<> client_outcome;
    Result<> server_outcome;

  private:
    static Task<void> shake(Stream& stream, env::Connection& connection, Result<>& outcome) {
        outcome = co_await stream.handshake();
        if (!outcome) connection.close();
    }
    std::unique_ptr<env::Connection> near_;
    std::unique_ptr<env::Connection> far_;

  public:
    std::optional<Stream> client;
    std::optional<Stream> server;
    env::Connection& near() { return *near_; }
};

void in_simulator(std::uint64_t seed, std::function<Task<void>(Shard&)> test) {
    env::sim::World world(seed);
    world.run(world.add_node("a"), [&](Shard& shard) -> Task<int> {
        co_await test(shard);
        co_return 0;
    });
}
void in_reality(std::function<Task<void>(Shard&)> test) {
    env::posix::World world({.shards = 1});
    world.run([&](Shard& shard) -> Task<int> {
        co_await test(shard);
        co_return 0;
    });
}

std::string random_text(Random& random, std::size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random.below(256));
    return text;
}

Task<Result<std::size_t>> read(Stream& stream, MutableBytes into) {
    env::FixedRoom room(into);
    co_return co_await stream.read(room);
}

Task<std::string> read_all(Stream& stream, std::size_t size, Random& random, std::size_t most) {
    std::string text;
    Buffer buffer;
    while (text.size() < size) {
        buffer.resize(1 + random.below(most));
        auto count = co_await read(stream, buffer.mutable_bytes());
        if (!count || *count == 0) {
            ADD_FAILURE() << (count ? "ended" : count.error().message) << " after " << text.size();
            co_return text;
        }
        text += as_string(buffer.bytes().first(*count));
    }
    co_return text;
}

// Chains of slices of any size, of files too, read by rooms of any size: the same bytes arrive.
Task<void> carry(Shard& shard, Random& random, Settings ours, Settings theirs) {
    Pair pair;
    co_await pair.connect(shard, ours, theirs);
    EXPECT_TRUE(pair.client_outcome) << pair.client_outcome.error().message;
    EXPECT_TRUE(pair.server_outcome) << pair.server_outcome.error().message;
    if (!pair.client_outcome || !pair.server_outcome) co_return;
    std::string folder = testing::TempDir();
    EXPECT_TRUE(shard.disk().make_directories(folder));
    std::string in_file = random_text(random, 300'000);
    EXPECT_TRUE(env::replace_file(shard.disk(), folder + "/tls_stream_test", in_file));
    auto file = shard.disk().open(folder + "/tls_stream_test", {});
    EXPECT_TRUE(file);
    for (int round = 0; round < 20; ++round) {
        Chain chain;
        std::string expected;
        for (auto pieces = 1 + random.below(4); pieces > 0; --pieces) {
            if (random.below(3) == 0) {
                std::uint64_t from = random.below(in_file.size());
                std::uint64_t size = 1 + random.below(in_file.size() - from);
                chain.append(FileRange{*file, from, size});
                expected += in_file.substr(from, size);
            } else {
                std::string text =
                    random_text(random, 1 + random.below(random.below(2) == 0 ? 100 : 100'000));
                chain.append(Slice::copy(text));
                expected += text;
            }
        }
        std::size_t most = std::size_t{1} << (4 + random.below(16));
        bool to_server = random.below(2) == 0;
        std::string got;
        co_await with_scope([&](Scope& scope) -> Task<void> {
            Stream& from = to_server ? *pair.client : *pair.server;
            Stream& to = to_server ? *pair.server : *pair.client;
            scope.spawn([](Stream& s, Chain c) -> Task<void> {
                auto written = co_await s.write(std::move(c));
                EXPECT_TRUE(written) << written.error().message;
            }(from, chain));
            got = co_await read_all(to, expected.size(), random, most);
            co_await scope.join();
        });
        EXPECT_TRUE(got == expected) << "round " << round << ", rooms up to " << most;
    }
    Buffer room(16);
    room.resize(16);
    co_await pair.client->close();
    EXPECT_EQ(co_await read(*pair.server, room.mutable_bytes()), 0U);
}

TEST(Stream, CarriesAnyChainInTheSimulator) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        in_simulator(seed, [&](Shard& shard) {
            return carry(shard, random, pem_settings("server.pem", ""), pem_settings("", "ca.pem"));
        });
    }
}

TEST(Stream, CarriesAnyChainInReality) {
    Random random(7);
    in_reality([&](Shard& shard) {
        return carry(shard, random, pem_settings("server.pem", ""), pem_settings("", "ca.pem"));
    });
}

TEST(Stream, CarriesAnyChainByTls12) {
    Random random(8);
    in_simulator(8, [&](Shard& shard) {
        Settings server = pem_settings("server.pem", "");
        server.tls_1_3 = false;
        return carry(shard, random, server, pem_settings("", "ca.pem"));
    });
}

TEST(Stream, BothSidesKnowEachOther) {
    in_simulator(1, [](Shard& shard) -> Task<void> {
        Settings ours = pem_settings("server.pem", "ca.pem");
        ours.client_auth = ClientAuth::required;
        ours.principal_rules = "RULE:^CN=(.*?),.*$/$1/";
        Pair pair;
        co_await pair.connect(shard, ours, pem_settings("client.pem", "ca.pem"));
        EXPECT_TRUE(pair.client_outcome && pair.server_outcome);
        const Machine& machine = pair.server->machine();
        EXPECT_EQ(machine.protocol(), "TLSv1.3");
        EXPECT_EQ(machine.cipher_suite(), "TLS_AES_256_GCM_SHA384");
        auto peer = machine.peer();
        EXPECT_TRUE(peer);
        if (peer) EXPECT_EQ(pair.server->profile().principal_of(*peer), "User:\\ client\\ ");
    });
}

struct Refused {
    Settings ours = pem_settings("server.pem", "ca.pem");
    Settings theirs = pem_settings("", "ca.pem");
    std::string host = "localhost";
    std::string client_reason;  // empty: the client learns of it later
    std::string server_reason;
};

void expect_refusal(const Refused& refused) {
    in_simulator(1, [&](Shard& shard) -> Task<void> {
        Pair pair;
        co_await pair.connect(shard, refused.ours, refused.theirs, refused.host);
        auto reason = [](const Result<>& result) { return result ? "" : result.error().message; };
        if (refused.client_reason.empty()) {
            Buffer room;
            room.resize(100);
            EXPECT_FALSE(co_await read(*pair.client, room.mutable_bytes()));
        } else {
            EXPECT_THAT(reason(pair.client_outcome), HasSubstr(refused.client_reason));
        }
        EXPECT_THAT(reason(pair.server_outcome), HasSubstr(refused.server_reason));
    });
}

TEST(Stream, ServersOfOthersAuthoritiesAreRefused) {
    expect_refusal({.theirs = pem_settings("", "other_ca.pem"),
                    .client_reason = "not accepted: self-signed",
                    .server_reason = "unknown ca"});
}

TEST(Stream, ServersOfOtherNamesAreRefused) {
    expect_refusal(
        {.host = "elsewhere.test", .client_reason = "hostname mismatch", .server_reason = "alert"});
    expect_refusal(
        {.host = "10.1.2.3", .client_reason = "IP address mismatch", .server_reason = "alert"});
}

TEST(Stream, NamesAreNotCheckedWhereTheKeyIsEmpty) {
    in_simulator(1, [&](Shard& shard) -> Task<void> {
        Settings theirs = pem_settings("", "ca.pem");
        theirs.check_host = false;
        Pair pair;
        co_await pair.connect(shard, pem_settings("server.pem", ""), theirs, "elsewhere.test");
        EXPECT_TRUE(pair.client_outcome && pair.server_outcome);
    });
}

TEST(Stream, ClientsWithoutACertificateAreRefusedWhereItIsRequired) {
    Refused refused{.server_reason = "peer did not return a certificate"};
    refused.ours.client_auth = ClientAuth::required;
    expect_refusal(refused);
    refused.ours.tls_1_3 = false;
    refused.client_reason = "alert";
    expect_refusal(refused);
}

TEST(Stream, ClientsOfOtherAuthoritiesAreRefusedWhereACertificateIsRequested) {
    Refused refused{.ours = pem_settings("server.pem", "other_ca.pem"),
                    .theirs = pem_settings("client.pem", "ca.pem"),
                    .server_reason = "not accepted"};
    refused.ours.client_auth = ClientAuth::requested;
    expect_refusal(refused);
}

TEST(Stream, VersionsThatDoNotMeetAreRefused) {
    Refused refused{.client_reason = "alert", .server_reason = "unsupported protocol"};
    refused.ours.tls_1_2 = false;
    refused.theirs.tls_1_3 = false;
    expect_refusal(refused);
}

// What is no TLS ends the handshake at once, and makes it wait for nothing.
TEST(Stream, PlaintextIsRefused) {
    in_simulator(1, [&](Shard& shard) -> Task<void> {
        auto profile = Profile::load(pem_settings("server.pem", ""), Side::server, shard.disk(),
                                     shard.wall_ms());
        const std::string inputs[] = {"GET / HTTP/1.1\r\n\r\n",
                                      std::string("\0\0\0\x10\0\x12\0\3\0\0\0\1", 12),
                                      std::string(20, '\xff')};
        for (const std::string& input : inputs) {
            auto listener = shard.network().listen({"127.0.0.1", 0});
            auto client = co_await shard.network().connect((*listener)->local());
            auto accepted = co_await (*listener)->accept();
            Stream stream(shard, **accepted, *profile);
            EXPECT_TRUE(co_await (*client)->write(Slice::copy(input)));
            EXPECT_FALSE(co_await stream.handshake()) << input;
        }
    });
}

// A record that was changed on its way is not read, nor is anything behind it.
TEST(Machine, NoticesChangedBytes) {
    in_simulator(1, [&](Shard& shard) -> Task<void> {
        auto server =
            Profile::load(pem_settings("server.pem", ""), Side::server, shard.disk(), summer_2026);
        auto client =
            Profile::load(pem_settings("", "ca.pem"), Side::client, shard.disk(), summer_2026);
        Machine ours((*server)->open(""), summer_2026);
        Machine theirs((*client)->open("localhost"), summer_2026);
        for (int i = 0; i < 4; ++i) {
            Buffer bytes = theirs.take_output();
            Bytes input = bytes.bytes();
            EXPECT_TRUE(ours.handshake(input));
            bytes = ours.take_output();
            input = bytes.bytes();
            EXPECT_TRUE(theirs.handshake(input));
        }
        EXPECT_TRUE(theirs.encrypt(as_bytes("good")));
        EXPECT_TRUE(theirs.encrypt(as_bytes("changed")));
        Buffer sent = theirs.take_output();
        sent.data()[sent.size() - 1] ^= 1;
        EXPECT_TRUE(theirs.encrypt(as_bytes("behind it")));
        sent.append(theirs.take_output().bytes());
        Bytes input = sent.bytes();
        std::uint8_t room[100];
        auto count = ours.decrypt(input, room);
        EXPECT_EQ(count, 4U);
        EXPECT_TRUE(input.empty());
        EXPECT_TRUE(ours.has_more());
        EXPECT_THAT(ours.decrypt(input, room).error().message, HasSubstr("bad record mac"));
        co_return;
    });
}

}  // namespace
}  // namespace millrace::tls
