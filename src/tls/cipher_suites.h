#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "tls/openssl.h"

namespace millrace::tls {

// Suites as OpenSSL is told of them: those of TLS 1.3, and those before.
struct CipherSuites {
    std::string tls_1_3;
    std::string tls_1_2;
};

// Kafka, as Java, names suites as IANA does: TLS_AES_128_GCM_SHA256,
// TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384. Error INVALID_CONFIG with the name that OpenSSL has not.
Result<CipherSuites> find_cipher_suites(const std::vector<std::string>& names);

}  // namespace millrace::tls
