#include "tls/pem.h"

#include <algorithm>
#include <cctype>
#include <fmt/core.h>
#include <openssl/pkcs12.h>
#include <vector>

namespace millrace::tls {
namespace {

constexpr std::string_view dashes = "-----";

struct Block {
    std::string_view label;  // "CERTIFICATE"
    std::string_view text;   // between the marks
};

std::unexpected<Error> refuse(std::string reason) {
    return fail(ErrorCode::invalid_config, std::move(reason));
}

// What is outside of marks is commentary.
Result<std::vector<Block>> blocks_of(std::string_view text) {
    constexpr std::string_view begin = "-----BEGIN ";
    std::vector<Block> blocks;
    for (;;) {
        std::size_t at = text.find(begin);
        if (at == std::string_view::npos) return blocks;
        text.remove_prefix(at + begin.size());
        std::size_t mark = text.find(dashes);
        if (mark == std::string_view::npos) return refuse("a BEGIN line in it has no end");
        Block block{.label = text.substr(0, mark), .text = {}};
        text.remove_prefix(mark + dashes.size());
        std::string end = fmt::format("-----END {}-----", block.label);
        mark = text.find(end);
        if (mark == std::string_view::npos) {
            return refuse(fmt::format("its block {} has no END line", block.label));
        }
        block.text = text.substr(0, mark);
        text.remove_prefix(mark + end.size());
        blocks.push_back(block);
    }
}

Result<std::vector<std::uint8_t>> decode(const Block& block) {
    if (block.text.find(':') != std::string_view::npos) {
        return refuse(
            fmt::format("its block {} is encrypted in OpenSSL's old form; rewrite it "
                        "with `openssl pkcs8 -topk8`",
                        block.label));
    }
    std::string base64;
    base64.reserve(block.text.size());
    std::ranges::copy_if(block.text, std::back_inserter(base64),
                         [](unsigned char c) { return std::isspace(c) == 0; });
    std::vector<std::uint8_t> der(base64.size() / 4 * 3 + 3);
    int size = EVP_DecodeBlock(der.data(), reinterpret_cast<const std::uint8_t*>(base64.data()),
                               static_cast<int>(base64.size()));
    if (base64.empty() || base64.size() % 4 != 0 || size < 0) {
        return refuse(fmt::format("its block {} is no base64", block.label));
    }
    auto padding = static_cast<std::size_t>(base64.ends_with("==")  ? 2
                                            : base64.ends_with("=") ? 1
                                                                    : 0);
    der.resize(static_cast<std::size_t>(size) - padding);
    return der;
}

Result<CertificatePtr> read_certificate(const Block& block) {
    ASSIGN_OR_RETURN(auto der, decode(block));
    const std::uint8_t* at = der.data();
    CertificatePtr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (certificate) return certificate;
    return refuse(
        fmt::format("a certificate in it cannot be read: {}", take_openssl_error("it is damaged")));
}

Result<KeyPtr> decrypt_key(const std::vector<std::uint8_t>& der,
                           const std::optional<std::string>& password) {
    if (!password) return refuse("its private key is encrypted: set ssl.key.password");
    const std::uint8_t* at = der.data();
    Owned<X509_SIG, X509_SIG_free> sealed(
        d2i_X509_SIG(nullptr, &at, static_cast<long>(der.size())));
    if (!sealed) return refuse("its private key cannot be read: " + take_openssl_error("damaged"));
    Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> opened(
        PKCS8_decrypt(sealed.get(), password->data(), static_cast<int>(password->size())));
    KeyPtr key(opened ? EVP_PKCS82PKEY(opened.get()) : nullptr);
    (void)take_openssl_error({});
    if (key) return key;
    return refuse("its private key cannot be opened: ssl.key.password is wrong");
}

Result<KeyPtr> read_key(const Block& block, const std::optional<std::string>& password) {
    ASSIGN_OR_RETURN(auto der, decode(block));
    if (block.label == "ENCRYPTED PRIVATE KEY") return decrypt_key(der, password);
    const std::uint8_t* at = der.data();
    KeyPtr key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size())));
    if (key) return key;
    return refuse("its private key cannot be read: " + take_openssl_error("it is damaged"));
}

}  // namespace

Result<Identity> read_pem_identity(std::string_view text,
                                   const std::optional<std::string>& key_password) {
    ASSIGN_OR_RETURN(std::vector<Block> blocks, blocks_of(text));
    Identity identity;
    for (const Block& block : blocks) {
        if (block.label == "CERTIFICATE") {
            ASSIGN_OR_RETURN(CertificatePtr certificate, read_certificate(block));
            identity.chain.push_back(std::move(certificate));
        } else if (block.label.ends_with("PRIVATE KEY")) {
            if (identity.key) return refuse("it holds more than one private key");
            ASSIGN_OR_RETURN(identity.key, read_key(block, key_password));
        }
    }
    if (!identity.key) return refuse("it holds no private key in PEM");
    if (identity.chain.empty()) return refuse("it holds no certificate in PEM");
    return identity;
}

Result<Certificates> read_pem_certificates(std::string_view text) {
    ASSIGN_OR_RETURN(std::vector<Block> blocks, blocks_of(text));
    Certificates certificates;
    for (const Block& block : blocks) {
        if (block.label != "CERTIFICATE") continue;
        ASSIGN_OR_RETURN(CertificatePtr certificate, read_certificate(block));
        certificates.push_back(std::move(certificate));
    }
    if (certificates.empty()) return refuse("it holds no certificate in PEM");
    return certificates;
}

}  // namespace millrace::tls
