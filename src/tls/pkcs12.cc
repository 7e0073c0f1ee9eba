#include "tls/pkcs12.h"

#include <algorithm>
#include <fmt/core.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>
#include <string_view>

namespace millrace::tls {
namespace {

constexpr const char* trusted_mark = "2.16.840.1.113894.746875.1.1";  // Oracle's trusted key usage

struct FreeBags {
    void operator()(STACK_OF(PKCS12_SAFEBAG) * bags) const {
        sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    }
};
struct FreeSafes {
    void operator()(STACK_OF(PKCS7) * safes) const { sk_PKCS7_pop_free(safes, PKCS7_free); }
};
using Bags = std::unique_ptr<STACK_OF(PKCS12_SAFEBAG), FreeBags>;

std::unexpected<Error> refuse(std::string reason) {
    return fail(ErrorCode::invalid_config, std::move(reason));
}

// A library context that has the ciphers of old stores (RC2 with 40 bits), and that TLS never sees.
OSSL_LIB_CTX* with_old_ciphers() {
    static OSSL_LIB_CTX* const made = [] {
        OSSL_LIB_CTX* context = OSSL_LIB_CTX_new();
        OSSL_PROVIDER_load(context, "default");
        OSSL_PROVIDER_load(context, "legacy");
        return context;
    }();
    return made;
}

struct Found {
    CertificatePtr certificate;
    std::string key_id;
    bool is_marked = false;
};

struct Content {
    KeyPtr key;  // the first one
    std::string key_id;
    std::vector<std::string> key_ids;  // of all keys
    std::vector<Found> certificates;
};

std::string id_of(const PKCS12_SAFEBAG* bag) {
    const ASN1_TYPE* id = PKCS12_SAFEBAG_get0_attr(bag, NID_localKeyID);
    if (id == nullptr || id->type != V_ASN1_OCTET_STRING) return {};
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(id->value.octet_string)),
            static_cast<std::size_t>(ASN1_STRING_length(id->value.octet_string))};
}

bool is_marked_trusted(const PKCS12_SAFEBAG* bag) {
    const STACK_OF(X509_ATTRIBUTE)* attributes = PKCS12_SAFEBAG_get0_attrs(bag);
    for (int i = 0; i < sk_X509_ATTRIBUTE_num(attributes); ++i) {
        char name[80] = {};
        OBJ_obj2txt(name, sizeof name,
                    X509_ATTRIBUTE_get0_object(sk_X509_ATTRIBUTE_value(attributes, i)), 1);
        if (std::string_view(name) == trusted_mark) return true;
    }
    return false;
}

// Passwords as OpenSSL wants them, null for none.
struct Password {
    explicit Password(const std::optional<std::string>& password)
        : text(password ? password->data() : nullptr),
          size(password ? static_cast<int>(password->size()) : 0) {}
    const char* text;
    int size;
};

class Reader {
  public:
    Reader(const Store& store, bool keys) : store_(store), keys_(keys) {}

    Result<Content> read() {
        PKCS12* empty = PKCS12_init_ex(NID_pkcs7_data, with_old_ciphers(), nullptr);
        const auto* at = reinterpret_cast<const std::uint8_t*>(store_.bytes.data());
        Owned<PKCS12, PKCS12_free> store(
            d2i_PKCS12(&empty, &at, static_cast<long>(store_.bytes.size())));
        if (!store) {
            return refuse("it is no PKCS12 store: " + take_openssl_error("it is damaged"));
        }
        RETURN_IF_ERROR(check_integrity(*store));
        std::unique_ptr<STACK_OF(PKCS7), FreeSafes> safes(PKCS12_unpack_authsafes(store.get()));
        if (!safes) return refuse("it is damaged: " + take_openssl_error("it holds nothing"));
        for (int i = 0; i < sk_PKCS7_num(safes.get()); ++i) {
            RETURN_IF_ERROR(read_safe(*sk_PKCS7_value(safes.get(), i)));
        }
        return std::move(content_);
    }

  private:
    Result<> check_integrity(PKCS12& store) {
        if (!store_.password || PKCS12_mac_present(&store) == 0) return {};
        Password password(store_.password);
        if (PKCS12_verify_mac(&store, password.text, password.size) == 1) return {};
        // Some writers have no password where others have an empty one.
        if (password.size == 0 && PKCS12_verify_mac(&store, nullptr, 0) == 1) return {};
        (void)take_openssl_error({});
        return refuse("its password is wrong, or it is damaged");
    }

