#include "tls/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tls/distinguished_name.h"
#include "tls/settings_for_tests.h"

namespace millrace::tls {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* store_secret = "store-secret";
constexpr const char* key_secret = "key-secret";

std::vector<std::string> names(const Certificates& certificates) {
    std::vector<std::string> names;
    for (const auto& each : certificates) names.push_back(name_of_subject(*each));
    return names;
}

std::string reason(const auto& result) { return result ? "none" : result.error().message; }

struct Format {
    std::string file;
    StoreType type;
    std::optional<std::string> password;
    std::optional<std::string> key_password;
};
void PrintTo(const Format& format, std::ostream* out) { *out << format.file; }

class IdentityFormats : public testing::TestWithParam<Format> {
  protected:
    Store store() const {
        return {GetParam().type, test_file(GetParam().file), GetParam().password,
                GetParam().key_password};
    }
};

TEST_P(IdentityFormats, KeyAndChainAreRead) {
    auto identity = read_identity(store());
    ASSERT_TRUE(identity) << identity.error().message;
    EXPECT_THAT(names(identity->chain), ElementsAre("CN=broker,O=Millrace", "CN=Millrace Test CA"));
}

TEST_P(IdentityFormats, WrongPasswordsAreToldApart) {
    Store wrong = store();
    if (wrong.password) {
        wrong.password = "wrong";
        EXPECT_EQ(reason(read_identity(wrong)), "its password is wrong, or it is damaged");
        wrong = store();
    }
    if (!wrong.password && !wrong.key_password) return;
    wrong.key_password = "wrong";
    EXPECT_THAT(reason(read_identity(wrong)), HasSubstr("ssl.key.password"));
}

TEST_P(IdentityFormats, DamageIsAnError) {
    std::size_t whole = store().bytes.size();
    for (std::size_t size = 0; size + 1 < whole; size += 1 + whole / 200) {
        Store cut = store();
        cut.bytes.resize(size);
        // A PEM text may lose the authority that stands last.
        if (auto identity = read_identity(cut)) EXPECT_EQ(identity->chain.size(), 1U) << size;
    }
}

INSTANTIATE_TEST_SUITE_P(
    All, IdentityFormats,
    testing::Values(Format{"server.pem", StoreType::pem, {}, {}},
                    Format{"encrypted.pem", StoreType::pem, {}, key_secret},
                    Format{"server.p12", StoreType::pkcs12, store_secret, {}},
                    Format{"server_legacy.p12", StoreType::pkcs12, store_secret, {}},
                    Format{"server_java.p12", StoreType::pkcs12, store_secret, {}},
                    Format{"server_java.p12", StoreType::jks, store_secret, {}},
                    Format{"server.jks", StoreType::jks, store_secret, key_secret}));

TEST(Identity, PemWithoutLineBreaksIsRead) {
    std::string text = test_file("server.pem");
    std::ranges::replace(text, '\n', ' ');
    EXPECT_TRUE(read_identity({StoreType::pem, text, {}, {}}));
}

TEST(Identity, KeyOfAnotherCertificateIsRefused) {
    std::string key =
        test_file("server.pem").substr(0, test_file("server.pem").find("-----END") + 30);
    std::string chain =
        test_file("renewed.pem").substr(test_file("renewed.pem").find("-----BEGIN CERT"));
    EXPECT_EQ(reason(read_identity({StoreType::pem, key + "\n" + chain, {}, {}})),
              "its private key does not belong to its first certificate (CN=broker,O=Millrace)");
}

TEST(Identity, WhatIsMissingIsNamed) {
    auto read = [](StoreType type, const std::string& bytes) {
        return reason(read_identity({type, bytes, store_secret, {}}));
    };
    EXPECT_EQ(read(StoreType::pem, test_file("ca.pem")), "it holds no private key in PEM");
    EXPECT_EQ(read(StoreType::pkcs12, test_file("trusted_java.p12")), "it holds no private key");
    EXPECT_EQ(read(StoreType::jks, test_file("trusted.jks")), "it holds no private key");
    EXPECT_EQ(read(StoreType::jks, test_file("server.pem")),
              "it is neither a JKS nor a PKCS12 store (a file in PEM needs the type PEM)");
    EXPECT_EQ(reason(read_identity({StoreType::pem, test_file("encrypted.pem"), {}, {}})),
              "its private key is encrypted: set ssl.key.password");
}

TEST(Trusted, EachFormatIsRead) {
    auto read = [](StoreType type, const char* file, std::optional<std::string> password) {
        auto trusted = read_trusted({type, test_file(file), std::move(password), {}});
        EXPECT_TRUE(trusted) << file << ": " << trusted.error().message;
        return names(*trusted);
    };
    EXPECT_THAT(read(StoreType::pem, "ca.pem", {}), ElementsAre("CN=Millrace Test CA"));
    EXPECT_THAT(read(StoreType::jks, "trusted.jks", store_secret),
                ElementsAre("CN=Millrace Test CA"));
    EXPECT_THAT(read(StoreType::jks, "trusted.jks", {}), ElementsAre("CN=Millrace Test CA"));
    EXPECT_THAT(read(StoreType::pkcs12, "trusted_java.p12", store_secret),
                ElementsAre("CN=Millrace Test CA"));
    EXPECT_THAT(read(StoreType::pkcs12, "trusted_openssl.p12", store_secret),
                ElementsAre("CN=Millrace Test CA"));
}

// Java trusts the certificate that a key has, not the authority behind it.
TEST(Trusted, OfAKeyItsOwnCertificateAlone) {
    for (const char* file : {"server.jks", "server_java.p12", "server.p12"}) {
        auto trusted = read_trusted({StoreType::pkcs12, test_file(file), store_secret, {}});
        ASSERT_TRUE(trusted) << trusted.error().message;
        EXPECT_THAT(names(*trusted), ElementsAre("CN=broker,O=Millrace")) << file;
    }
}

TEST(Validity, SaysWhichCertificateAndWhen) {
    auto identity = read_identity({StoreType::pem, test_file("expired.pem"), {}, {}});
    ASSERT_TRUE(identity);
    EXPECT_EQ(reason(check_validity(identity->chain, summer_2026 / 1000)),
              "the certificate of CN=broker,O=Millrace expired on Jan  1 00:00:00 2020 GMT");
    EXPECT_TRUE(check_validity(identity->chain, 1560000000));
    EXPECT_EQ(reason(check_validity(identity->chain, 1500000000)),
              "the certificate of CN=broker,O=Millrace is not valid before "
              "Jan  1 00:00:00 2019 GMT");
}

// As java.security.cert's getSubjectX500Principal().getName() has it.
TEST(DistinguishedName, IsWrittenAsJavaDoes) {
    auto identity = read_identity({StoreType::pem, test_file("client.pem"), {}, {}});
    ASSERT_TRUE(identity);
    EXPECT_EQ(name_of_subject(*identity->chain.front()),
              R"(CN=\ client\ ,ST=x+UID=y\;z,)"
              R"(1.2.840.113549.1.9.1=#160d63406578616d706c652e6f7267,OU=\#1,OU=a\\b,)"
              R"(O=Müller\, \"Sons\" \+ Co \= \<\#1\>,C=CH)");
}

}  // namespace
}  // namespace millrace::tls
