#include "tls/record_keys.h"

#include <gtest/gtest.h>
#include <string>
#include <string_view>

namespace millrace::tls {
namespace {

std::vector<std::uint8_t> bytes_of(std::string_view hex) {
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes.push_back(
            static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    }
    return bytes;
}

// RFC 8448, 3: the server's application data.
TEST(RecordKeys, OfASecretAreThoseOfTheStandardsExample) {
    RecordSuite suite{.cipher = env::TlsKeys::Cipher::aes_128_gcm,
                      .tls_1_3 = true,
                      .key_size = 16,
                      .digest = EVP_sha256()};
    env::TlsKeys keys = keys_of_secret(
        suite, bytes_of("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"));
    EXPECT_TRUE(keys.tls_1_3);
    EXPECT_EQ(keys.sequence, 0U);
    std::vector<std::uint8_t> key(keys.key.begin(), keys.key.begin() + 16);
    std::vector<std::uint8_t> nonce(keys.nonce.begin(), keys.nonce.end());
    EXPECT_EQ(key, bytes_of("9f02283b6c9c07efc26bb9f2ac92e356"));
    EXPECT_EQ(nonce, bytes_of("cf782b88dd83549aadf1e984"));
}

}  // namespace
}  // namespace millrace::tls
