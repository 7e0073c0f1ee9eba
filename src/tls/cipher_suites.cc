#include "tls/cipher_suites.h"

#include <fmt/core.h>
#include <string_view>

namespace millrace::tls {
namespace {

const SSL_CIPHER* find(const STACK_OF(SSL_CIPHER) * all, std::string_view name) {
    for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
        const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(all, i);
        const char* standard = SSL_CIPHER_standard_name(cipher);
        if (standard != nullptr && name == standard) return cipher;
    }
    return nullptr;
}

}  // namespace

Result<CipherSuites> find_cipher_suites(const std::vector<std::string>& names) {
    Owned<SSL_CTX, SSL_CTX_free> any(SSL_CTX_new(TLS_method()));
    SSL_CTX_set_cipher_list(any.get(), "ALL");
    SSL_CTX_set_ciphersuites(any.get(),
                             "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
                             "TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256:"
                             "TLS_AES_128_CCM_8_SHA256");
    const STACK_OF(SSL_CIPHER)* all = SSL_CTX_get_ciphers(any.get());
    CipherSuites suites;
    for (const std::string& name : names) {
        const SSL_CIPHER* cipher = find(all, name);
        if (cipher == nullptr) {
            return fail(ErrorCode::invalid_config,
                        fmt::format("ssl.cipher.suites: OpenSSL has no suite '{}'; names are "
                                    "those of IANA, like TLS_AES_256_GCM_SHA384 or "
                                    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                                    name));
        }
        bool is_new = SSL_CIPHER_get_id(cipher) >> 8U == 0x030013U;  // 0x13xx: TLS 1.3
        std::string& list = is_new ? suites.tls_1_3 : suites.tls_1_2;
        if (!list.empty()) list += ':';
        list += SSL_CIPHER_get_name(cipher);
    }
    return suites;
}

}  // namespace millrace::tls
