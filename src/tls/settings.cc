#include "tls/settings.h"

#include <algorithm>
#include <fmt/core.h>

#include "config/text.h"
#include "config/value.h"

namespace millrace::tls {
namespace {

std::unexpected<Error> refuse(std::string reason) {
    return fail(ErrorCode::invalid_config, std::move(reason));
}

class Parser {
  public:
    explicit Parser(const Settings::Lookup& lookup) : lookup_(lookup) {}

    Result<Settings> parse() {
        RETURN_IF_ERROR(refuse_plugins());
        Settings settings;
        ASSIGN_OR_RETURN(settings.keys, key_store());
        ASSIGN_OR_RETURN(settings.trusted, trust_store());
        RETURN_IF_ERROR(read_protocols(settings));
        settings.cipher_suites = config::split_list(text("ssl.cipher.suites").value_or(""));
        std::erase(settings.cipher_suites, "");
        ASSIGN_OR_RETURN(settings.client_auth, client_auth());
        ASSIGN_OR_RETURN(settings.check_host, check_host());
        settings.principal_rules = text("ssl.principal.mapping.rules").value_or("DEFAULT");
        settings.allow_dn_changes = flag("ssl.allow.dn.changes");
        settings.allow_san_changes = flag("ssl.allow.san.changes");
        return settings;
    }

  private:
    std::optional<std::string> text(std::string_view key) const {
        auto value = lookup_(key);
        return value ? std::optional<std::string>(*value) : std::nullopt;
    }
    bool flag(std::string_view key) const {
        return config::equal_ignoring_case(text(key).value_or(""), "true");
    }

    // Names of Java's classes and algorithms have nothing to act on. Those that Java has by default
    // are what is done here; a class of the user's would do something that nobody does now.
    Result<> refuse_plugins() const {
        for (std::string_view key : {"ssl.engine.factory.class", "ssl.provider"}) {
            auto value = text(key);
            if (!value || value->empty()) continue;
            return refuse(
                fmt::format("{}={}: Java's classes cannot be used, TLS is OpenSSL's; "
                            "remove the key",
                            key, *value));
        }
        return {};
    }

    Result<StoreType> type_of(std::string_view key) const {
        auto type = parse_store_type(text(key).value_or("JKS"));
        if (type) return type;
        return refuse(fmt::format("{}: {}", key, type.error().message));
    }

    Result<StoreSettings> key_store() const {
        StoreSettings store;
        ASSIGN_OR_RETURN(store.type, type_of("ssl.keystore.type"));
        store.location = text("ssl.keystore.location");
        store.password = text("ssl.keystore.password");
        store.key_password = text("ssl.key.password");
        auto key = text("ssl.keystore.key");
        auto chain = text("ssl.keystore.certificate.chain");
        if (key.has_value() != chain.has_value()) {
            return refuse("ssl.keystore.key and ssl.keystore.certificate.chain are set together");
        }
        if (key) store.pem = *key + "\n" + *chain;
        RETURN_IF_ERROR(check(store, "ssl.keystore", "ssl.keystore.key"));
        bool needs_password = store.location && store.type != StoreType::pem;
        if (needs_password && !store.password) {
            return refuse(fmt::format("ssl.keystore.location={} needs ssl.keystore.password",
                                      *store.location));
        }
        return store;
    }

    Result<StoreSettings> trust_store() const {
        StoreSettings store;
        ASSIGN_OR_RETURN(store.type, type_of("ssl.truststore.type"));
        store.location = text("ssl.truststore.location");
        store.password = text("ssl.truststore.password");
        store.pem = text("ssl.truststore.certificates");
        RETURN_IF_ERROR(check(store, "ssl.truststore", "ssl.truststore.certificates"));
        return store;
    }

    static Result<> check(const StoreSettings& store, std::string_view prefix,
                          std::string_view pem_key) {
        if (store.pem && store.location) {
            return refuse(fmt::format("{} and {}.location exclude each other", pem_key, prefix));
        }
        if (store.pem && store.type != StoreType::pem) {
            return refuse(fmt::format("{} needs {}.type=PEM", pem_key, prefix));
        }
        if (store.type == StoreType::pem && store.password) {
            return refuse(fmt::format(
                "{0}.password has no meaning with {0}.type=PEM{1}", prefix,
                prefix == "ssl.keystore" ? "; the password of the key is ssl.key.password" : ""));
        }
        if (store.password && !store.is_set()) {
            return refuse(fmt::format("{0}.password is set, but no {0}.location", prefix));
        }
        return {};
    }

    Result<> read_protocols(Settings& settings) const {
        constexpr std::string_view known[] = {"TLS", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
        std::string protocol = text("ssl.protocol").value_or("TLSv1.3");
        if (std::ranges::find(known, protocol) == std::end(known)) {
            return refuse(fmt::format("ssl.protocol={}: use TLSv1.3, TLSv1.2 or TLS", protocol));
        }
        auto words = config::split_list(text("ssl.enabled.protocols").value_or("TLSv1.2,TLSv1.3"));
        std::erase(words, "");
        if (words.empty()) return {};
        settings.tls_1_2 = settings.tls_1_3 = false;
        for (const std::string& word : words) {
            if (word == "TLSv1.2") {
                settings.tls_1_2 = true;
            } else if (word == "TLSv1.3") {
                settings.tls_1_3 = true;
            } else {
                return refuse(
                    fmt::format("ssl.enabled.protocols: '{}' is not spoken here, as it "
                                "is not by today's Java: use TLSv1.2 and TLSv1.3",
                                word));
            }
        }
        return {};
    }

    Result<ClientAuth> client_auth() const {
        std::string word = text("ssl.client.auth").value_or("none");
        if (word == "none") return ClientAuth::none;
        if (word == "requested") return ClientAuth::requested;
        if (word == "required") return ClientAuth::required;
        return refuse(fmt::format("ssl.client.auth={}: use required, requested or none", word));
    }

    Result<bool> check_host() const {
        std::string word = text("ssl.endpoint.identification.algorithm").value_or("https");
        if (word.empty()) return false;
        if (config::equal_ignoring_case(word, "https")) return true;
        return refuse(
            fmt::format("ssl.endpoint.identification.algorithm={}: use https, or leave "
                        "it empty for no check of the host",
                        word));
    }

    const Settings::Lookup& lookup_;
};

}  // namespace

Result<Settings> Settings::parse(const Lookup& lookup) { return Parser(lookup).parse(); }

}  // namespace millrace::tls
