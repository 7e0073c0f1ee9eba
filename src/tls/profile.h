#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "tls/openssl.h"
#include "tls/principal_rules.h"
#include "tls/settings.h"

namespace millrace::env {
class Disk;
}

namespace millrace::tls {

using SslPtr = Owned<SSL, SSL_free>;

// All that one listener, or one client, needs to speak TLS: its settings with the keys and
// certificates that they name. Immutable, and shared by the connections of all shards.
class Profile {
  public:
    enum class Side { server, client };

    // Reads the stores (blocking). Error INVALID_CONFIG with the file, or the key that names no
    // file, and the reason: it cannot be read, the password is wrong, a certificate has expired.
    static Result<std::shared_ptr<const Profile>> load(const Settings& settings, Side side,
                                                       env::Disk& disk, Timestamp now);

    const Settings& settings() const { return settings_; }
    bool is_server() const { return side_ == Side::server; }

    // One side of one connection. A client's `host` is told to the server, and what the server's
    // certificate has to name unless the settings say otherwise.
    SslPtr open(const std::string& host) const;

    // A file was written since it was read, as its time of modification tells.
    bool is_outdated(env::Disk& disk) const;

    // Kafka's conditions for taking `next` instead while connections go on: there is a keystore as
    // before, its names are the same (ssl.allow.dn.changes, ssl.allow.san.changes of `next`), and
    // no truststore is new.
    Result<> check_successor(const Profile& next) const;

    // What a peer with this certificate is called, "User:CN=…". Error SASL_AUTHENTICATION_FAILED
    // where no rule fits its name.
    Result<std::string> principal_of(const X509& certificate) const;

  private:
    struct File {
        std::string path;
        Timestamp modified = 0;
    };
    Profile(Settings settings, Side side) : settings_(std::move(settings)), side_(side) {}
    Result<> load_all(env::Disk& disk, Timestamp now);
    Result<Store> read(const StoreSettings& from, std::string_view prefix, env::Disk& disk);
    Result<> load_keys(env::Disk& disk, Timestamp now);
    Result<> load_trusted(env::Disk& disk);
    Result<> load_system_trusted(env::Disk& disk);
    Result<> trust(const Certificates& trusted);
    Result<> choose_protocols();

    Settings settings_;
    Side side_;
    Owned<SSL_CTX, SSL_CTX_free> shared_;
    std::vector<File> files_;
    std::optional<PrincipalRules> rules_;
    std::string subject_;  // of the own certificate
    std::vector<std::string> alternative_names_;
};

// Whether the two understand each other: a handshake of theirs in memory. Kafka asks it of the
// brokers' own listener, whose keystore its truststore has to vouch for.
Result<> check_handshake(const Profile& server, const Profile& client, Timestamp now);

}  // namespace millrace::tls
