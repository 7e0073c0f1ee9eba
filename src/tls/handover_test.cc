#include "tls/handover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "env/sim/fabric.h"
#include "env/sim/world.h"
#include "tls/kernel_for_tests.h"
#include "tls/record_keys.h"
#include "tls/stream_for_tests.h"

namespace millrace::tls {
namespace {

using env::Shard;
using env::TlsRecord;
using testing::HasSubstr;
using testing::SizeIs;
using Side = Profile::Side;

void in_simulator(std::uint64_t seed, const env::sim::RecordCiphers& kernel,
                  std::function<Task<void>(Shard&)> test) {
    env::sim::World world(seed);
    world.fabric().record_ciphers = kernel;
    world.run(world.add_node("a"), [&](Shard& shard) -> Task<int> {
        co_await test(shard);
        co_return 0;
    });
}

struct Suite {
    const char* name;
    bool tls_1_3;
    bool is_known = true;  // to kernels
};
constexpr Suite suites[] = {
    {"TLS_AES_128_GCM_SHA256", true},
    {"TLS_AES_256_GCM_SHA384", true},
    {"TLS_CHACHA20_POLY1305_SHA256", true},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", false},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", false},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", false, false},
};

Settings server_settings(const Suite& suite) {
    Settings settings = pem_settings("server.pem", "ca.pem");
    settings.cipher_suites = {suite.name};
    settings.client_auth = ClientAuth::required;
    return settings;
}

TEST(Handover, AnyChainIsReadByOpenSslWhateverTheSuite) {
    std::uint64_t seed = 0;
    for (const Suite& suite : suites) {
        SCOPED_TRACE(suite.name);
        int connections = 0;
        Random random(++seed);
        in_simulator(seed, test_kernel(connections), [&](Shard& shard) {
            return carry(shard, random, server_settings(suite),
                         pem_settings("client.pem", "ca.pem"));
        });
        EXPECT_EQ(connections, suite.is_known ? 1 : 0);
    }
}

TEST(Handover, WhatTheKernelRefusesOpenSslGoesOnWith) {
    Random random(9);
    int asked = 0;
    auto refuse = [&](const env::TlsKeys&) {
        ++asked;
        return std::unique_ptr<env::sim::RecordCipher>();
    };
    in_simulator(9, refuse, [&](Shard& shard) {
        return carry(shard, random, server_settings(suites[1]),
                     pem_settings("client.pem", "ca.pem"));
    });
    EXPECT_EQ(asked, 1);
}

// Two machines, of which the server's hands over to what stands for a kernel.
struct Machines {
    explicit Machines(const Suite& suite, const std::function<void(SSL&, SSL&)>& set_up = {}) {
        in_simulator(1, {}, [&](Shard& shard) -> Task<void> {
            auto server =
                Profile::load(server_settings(suite), Side::server, shard.disk(), summer_2026);
            auto own = Profile::load(pem_settings("client.pem", "ca.pem"), Side::client,
                                     shard.disk(), summer_2026);
            profiles = {*server, *own};
            co_return;
        });
        open(set_up);
    }
    void open(const std::function<void(SSL&, SSL&)>& set_up) {
        SslPtr near = profiles[0]->open("");
        SslPtr far = profiles[1]->open("localhost");
        client = far.get();
        if (set_up) set_up(*near, *far);
        ours.emplace(std::move(near), summer_2026);
        theirs.emplace(std::move(far), summer_2026);
        for (int i = 0; i < 6; ++i) {
            Buffer bytes = theirs->take_output();
            Bytes input = bytes.bytes();
            EXPECT_TRUE(ours->handshake(input));
            bytes = ours->take_output();
            if (bytes.size() > 0) last_output.assign(bytes.bytes().begin(), bytes.bytes().end());
            input = bytes.bytes();
            EXPECT_TRUE(theirs->handshake(input));
            read_by_client(input);  // tickets
        }
        keys = ours->write_keys();
        if (!keys) {
            ADD_FAILURE() << "no keys";
            return;
        }
        ours->hand_over();
        kernel.emplace(*keys);
    }
    // What the client makes of records.
    std::string read_by_client(Bytes records) {
        std::uint8_t room[1000];
        auto count = theirs->decrypt(records, room);
        if (!count) return count.error().message;
        return std::string(as_string(Bytes(room).first(*count)));
    }
    std::string sent(std::string_view text) {
        return read_by_client(kernel->seal(TlsRecord::data, as_bytes(text)));
    }
    // What the server makes of what the client has put out.
    std::string read_by_server() {
        Buffer bytes = theirs->take_output();
        Bytes input = bytes.bytes();
        std::uint8_t room[1000];
        auto count = ours->decrypt(input, room);
        if (!count) return count.error().message;
        return std::string(as_string(Bytes(room).first(*count)));
    }

