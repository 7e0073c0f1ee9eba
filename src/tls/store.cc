#include "tls/store.h"

#include <fmt/core.h>

#include "base/bytes.h"
#include "config/text.h"
#include "tls/distinguished_name.h"
#include "tls/jks.h"
#include "tls/pem.h"
#include "tls/pkcs12.h"

namespace millrace::tls {
namespace {

bool is_der_sequence(std::string_view bytes) { return bytes.starts_with('\x30'); }

std::string date_of(const ASN1_TIME* time) {
    BioPtr text(BIO_new(BIO_s_mem()));
    ASN1_TIME_print(text.get(), time);
    char* data = nullptr;
    long size = BIO_get_mem_data(text.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

Result<Identity> read_any_identity(const Store& store) {
    if (store.type == StoreType::pem) return read_pem_identity(store.bytes, store.key_password);
    if (is_jks(as_bytes(store.bytes))) return read_jks_identity(store);
    if (is_der_sequence(store.bytes)) return read_pkcs12_identity(store);
    return fail(ErrorCode::invalid_config,
                "it is neither a JKS nor a PKCS12 store (a file in PEM needs the type PEM)");
}

Result<Certificates> read_any_trusted(const Store& store) {
    if (store.type == StoreType::pem) return read_pem_certificates(store.bytes);
    if (is_jks(as_bytes(store.bytes))) return read_jks_trusted(store);
    if (is_der_sequence(store.bytes)) return read_pkcs12_trusted(store);
    return fail(ErrorCode::invalid_config,
                "it is neither a JKS nor a PKCS12 store (a file in PEM needs the type PEM)");
}

}  // namespace

Result<StoreType> parse_store_type(std::string_view text) {
    if (config::equal_ignoring_case(text, "JKS")) return StoreType::jks;
    if (config::equal_ignoring_case(text, "PKCS12")) return StoreType::pkcs12;
    if (config::equal_ignoring_case(text, "PEM")) return StoreType::pem;
    return fail(ErrorCode::invalid_config,
                fmt::format("'{}' is no type of store: use PEM, PKCS12 or JKS", text));
}

Result<Identity> read_identity(const Store& store) {
    ASSIGN_OR_RETURN(Identity identity, read_any_identity(store));
    if (X509_check_private_key(identity.chain.front().get(), identity.key.get()) == 1) {
        return identity;
    }
    (void)take_openssl_error({});
    return fail(ErrorCode::invalid_config,
                fmt::format("its private key does not belong to its first certificate ({})",
                            name_of_subject(*identity.chain.front())));
}

Result<Certificates> read_trusted(const Store& store) {
    ASSIGN_OR_RETURN(Certificates trusted, read_any_trusted(store));
    if (!trusted.empty()) return trusted;
    return fail(ErrorCode::invalid_config, "it holds no certificate to trust");
}

Result<> check_validity(const Certificates& chain, std::int64_t seconds) {
    for (const CertificatePtr& certificate : chain) {
        auto when = static_cast<time_t>(seconds);
        const ASN1_TIME* begin = X509_get0_notBefore(certificate.get());
        const ASN1_TIME* end = X509_get0_notAfter(certificate.get());
        std::string name = name_of_subject(*certificate);
        if (X509_cmp_time(end, &when) <= 0) {
            return fail(ErrorCode::invalid_config,
                        fmt::format("the certificate of {} expired on {}", name, date_of(end)));
        }
        if (X509_cmp_time(begin, &when) > 0) {
            return fail(
                ErrorCode::invalid_config,
                fmt::format("the certificate of {} is not valid before {}", name, date_of(begin)));
        }
    }
    return {};
}

}  // namespace millrace::tls
