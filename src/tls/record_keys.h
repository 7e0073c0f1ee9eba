#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "env/network.h"
#include "tls/openssl.h"

namespace millrace::tls {

// What the suite of a connection that has shaken hands says of its records.
struct RecordSuite {
    env::TlsKeys::Cipher cipher;
    bool tls_1_3;
    std::size_t key_size;
    const EVP_MD* digest;  // of its key derivation
};

// None where env::TlsKeys has no name for the suite or the version.
std::optional<RecordSuite> record_suite(const SSL& ssl);

// TLS 1.3: of a traffic secret (RFC 8446, 7.3), for its first record.
env::TlsKeys keys_of_secret(const RecordSuite& suite, Bytes secret);
// TLS 1.2: what the server writes by (RFC 5246, 6.3). The explicit nonce of GCM is not the keys' to
// say, and stays 0.
env::TlsKeys keys_of_server(const RecordSuite& suite, Bytes master, Bytes client_random,
                            Bytes server_random);

}  // namespace millrace::tls
