#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tls/store.h"

namespace millrace::tls {

enum class ClientAuth { none, requested, required };

// Where a keystore or truststore is: a file, or a text in PEM.
struct StoreSettings {
    StoreType type = StoreType::jks;
    std::optional<std::string> location;
    std::optional<std::string> password;
    std::optional<std::string> key_password;
    std::optional<std::string> pem;  // of a key with its certificates, or of trusted certificates

    bool is_set() const { return location.has_value() || pem.has_value(); }
    bool operator==(const StoreSettings&) const = default;
};

// What Kafka's ssl.* keys say, of a listener or of a client.
struct Settings {
    StoreSettings keys;     // ssl.keystore.*
    StoreSettings trusted;  // ssl.truststore.*
    bool tls_1_2 = true;
    bool tls_1_3 = true;
    std::vector<std::string> cipher_suites;  // by their IANA names; empty: all
    ClientAuth client_auth = ClientAuth::none;
    bool check_host = true;  // of a client: that the server's certificate names the host
    std::string principal_rules = "DEFAULT";
    bool allow_dn_changes = false;
    bool allow_san_changes = false;

    // The text of a key where it is set; Kafka's default counts where it is not.
    using Lookup = std::function<std::optional<std::string_view>(std::string_view key)>;
    // Error INVALID_CONFIG with the key, what is wrong and what is allowed; passwords are not told.
    static Result<Settings> parse(const Lookup& lookup);

    bool operator==(const Settings&) const = default;
};

}  // namespace millrace::tls