    Result<> read_safe(PKCS7& safe) {
        int kind = OBJ_obj2nid(safe.type);
        Bags bags;
        if (kind == NID_pkcs7_data) {
            bags.reset(PKCS12_unpack_p7data(&safe));
        } else if (kind == NID_pkcs7_encrypted) {
            if (!store_.password) return {};
            Password password(store_.password);
            bags.reset(PKCS12_unpack_p7encdata(&safe, password.text, password.size));
        } else {
            return {};
        }
        if (!bags) {
            return refuse("a part of it cannot be opened: " + take_openssl_error("it is damaged"));
        }
        return read_bags(*bags);
    }

    Result<> read_bags(const STACK_OF(PKCS12_SAFEBAG) & bags) {
        for (int i = 0; i < sk_PKCS12_SAFEBAG_num(&bags); ++i) {
            const PKCS12_SAFEBAG* bag = sk_PKCS12_SAFEBAG_value(&bags, i);
            switch (PKCS12_SAFEBAG_get_nid(bag)) {
                case NID_keyBag:
                case NID_pkcs8ShroudedKeyBag:
                    RETURN_IF_ERROR(read_key(*bag));
                    break;
                case NID_certBag:
                    if (X509* certificate = PKCS12_SAFEBAG_get1_cert(bag)) {
                        content_.certificates.push_back(
                            {CertificatePtr(certificate), id_of(bag), is_marked_trusted(bag)});
                    }
                    break;
                default:
                    break;
            }
        }
        return {};
    }

    Result<> read_key(const PKCS12_SAFEBAG& bag) {
        content_.key_ids.push_back(id_of(&bag));
        if (!keys_ || content_.key) return {};
        content_.key_id = id_of(&bag);
        Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> opened;
        const PKCS8_PRIV_KEY_INFO* plain = nullptr;
        if (PKCS12_SAFEBAG_get_nid(&bag) == NID_keyBag) {
            plain = PKCS12_SAFEBAG_get0_p8inf(&bag);
        } else {
            Password password(store_.key_password ? store_.key_password : store_.password);
            opened.reset(PKCS12_decrypt_skey_ex(&bag, password.text, password.size,
                                                with_old_ciphers(), nullptr));
            plain = opened.get();
        }
        if (plain == nullptr) {
            (void)take_openssl_error({});
            return refuse(
                "its private key cannot be opened: the key's password (ssl.key.password, or the "
                "store's where that is not set) is wrong");
        }
        content_.key.reset(EVP_PKCS82PKEY(plain));
        if (content_.key) return {};
        return refuse("its private key cannot be used: " + take_openssl_error("it is damaged"));
    }

    const Store& store_;
    bool keys_;
    Content content_;
};

// The key's own certificate first, each next one the issuer of the one before.
Certificates chain_of(Content& content) {
    auto is_own = [&](const Found& each) {
        bool same_id = !content.key_id.empty() && each.key_id == content.key_id;
        return same_id || X509_check_private_key(each.certificate.get(), content.key.get()) == 1;
    };
    Certificates chain;
    auto next = std::ranges::find_if(content.certificates, is_own);
    (void)take_openssl_error({});
    while (next != content.certificates.end()) {
        chain.push_back(std::move(next->certificate));
        content.certificates.erase(next);
        X509* last = chain.back().get();
        next = std::ranges::find_if(content.certificates, [&](const Found& each) {
            return X509_check_issued(each.certificate.get(), last) == X509_V_OK;
        });
    }
    return chain;
}

}  // namespace

Result<Identity> read_pkcs12_identity(const Store& store) {
    ASSIGN_OR_RETURN(Content content, Reader(store, true).read());
    if (!content.key) return refuse("it holds no private key");
    Certificates chain = chain_of(content);
    if (chain.empty()) return refuse("it holds no certificate of its private key");
    return Identity{std::move(content.key), std::move(chain)};
}

Result<Certificates> read_pkcs12_trusted(const Store& store) {
    ASSIGN_OR_RETURN(Content content, Reader(store, false).read());
    bool all =
        content.key_ids.empty() && std::ranges::none_of(content.certificates, &Found::is_marked);
    Certificates trusted;
    for (Found& each : content.certificates) {
        bool of_key = !each.key_id.empty() &&
                      std::ranges::find(content.key_ids, each.key_id) != content.key_ids.end();
        if (all || each.is_marked || of_key) trusted.push_back(std::move(each.certificate));
    }
    return trusted;
}

}  // namespace millrace::tls
