#include "tls/profile.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/x509v3.h>
#include <string_view>

#include "env/disk.h"
#include "tls/cipher_suites.h"
#include "tls/distinguished_name.h"
#include "tls/handover.h"
#include "tls/machine.h"
#include "tls/pem.h"

namespace millrace::tls {
namespace {

constexpr std::size_t most_store_bytes = 16 << 20;
// Where systems keep whom everybody trusts, as one file in PEM.
constexpr std::string_view system_trusted[] = {
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};

std::unexpected<Error> refuse(std::string reason) {
    return fail(ErrorCode::invalid_config, std::move(reason));
}

// How errors call a store: by its file, or by the key whose value it is.
std::string name_of(const StoreSettings& store, std::string_view prefix) {
    if (store.location) return fmt::format("{}.location={}", prefix, *store.location);
    return prefix == "ssl.keystore" ? "ssl.keystore.key and ssl.keystore.certificate.chain"
                                    : "ssl.truststore.certificates";
}

bool is_numeric(const std::string& host) {
    Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> address(a2i_IPADDRESS(host.c_str()));
    if (!address) (void)take_openssl_error({});
    return address != nullptr;
}

}  // namespace

Result<std::shared_ptr<const Profile>> Profile::load(const Settings& settings, Side side,
                                                     env::Disk& disk, Timestamp now) {
    std::shared_ptr<Profile> profile(new Profile(settings, side));
    RETURN_IF_ERROR(profile->load_all(disk, now));
    return profile;
}

Result<> Profile::load_all(env::Disk& disk, Timestamp now) {
    shared_.reset(SSL_CTX_new(is_server() ? TLS_server_method() : TLS_client_method()));
    if (!shared_) return refuse("OpenSSL cannot be used: " + take_openssl_error("no memory"));
    SSL_CTX* ctx = shared_.get();
    SSL_CTX_set_options(
        ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // An idle connection holds no buffers of 16 KiB.
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    // Sessions are resumed by tickets, of which each profile has keys of its own: what it trusted
    // is not resumed under another one.
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    if (is_server()) SSL_CTX_set_keylog_callback(ctx, Handover::note_secret);
    constexpr std::string_view id = "millrace";
    SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const std::uint8_t*>(id.data()),
                                   static_cast<unsigned>(id.size()));
    RETURN_IF_ERROR(choose_protocols());
    ASSIGN_OR_RETURN(PrincipalRules rules, PrincipalRules::parse(settings_.principal_rules));
    rules_ = std::move(rules);
    RETURN_IF_ERROR(load_keys(disk, now));
    return load_trusted(disk);
}

Result<> Profile::choose_protocols() {
    SSL_CTX* ctx = shared_.get();
    bool old = settings_.tls_1_2;
    bool current = settings_.tls_1_3;
    if (!settings_.cipher_suites.empty()) {
        ASSIGN_OR_RETURN(CipherSuites suites, find_cipher_suites(settings_.cipher_suites));
        old = old && !suites.tls_1_2.empty();
        current = current && !suites.tls_1_3.empty();
        if (!old && !current) {
            return refuse(
                fmt::format("ssl.cipher.suites={}: none of them belongs to a version "
                            "that ssl.enabled.protocols names",
                            fmt::join(settings_.cipher_suites, ",")));
        }
        if (current) SSL_CTX_set_ciphersuites(ctx, suites.tls_1_3.c_str());
        if (old) SSL_CTX_set_cipher_list(ctx, suites.tls_1_2.c_str());
    }
    SSL_CTX_set_min_proto_version(ctx, old ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(ctx, current ? TLS1_3_VERSION : TLS1_2_VERSION);
    return {};
}

Result<Store> Profile::read(const StoreSettings& from, std::string_view prefix, env::Disk& disk) {
    Store store{.type = from.type,
                .bytes = {},
                .password = from.password,
                .key_password = from.key_password};
    if (from.pem) {
        store.bytes = *from.pem;
        return store;
    }
    // The time first: what is written after that is seen as new.
    auto modified = disk.modified(*from.location);
    auto bytes = modified ? env::read_file(disk, *from.location, most_store_bytes)
                          : Result<std::string>(fail(modified.error()));
    if (!bytes) {
        return refuse(
            fmt::format("{}: it cannot be read: {}", name_of(from, prefix), bytes.error().message));
    }
    files_.push_back({*from.location, *modified});
    store.bytes = *std::move(bytes);
    return store;
}

Result<> Profile::load_keys(env::Disk& disk, Timestamp now) {
    if (!settings_.keys.is_set()) {
        if (!is_server()) return {};
        return refuse(
            "ssl.keystore.location is not set: a listener with TLS needs a private key and a "
            "certificate");
    }
    ASSIGN_OR_RETURN(Store store, read(settings_.keys, "ssl.keystore", disk));
    auto named = [&](const Error& error) {
        return refuse(
            fmt::format("{}: {}", name_of(settings_.keys, "ssl.keystore"), error.message));
    };
    Result<Identity> identity = read_identity(store);
    if (!identity) return named(identity.error());
    if (auto valid = check_validity(identity->chain, now / 1000); !valid) {
        return named(valid.error());
    }
    subject_ = name_of_subject(*identity->chain.front());
    alternative_names_ = alternative_names(*identity->chain.front());
    SSL_CTX* ctx = shared_.get();
    bool taken = SSL_CTX_use_certificate(ctx, identity->chain.front().get()) == 1 &&
                 SSL_CTX_use_PrivateKey(ctx, identity->key.get()) == 1;
    for (std::size_t i = 1; taken && i < identity->chain.size(); ++i) {
        taken = SSL_CTX_add1_chain_cert(ctx, identity->chain[i].get()) == 1;
    }
    if (taken) return {};
    return named({ErrorCode::invalid_config,
                  "TLS cannot use it: " + take_openssl_error("the key is of an unknown kind")});
}

Result<> Profile::load_trusted(env::Disk& disk) {
    SSL_CTX* ctx = shared_.get();
    int verify = SSL_VERIFY_PEER;
    if (is_server()) {
        switch (settings_.client_auth) {
            case ClientAuth::none:
                verify = SSL_VERIFY_NONE;
                break;
            case ClientAuth::requested:
                break;
            case ClientAuth::required:
                verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
                break;
        }
    }
    SSL_CTX_set_verify(ctx, verify, nullptr);
    // As in Java, any certificate that is trusted ends a chain, not those of authorities alone.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    if (!settings_.trusted.is_set()) {
        return verify == SSL_VERIFY_NONE ? Result<>{} : load_system_trusted(disk);
    }
    ASSIGN_OR_RETURN(Store store, read(settings_.trusted, "ssl.truststore", disk));
    Result<Certificates> trusted = read_trusted(store);
    if (!trusted) {
        return refuse(fmt::format("{}: {}", name_of(settings_.trusted, "ssl.truststore"),
                                  trusted.error().message));
    }
    return trust(*trusted);
}

Result<> Profile::load_system_trusted(env::Disk& disk) {
    for (std::string_view path : system_trusted) {
        if (!disk.exists(path)) continue;
        ASSIGN_OR_RETURN(std::string text, env::read_file(disk, path, most_store_bytes));
        auto trusted = read_pem_certificates(text);
        if (!trusted) return refuse(fmt::format("{}: {}", path, trusted.error().message));
        return trust(*trusted);
    }
    return refuse(
        "ssl.truststore.location is not set, and this system has no file of its own with "
        "certificates to trust");
}

Result<> Profile::trust(const Certificates& trusted) {
    SSL_CTX* ctx = shared_.get();
    for (const CertificatePtr& each : trusted) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), each.get());
        // Clients that have several certificates choose by these names.
        if (is_server()) SSL_CTX_add_client_CA(ctx, each.get());
    }
    return {};
}