    std::vector<std::shared_ptr<const Profile>> profiles;
    SSL* client = nullptr;
    std::optional<Machine> ours;
    std::optional<Machine> theirs;
    std::optional<env::TlsKeys> keys;
    std::optional<TestRecordCipher> kernel;
    std::vector<std::uint8_t> last_output;  // of the server's handshake
};

TEST(Handover, ResumedSessionsAreHandedOverToo) {
    for (const Suite& suite : {suites[1], suites[4]}) {
        SCOPED_TRACE(suite.name);
        Machines machines(suite);
        EXPECT_EQ(machines.sent("first"), "first");
        Owned<SSL_SESSION, SSL_SESSION_free> session(SSL_get1_session(machines.client));
        machines.theirs->close();  // what ends otherwise is not resumed
        machines.open([&](SSL&, SSL& client) { SSL_set_session(&client, session.get()); });
        EXPECT_EQ(SSL_session_reused(machines.client), 1);
        EXPECT_EQ(machines.sent("again"), "again");
    }
}

TEST(Handover, HandshakesThatBeginAnewAreHandedOverToo) {
    Machines machines(suites[1], [](SSL& server, SSL& client) {
        SSL_set1_groups_list(&server, "P-384");
        SSL_set1_groups_list(&client, "X25519:P-384");
    });
    EXPECT_EQ(machines.sent("text"), "text");
}

// A nonce that serves twice under one key gives away what authenticates.
TEST(Handover, NoncesOfTls12GoOnBehindOpenSsls) {
    Machines machines(suites[3]);
    std::vector<std::uint8_t> finished(machines.last_output.end() - 40, machines.last_output.end());
    auto record = machines.kernel->seal(TlsRecord::data, as_bytes("text"));
    EXPECT_EQ(load_be<std::uint64_t>(record.data() + 5),
              load_be<std::uint64_t>(finished.data()) + 1);
    EXPECT_EQ(machines.keys->sequence, 1U);
}

TEST(Handover, TheEndIsTold) {
    for (const Suite& suite : {suites[1], suites[4]}) {
        SCOPED_TRACE(suite.name);
        Machines machines(suite);
        machines.ours->close();
        machines.ours->close();
        EXPECT_TRUE(machines.ours->output().empty());
        auto messages = machines.ours->take_messages();
        ASSERT_THAT(messages, SizeIs(1));
        EXPECT_EQ(messages[0].kind, TlsRecord::alert);
        EXPECT_EQ(machines.read_by_client(
                      machines.kernel->seal(messages[0].kind, Bytes(messages[0].bytes))),
                  "");
        EXPECT_TRUE(machines.theirs->ended());
    }
}

TEST(Handover, ThePeerIsToldWhatWasWrongWithItsRecords) {
    for (const Suite& suite : {suites[1], suites[4]}) {
        SCOPED_TRACE(suite.name);
        Machines machines(suite);
        EXPECT_TRUE(machines.theirs->encrypt(as_bytes("text")));
        machines.theirs->output().data()[machines.theirs->output().size() - 1] ^= 1;
        EXPECT_THAT(machines.read_by_server(), HasSubstr("TLS failed"));
        EXPECT_TRUE(machines.ours->output().empty());
        auto messages = machines.ours->take_messages();
        ASSERT_THAT(messages, SizeIs(1));
        EXPECT_THAT(machines.read_by_client(
                        machines.kernel->seal(messages[0].kind, Bytes(messages[0].bytes))),
                    HasSubstr("alert bad record mac"));
    }
}

TEST(Handover, RenegotiationIsRefusedAndTheConnectionGoesOn) {
    Machines machines(
        suites[4], [](SSL&, SSL& client) { SSL_clear_options(&client, SSL_OP_NO_RENEGOTIATION); });
    EXPECT_EQ(SSL_renegotiate(machines.client), 1);
    SSL_do_handshake(machines.client);
    EXPECT_EQ(machines.read_by_server(), "");
    auto messages = machines.ours->take_messages();
    ASSERT_THAT(messages, SizeIs(1));
    EXPECT_EQ(messages[0].kind, TlsRecord::alert);
    EXPECT_EQ(messages[0].bytes,
              (std::vector<std::uint8_t>{SSL3_AL_WARNING, SSL_AD_NO_RENEGOTIATION}));
    EXPECT_TRUE(machines.ours->output().empty());
}

// New keys of the client's alone are OpenSSL's business; a wish for new ones of the server's is
// told, with nothing put out.
TEST(Handover, AWishForNewKeysIsTold) {
    Machines machines(suites[1]);
    EXPECT_EQ(SSL_key_update(machines.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    EXPECT_TRUE(machines.theirs->encrypt(as_bytes("by new keys")));
    EXPECT_EQ(machines.read_by_server(), "by new keys");
    EXPECT_FALSE(machines.ours->wants_new_keys());
    EXPECT_EQ(machines.sent("by the old ones"), "by the old ones");

    EXPECT_EQ(SSL_key_update(machines.client, SSL_KEY_UPDATE_REQUESTED), 1);
    EXPECT_TRUE(machines.theirs->encrypt(as_bytes("once more")));
    EXPECT_EQ(machines.read_by_server(), "once more");
    EXPECT_TRUE(machines.ours->wants_new_keys());
    EXPECT_TRUE(machines.ours->output().empty());
    EXPECT_THAT(machines.ours->take_messages(), SizeIs(0));
}

TEST(Handover, AClientKeepsItsWriting) {
    Machines machines(suites[1]);
    EXPECT_FALSE(machines.theirs->write_keys());
    EXPECT_FALSE(machines.theirs->is_handed_over());
}

// A client that asks for new keys reads what was sent before, then that the connection ends.
TEST(Handover, AStreamEndsWhenNewKeysAreAskedFor) {
    int connections = 0;
    in_simulator(5, test_kernel(connections), [&](Shard& shard) -> Task<void> {
        auto ours =
            Profile::load(server_settings(suites[1]), Side::server, shard.disk(), shard.wall_ms());
        auto theirs = Profile::load(pem_settings("client.pem", "ca.pem"), Side::client,
                                    shard.disk(), shard.wall_ms());
        auto listener = shard.network().listen({"127.0.0.1", 0});
        auto near = co_await shard.network().connect((*listener)->local());
        auto far = co_await (*listener)->accept();
        SslPtr ssl = (*theirs)->open("localhost");
        SSL* client = ssl.get();
        Machine machine(std::move(ssl), shard.wall_ms());
        Stream server(shard, **far, *ours);
        auto send = [&]() -> Task<void> {
            EXPECT_TRUE(co_await (*near)->write(machine.take_output().freeze()));
        };
        bool open = true;
        auto receive = [&](MutableBytes into) -> Task<std::string> {
            std::vector<std::uint8_t> bytes(4096);
            auto count = co_await (*near)->read(bytes);
            open = count.value_or(0) > 0;
            Bytes input = Bytes(bytes).first(count.value_or(0));
            if (SSL_is_init_finished(client) == 0) {
                EXPECT_TRUE(machine.handshake(input));
                if (machine.has_something_to_say()) co_await send();
            }
            auto plain = machine.decrypt(input, into);
            EXPECT_TRUE(plain) << plain.error().message;
            co_return std::string(as_string(Bytes(into).first(plain.value_or(0))));
        };
        std::uint8_t room[1000];
        co_await with_scope([&](Scope& scope) -> Task<void> {
            scope.spawn([](Stream& stream) -> Task<void> {
                EXPECT_TRUE(co_await stream.handshake());
                EXPECT_TRUE(co_await stream.write(Slice::copy("last words")));
                std::uint8_t plain[100];
                auto count = co_await read(stream, plain);
                EXPECT_FALSE(count);
                if (!count) EXPECT_THAT(count.error().message, HasSubstr("new TLS keys"));
                co_await stream.close();
            }(server));
            Bytes none;
            EXPECT_TRUE(machine.handshake(none));
            co_await send();
            std::string text;
            while (open && text.size() < 10) text += co_await receive(room);
            EXPECT_EQ(text, "last words");
            EXPECT_EQ(SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED), 1);
            Bytes nothing;
            EXPECT_TRUE(machine.handshake(nothing));
            co_await send();
            while (open && !machine.ended()) text += co_await receive(room);
            EXPECT_TRUE(machine.ended()) << "the end was not told";
            EXPECT_EQ(text, "last words");
            co_await scope.join();
        });
    });
    EXPECT_EQ(connections, 1);
}

}  // namespace
}  // namespace millrace::tls
