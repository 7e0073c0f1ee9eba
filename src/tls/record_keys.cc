#include "tls/record_keys.h"

#include <algorithm>
#include <array>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>
#include <string_view>

#include "base/check.h"

namespace millrace::tls {
namespace {

using Cipher = env::TlsKeys::Cipher;

OSSL_PARAM octets(const char* name, Bytes value) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(value.data()),
                                             value.size());
}

OSSL_PARAM text(const char* name, const char* value) {
    return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(value), 0);
}

// The functions are those that the handshake itself has just used.
void derive(const char* function, const OSSL_PARAM* parameters, MutableBytes into) {
    Owned<EVP_KDF, EVP_KDF_free> kdf(EVP_KDF_fetch(nullptr, function, nullptr));
    CHECK(kdf != nullptr);
    Owned<EVP_KDF_CTX, EVP_KDF_CTX_free> context(EVP_KDF_CTX_new(kdf.get()));
    CHECK(context != nullptr);
    CHECK(EVP_KDF_derive(context.get(), into.data(), into.size(), parameters) == 1);
}

// HKDF-Expand-Label without a context (RFC 8446, 7.1).
void expand(const RecordSuite& suite, Bytes secret, std::string_view label, MutableBytes into) {
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        text(OSSL_KDF_PARAM_DIGEST, EVP_MD_get0_name(suite.digest)),
        octets(OSSL_KDF_PARAM_KEY, secret),
        octets(OSSL_KDF_PARAM_PREFIX, as_bytes("tls13 ")),
        octets(OSSL_KDF_PARAM_LABEL, as_bytes(label)),
        OSSL_PARAM_construct_end(),
    };
    derive("TLS13-KDF", parameters, into);
}

std::optional<std::pair<Cipher, std::size_t>> find_cipher(int nid) {
    switch (nid) {
        case NID_aes_128_gcm:
            return std::pair{Cipher::aes_128_gcm, std::size_t{16}};
        case NID_aes_256_gcm:
            return std::pair{Cipher::aes_256_gcm, std::size_t{32}};
        case NID_chacha20_poly1305:
            return std::pair{Cipher::chacha20_poly1305, std::size_t{32}};
        default:
            return std::nullopt;
    }
}

}  // namespace

std::optional<RecordSuite> record_suite(const SSL& ssl) {
    const SSL_CIPHER* agreed = SSL_get_current_cipher(&ssl);
    int version = SSL_version(&ssl);
    if (agreed == nullptr || (version != TLS1_2_VERSION && version != TLS1_3_VERSION)) {
        return std::nullopt;
    }
    auto found = find_cipher(SSL_CIPHER_get_cipher_nid(agreed));
    if (!found) return std::nullopt;
    return RecordSuite{.cipher = found->first,
                       .tls_1_3 = version == TLS1_3_VERSION,
                       .key_size = found->second,
                       .digest = SSL_CIPHER_get_handshake_digest(agreed)};
}

env::TlsKeys keys_of_secret(const RecordSuite& suite, Bytes secret) {
    env::TlsKeys keys{.cipher = suite.cipher, .tls_1_3 = true};
    expand(suite, secret, "key", MutableBytes(keys.key).first(suite.key_size));
    expand(suite, secret, "iv", keys.nonce);
    return keys;
}

env::TlsKeys keys_of_server(const RecordSuite& suite, Bytes master, Bytes client_random,
                            Bytes server_random) {
    const OSSL_PARAM parameters[] = {
        text(OSSL_KDF_PARAM_DIGEST, EVP_MD_get0_name(suite.digest)),
        octets(OSSL_KDF_PARAM_SECRET, master),
        octets(OSSL_KDF_PARAM_SEED, as_bytes("key expansion")),
        octets(OSSL_KDF_PARAM_SEED, server_random),
        octets(OSSL_KDF_PARAM_SEED, client_random),
        OSSL_PARAM_construct_end(),
    };
    // The keys of client and server, then their salts or nonces; AEAD has no keys of its own for
    // authentication.
    std::size_t nonce_size = suite.cipher == Cipher::chacha20_poly1305 ? 12 : 4;
    std::array<std::uint8_t, 2 * (32 + 12)> room{};
    MutableBytes block = MutableBytes(room).first(2 * (suite.key_size + nonce_size));
    derive("TLS1-PRF", parameters, block);
    env::TlsKeys keys{.cipher = suite.cipher, .tls_1_3 = false};
    std::ranges::copy(block.subspan(suite.key_size, suite.key_size), keys.key.begin());
    std::ranges::copy(block.last(nonce_size), keys.nonce.begin());
    OPENSSL_cleanse(room.data(), room.size());
    return keys;
}

}  // namespace millrace::tls