SslPtr Profile::open(const std::string& host) const {
    SslPtr ssl(SSL_new(shared_.get()));
    CHECK(ssl != nullptr);
    if (is_server()) {
        SSL_set_accept_state(ssl.get());
        return ssl;
    }
    SSL_set_connect_state(ssl.get());
    if (host.empty()) return ssl;
    bool numeric = is_numeric(host);
    if (!numeric) SSL_set_tlsext_host_name(ssl.get(), host.c_str());
    if (!settings_.check_host) return ssl;
    if (numeric) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str());
    } else {
        SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        SSL_set1_host(ssl.get(), host.c_str());
    }
    return ssl;
}

bool Profile::is_outdated(env::Disk& disk) const {
    return std::ranges::any_of(files_, [&](const File& file) {
        auto modified = disk.modified(file.path);
        return modified && *modified != file.modified;
    });
}

Result<> Profile::check_successor(const Profile& next) const {
    if (!settings_.trusted.is_set() && next.settings_.trusted.is_set()) {
        return refuse(
            "ssl.truststore.location: a listener that began without a truststore cannot get one "
            "while it runs");
    }
    if (!next.settings_.allow_dn_changes && subject_ != next.subject_) {
        return refuse(
            fmt::format("the new certificate is of {}, the old one of {}; set "
                        "ssl.allow.dn.changes=true where that is meant",
                        next.subject_, subject_));
    }
    bool has_all = std::ranges::includes(next.alternative_names_, alternative_names_);
    if (!next.settings_.allow_san_changes && !has_all) {
        return refuse(fmt::format(
            "the new certificate has the alternative names [{}], the old one [{}], of "
            "which none may go unless ssl.allow.san.changes=true",
            fmt::join(next.alternative_names_, ", "), fmt::join(alternative_names_, ", ")));
    }
    return {};
}

Result<std::string> Profile::principal_of(const X509& certificate) const {
    std::string subject = name_of_subject(certificate);
    if (auto name = rules_->name(subject)) return "User:" + *name;
    return fail(ErrorCode::sasl_authentication_failed,
                fmt::format("no rule of ssl.principal.mapping.rules fits {}", subject));
}

Result<> check_handshake(const Profile& server, const Profile& client, Timestamp now) {
    Machine ours(server.open({}), now);
    Machine theirs(client.open({}), now);
    constexpr int most_rounds = 20;
    for (int round = 0; round < most_rounds; ++round) {
        Buffer to_ours = theirs.take_output();
        Bytes input = to_ours.bytes();
        ASSIGN_OR_RETURN(bool ours_done, ours.handshake(input));
        Buffer to_theirs = ours.take_output();
        input = to_theirs.bytes();
        ASSIGN_OR_RETURN(bool theirs_done, theirs.handshake(input));
        if (ours_done && theirs_done) return {};
    }
    return refuse("the handshake does not end");
}

}  // namespace millrace::tls
