#include "tls/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "env/posix/world.h"
#include "env/sim/world.h"
#include "tls/stream_for_tests.h"

namespace millrace::tls {
namespace {

using env::Shard;
using testing::HasSubstr;
using Side = Profile::Side;

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
