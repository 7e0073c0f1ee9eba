#include "tls/jks.h"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <initializer_list>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <vector>

namespace millrace::tls {
namespace {

constexpr std::uint32_t magic = 0xfeedfeed;
constexpr std::uint32_t key_tag = 1;
constexpr std::uint32_t certificate_tag = 2;
constexpr std::string_view protector = "1.3.6.1.4.1.42.2.17.1.1";  // the algorithm of a sealed key

using Digest = std::array<std::uint8_t, SHA_DIGEST_LENGTH>;

std::unexpected<Error> refuse(std::string reason) {
    return fail(ErrorCode::invalid_config, std::move(reason));
}

// Numbers, texts and blobs in order; past the end everything is zero and empty, and `broken`.
class Cursor {
  public:
    explicit Cursor(Bytes bytes) : rest_(bytes) {}

    template <typename T>
    T number() {
        Bytes bytes = take(sizeof(T));
        return bytes.empty() ? T{} : load_be<T>(bytes.data());
    }
    Bytes blob() { return take(number<std::uint32_t>()); }
    std::string_view text() { return as_string(take(number<std::uint16_t>())); }
    bool broken() const { return broken_; }
    bool at_end() const { return rest_.empty(); }

  private:
    Bytes take(std::size_t size) {
        if (broken_ || size > rest_.size()) {
            broken_ = true;
            return {};
        }
        Bytes taken = rest_.first(size);
        rest_ = rest_.subspan(size);
        return taken;
    }
    Bytes rest_;
    bool broken_ = false;
};

struct Entry {
    std::string_view alias;
    Bytes sealed_key;  // empty: a trusted certificate
    std::vector<Bytes> certificates;
};

Digest sha1(std::initializer_list<Bytes> parts) {
    Owned<EVP_MD_CTX, EVP_MD_CTX_free> state(EVP_MD_CTX_new());
    Digest digest{};
    EVP_DigestInit_ex(state.get(), EVP_sha1(), nullptr);
    for (Bytes part : parts) EVP_DigestUpdate(state.get(), part.data(), part.size());
    EVP_DigestFinal_ex(state.get(), digest.data(), nullptr);
    return digest;
}

// As Java's chars, big-endian. Nothing where the text is no UTF-8.
std::vector<std::uint8_t> to_utf16(std::string_view text) {
    std::vector<std::uint8_t> chars;
    const auto* at = reinterpret_cast<const std::uint8_t*>(text.data());
    int left = static_cast<int>(text.size());
    auto append = [&](unsigned long unit) {
        chars.push_back(static_cast<std::uint8_t>(unit >> 8U));
        chars.push_back(static_cast<std::uint8_t>(unit));
    };
    while (left > 0) {
        unsigned long point = 0;
        int used = UTF8_getc(at, left, &point);
        if (used <= 0) return {};
        at += used;
        left -= used;
        if (point < 0x10000) {
            append(point);
        } else {
            append(0xd800 + ((point - 0x10000) >> 10U));
            append(0xdc00 + ((point - 0x10000) & 0x3ffU));
        }
    }
    return chars;
}

Result<> check_integrity(Bytes bytes, const std::string& password) {
    std::vector<std::uint8_t> chars = to_utf16(password);
    Bytes content = bytes.first(bytes.size() - SHA_DIGEST_LENGTH);
    Digest digest = sha1({chars, as_bytes("Mighty Aphrodite"), content});
    if (std::ranges::equal(digest, bytes.last(SHA_DIGEST_LENGTH))) return {};
    return refuse("its password is wrong, or it is damaged");
}

Result<std::vector<Entry>> read_entries(const Store& store) {
    Bytes bytes = as_bytes(store.bytes);
    auto damaged = [] { return refuse("it is damaged: it ends in the middle of an entry"); };
    if (bytes.size() < 12 + SHA_DIGEST_LENGTH) return damaged();
    if (store.password) RETURN_IF_ERROR(check_integrity(bytes, *store.password));
    Cursor cursor(bytes.first(bytes.size() - SHA_DIGEST_LENGTH));
    cursor.number<std::uint32_t>();  // the magic number
    auto version = cursor.number<std::uint32_t>();
    if (version != 1 && version != 2) {
        return refuse(fmt::format("it is a JKS store of version {}, which nobody wrote", version));
    }
    auto certificate = [&] {
        if (version == 2) cursor.text();  // "X.509"
        return cursor.blob();
    };
    std::vector<Entry> entries;
    auto count = cursor.number<std::uint32_t>();
    for (; count > 0 && !cursor.broken(); --count) {
        auto tag = cursor.number<std::uint32_t>();
        Entry entry{.alias = cursor.text()};
        cursor.number<std::uint64_t>();  // when it was made
        if (tag == key_tag) {
            entry.sealed_key = cursor.blob();
            auto certificates = cursor.number<std::uint32_t>();
            for (; certificates > 0 && !cursor.broken(); --certificates) {
                entry.certificates.push_back(certificate());
            }
        } else if (tag == certificate_tag) {
            entry.certificates.push_back(certificate());
        } else if (!cursor.broken()) {
            return refuse(fmt::format("it is damaged: an entry has the kind {}", tag));
        }
        entries.push_back(std::move(entry));
    }
    if (cursor.broken() || !cursor.at_end()) return damaged();
    return entries;
}

Result<CertificatePtr> read_certificate(const Entry& entry, Bytes der) {
    const std::uint8_t* at = der.data();
    CertificatePtr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (certificate) return certificate;
    return refuse(fmt::format("a certificate of '{}' cannot be read: {}", entry.alias,
                              take_openssl_error("it is damaged")));
}

// Salt, the key xored with a chain of digests over password and salt, and a digest of the key.
Result<KeyPtr> open_key(const Entry& entry, const std::string& password) {
    const std::uint8_t* at = entry.sealed_key.data();
    Owned<X509_SIG, X509_SIG_free> sealed(
        d2i_X509_SIG(nullptr, &at, static_cast<long>(entry.sealed_key.size())));
    auto damaged = [&] { return refuse(fmt::format("its key '{}' is damaged", entry.alias)); };
    if (!sealed) {
        (void)take_openssl_error({});
        return damaged();
    }
    const X509_ALGOR* algorithm = nullptr;
    const ASN1_OCTET_STRING* octets = nullptr;
    X509_SIG_get0(sealed.get(), &algorithm, &octets);
    char name[80] = {};
    OBJ_obj2txt(name, sizeof name, algorithm->algorithm, 1);
    if (name != protector) {
        return refuse(fmt::format("its key '{}' is sealed by {}, which JKS does not have",
                                  entry.alias, name));
    }
    Bytes data(ASN1_STRING_get0_data(octets), static_cast<std::size_t>(ASN1_STRING_length(octets)));
    if (data.size() <= 2 * SHA_DIGEST_LENGTH) return damaged();
    std::vector<std::uint8_t> chars = to_utf16(password);
    Bytes body = data.subspan(SHA_DIGEST_LENGTH, data.size() - 2 * SHA_DIGEST_LENGTH);
    std::vector<std::uint8_t> key(body.begin(), body.end());
    Digest stream = sha1({chars, data.first(SHA_DIGEST_LENGTH)});
    for (std::size_t i = 0; i < key.size(); ++i) {
        if (i > 0 && i % stream.size() == 0) stream = sha1({chars, stream});
        key[i] ^= stream[i % stream.size()];
    }
    bool is_right = std::ranges::equal(sha1({chars, key}), data.last(SHA_DIGEST_LENGTH));
    const std::uint8_t* der = key.data();
    KeyPtr opened(is_right ? d2i_AutoPrivateKey(nullptr, &der, static_cast<long>(key.size()))
                           : nullptr);
    OPENSSL_cleanse(key.data(), key.size());
    (void)take_openssl_error({});
    if (opened) return opened;
    return is_right ? damaged()
                    : refuse(fmt::format(
                          "its key '{}' cannot be opened: the key's password (ssl.key.password, "
                          "or the store's where that is not set) is wrong",
                          entry.alias));
}

}  // namespace

bool is_jks(Bytes bytes) {
    return bytes.size() >= 4 && load_be<std::uint32_t>(bytes.data()) == magic;
}

Result<Identity> read_jks_identity(const Store& store) {
    ASSIGN_OR_RETURN(std::vector<Entry> entries, read_entries(store));
    for (const Entry& entry : entries) {
        if (entry.sealed_key.empty()) continue;
        const auto& password = store.key_password ? store.key_password : store.password;
        if (!password) return refuse("its private key needs a password: set ssl.key.password");
        Identity identity;
        ASSIGN_OR_RETURN(identity.key, open_key(entry, *password));
        for (Bytes der : entry.certificates) {
            ASSIGN_OR_RETURN(CertificatePtr certificate, read_certificate(entry, der));
            identity.chain.push_back(std::move(certificate));
        }
        if (identity.chain.empty()) {
            return refuse(fmt::format("its key '{}' has no certificate", entry.alias));
        }
        return identity;
    }
    return refuse("it holds no private key");
}

Result<Certificates> read_jks_trusted(const Store& store) {
    ASSIGN_OR_RETURN(std::vector<Entry> entries, read_entries(store));
    Certificates trusted;
    for (const Entry& entry : entries) {
        if (entry.certificates.empty()) continue;
        ASSIGN_OR_RETURN(CertificatePtr certificate,
                         read_certificate(entry, entry.certificates.front()));
        trusted.push_back(std::move(certificate));
    }
    return trusted;
}

}  // namespace millrace::tls
