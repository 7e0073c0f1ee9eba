#pragma once

#include "base/result.h"
#include "tls/store.h"

namespace millrace::tls {

// PKCS12 stores of Java's keytool and of openssl, with today's ciphers and those of before 2021.

// Its first private key; the certificates behind its own are found by their issuers.
Result<Identity> read_pkcs12_identity(const Store& store);

// The certificates that Java's mark calls trusted, and of each private key its own. Without a
// private key and without such a mark, as openssl writes it, all of them.
Result<Certificates> read_pkcs12_trusted(const Store& store);

}  // namespace millrace::tls
