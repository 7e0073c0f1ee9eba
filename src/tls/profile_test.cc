#include "tls/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "env/disk.h"
#include "env/sim/world.h"
#include "tls/settings_for_tests.h"

namespace millrace::tls {
namespace {

using testing::HasSubstr;
using Side = Profile::Side;
using Keys = std::map<std::string, std::string, std::less<>>;

class WithDisk : public testing::Test {
  protected:
    // `test(disk)` in a simulated machine that has the files of testdata/.
    void run(std::function<void(env::Disk&)> test) {
        env::sim::World world(1);
        world.run(world.add_node("a"), [&](env::Shard& shard) -> Task<int> {
            for (const char* file : {"server.jks", "server.p12", "server.pem", "expired.pem",
                                     "trusted.jks", "ca.pem"}) {
                EXPECT_TRUE(env::replace_file(shard.disk(), file, test_file(file)));
            }
            test(shard.disk());
            co_return 0;
        });
    }
    static Result<Settings> parse(const Keys& keys) {
        return Settings::parse([&](std::string_view key) -> std::optional<std::string_view> {
            auto at = keys.find(key);
            return at == keys.end() ? std::nullopt : std::optional<std::string_view>(at->second);
        });
    }
    static std::string refusal(env::Disk& disk, const Keys& keys, Side side = Side::server) {
        auto settings = parse(keys);
        if (!settings) return settings.error().message;
        auto profile = Profile::load(*settings, side, disk, summer_2026);
        return profile ? "" : profile.error().message;
    }
};

TEST_F(WithDisk, StoresOfEachTypeAreLoaded) {
    run([](env::Disk& disk) {
        EXPECT_EQ(refusal(disk, {{"ssl.keystore.location", "server.jks"},
                                 {"ssl.keystore.password", "store-secret"},
                                 {"ssl.key.password", "key-secret"},
                                 {"ssl.truststore.location", "trusted.jks"},
                                 {"ssl.client.auth", "required"}}),
                  "");
        EXPECT_EQ(refusal(disk, {{"ssl.keystore.location", "server.p12"},
                                 {"ssl.keystore.type", "pkcs12"},
                                 {"ssl.keystore.password", "store-secret"}}),
                  "");
        EXPECT_EQ(refusal(disk, {{"ssl.keystore.location", "server.pem"},
                                 {"ssl.keystore.type", "PEM"},
                                 {"ssl.cipher.suites",
                                  "TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
                                 {"ssl.truststore.type", "PEM"},
                                 {"ssl.truststore.location", "ca.pem"}}),
                  "");
    });
}

TEST_F(WithDisk, RefusalsNameTheFileAndTheReason) {
    run([](env::Disk& disk) {
        EXPECT_EQ(refusal(disk, {{"ssl.keystore.location", "server.jks"},
                                 {"ssl.keystore.password", "wrong"}}),
                  "ssl.keystore.location=server.jks: its password is wrong, or it is damaged");
        EXPECT_EQ(
            refusal(disk, {{"ssl.keystore.location", "expired.pem"}, {"ssl.keystore.type", "PEM"}}),
            "ssl.keystore.location=expired.pem: the certificate of CN=broker,O=Millrace "
            "expired on Jan  1 00:00:00 2020 GMT");
        EXPECT_THAT(refusal(disk, {{"ssl.keystore.location", "missing.jks"},
                                   {"ssl.keystore.password", "x"}}),
                    HasSubstr("ssl.keystore.location=missing.jks: it cannot be read: "));
        EXPECT_EQ(refusal(disk, {{"ssl.keystore.location", "server.pem"},
                                 {"ssl.keystore.type", "PEM"},
                                 {"ssl.truststore.location", "trusted.jks"},
                                 {"ssl.truststore.password", "wrong"},
                                 {"ssl.client.auth", "required"}}),
                  "ssl.truststore.location=trusted.jks: its password is wrong, or it is damaged");
        EXPECT_THAT(refusal(disk, {}), HasSubstr("ssl.keystore.location is not set"));
        EXPECT_THAT(refusal(disk, {}, Side::client),
                    HasSubstr("ssl.truststore.location is not set"));
    });
}

TEST_F(WithDisk, SettingsThatMeanNothingAreRefused) {
    run([](env::Disk& disk) {
        auto refused = [&](const char* key, const char* value) {
            return refusal(disk, {{key, value}});
        };
        EXPECT_THAT(refused("ssl.engine.factory.class", "com.example.X"),
                    HasSubstr("ssl.engine.factory.class=com.example.X: "));
        EXPECT_THAT(refused("ssl.keystore.type", "BKS"), HasSubstr("ssl.keystore.type: 'BKS'"));
        EXPECT_THAT(refused("ssl.enabled.protocols", "TLSv1.1"), HasSubstr("'TLSv1.1'"));
        EXPECT_THAT(refused("ssl.client.auth", "maybe"), HasSubstr("ssl.client.auth=maybe"));
        EXPECT_THAT(refused("ssl.keystore.location", "x.jks"),
                    HasSubstr("needs ssl.keystore.password"));
        EXPECT_THAT(refused("ssl.cipher.suites", "TLS_RSA_WITH_NOTHING"),
                    HasSubstr("no suite 'TLS_RSA_WITH_NOTHING'"));
        EXPECT_THAT(refusal(disk, {{"ssl.cipher.suites", "TLS_AES_128_GCM_SHA256"},
                                   {"ssl.enabled.protocols", "TLSv1.2"}}),
                    HasSubstr("none of them belongs to a version"));
    });
}

TEST_F(WithDisk, FilesThatAreWrittenMakeItOutdated) {
    env::sim::World world(1);
    world.run(world.add_node("a"), [&](env::Shard& shard) -> Task<int> {
        env::Disk& disk = shard.disk();
        EXPECT_TRUE(env::replace_file(disk, "server.pem", test_file("server.pem")));
        auto settings =
            parse({{"ssl.keystore.location", "server.pem"}, {"ssl.keystore.type", "PEM"}});
        auto profile = Profile::load(*settings, Side::server, disk, shard.wall_ms());
        EXPECT_TRUE(profile) << profile.error().message;
        if (!profile) co_return 1;
        EXPECT_FALSE((*profile)->is_outdated(disk));
        co_await env::sleep_for(shard, Duration::seconds(1));
        EXPECT_TRUE(env::replace_file(disk, "server.pem", test_file("renewed.pem")));
        EXPECT_TRUE((*profile)->is_outdated(disk));
        co_return 0;
    });
}

TEST_F(WithDisk, SuccessorsKeepTheirNames) {
    run([](env::Disk& disk) {
        auto load = [&](const Settings& settings) {
            auto profile = Profile::load(settings, Side::server, disk, summer_2026);
            EXPECT_TRUE(profile) << profile.error().message;
            return *std::move(profile);
        };
        auto old = load(pem_settings("server.pem", ""));
        auto refusal = [&](Settings next) {
            auto checked = old->check_successor(*load(next));
            return checked ? std::string() : checked.error().message;
        };
        EXPECT_EQ(refusal(pem_settings("renewed.pem", "")), "");
        EXPECT_THAT(refusal(pem_settings("renamed.pem", "")), HasSubstr("ssl.allow.dn.changes"));
        EXPECT_THAT(refusal(pem_settings("fewer_names.pem", "")),
                    HasSubstr("ssl.allow.san.changes"));
        EXPECT_THAT(refusal(pem_settings("renewed.pem", "ca.pem")), HasSubstr("truststore"));
        Settings renamed = pem_settings("renamed.pem", "");
        renamed.allow_dn_changes = true;
        EXPECT_EQ(refusal(renamed), "");
    });
}

TEST_F(WithDisk, AKeystoreThatItsTruststoreDoesNotVouchForFailsTheHandshake) {
    run([](env::Disk& disk) {
        auto check = [&](const char* trusted) {
            Settings settings = pem_settings("server.pem", trusted);
            settings.client_auth = ClientAuth::required;
            auto server = Profile::load(settings, Side::server, disk, summer_2026);
            auto client = Profile::load(settings, Side::client, disk, summer_2026);
            auto checked = check_handshake(**server, **client, summer_2026);
            return checked ? std::string() : checked.error().message;
        };
        EXPECT_EQ(check("ca.pem"), "");
        EXPECT_THAT(check("other_ca.pem"), HasSubstr("certificate is not accepted"));
    });
}

}  // namespace
}  // namespace millrace::tls
