#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tls/openssl.h"

namespace millrace::tls {

// What Kafka's ssl.keystore.type and ssl.truststore.type name.
enum class StoreType { jks, pkcs12, pem };

// Any case, as Java takes them. Error invalid_config.
Result<StoreType> parse_store_type(std::string_view text);

// A private key and its certificates, the key's own first.
struct Identity {
    KeyPtr key;
    Certificates chain;
};

// A store's bytes and what opens them. Without `password` a JKS store's integrity is not checked,
// and of a PKCS12 store only what is not encrypted can be read, as in Java. The key's password is
// the store's unless it has its own.
struct Store {
    StoreType type = StoreType::jks;
    std::string bytes;
    std::optional<std::string> password;
    std::optional<std::string> key_password;
};

// Errors are INVALID_CONFIG with a reason that leaves out the store's name: "its password is
// wrong". A store of type JKS may be in the format PKCS12 and the reverse, as in Java.

// The store's first private key, with its certificates in order. That the key belongs to the first
// certificate is checked.
Result<Identity> read_identity(const Store& store);

// The certificates that a truststore vouches for; one at least.
Result<Certificates> read_trusted(const Store& store);

// Where the chain is not valid at a time (seconds since 1970): a sentence with the subject of the
// certificate and the date.
Result<> check_validity(const Certificates& chain, std::int64_t seconds);

}  // namespace millrace::tls
