#pragma once

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <vector>

#include "env/sim/record_cipher.h"
#include "tls/openssl.h"

namespace millrace::tls {

// The TLS of a kernel, for simulated machines: records of TLS 1.2 and 1.3 out of keys alone, by
// OpenSSL's ciphers but without its TLS.
class TestRecordCipher final : public env::sim::RecordCipher {
  public:
    explicit TestRecordCipher(const env::TlsKeys& keys) : keys_(keys) {}

    std::vector<std::uint8_t> seal(env::TlsRecord kind, Bytes plain) override {
        EXPECT_LE(plain.size(), 16U << 10);
        std::vector<std::uint8_t> inner(plain.begin(), plain.end());
        auto outer = static_cast<std::uint8_t>(kind);
        if (keys_.tls_1_3) {
            inner.push_back(outer);
            outer = static_cast<std::uint8_t>(env::TlsRecord::data);
        }
        std::vector<std::uint8_t> record = {outer, 3, 3, 0, 0};
        std::array<std::uint8_t, 12> nonce = keys_.nonce;
        bool is_explicit = !keys_.tls_1_3 && keys_.cipher != Cipher::chacha20_poly1305;
        if (is_explicit) {
            record.insert(record.end(), nonce.begin() + 4, nonce.end());
            std::uint64_t next = load_be<std::uint64_t>(nonce.data() + 4) + 1;
            store_be(keys_.nonce.data() + 4, next);
        } else {
            std::uint64_t rest = load_be<std::uint64_t>(nonce.data() + 4);
            store_be(nonce.data() + 4, rest ^ keys_.sequence);
        }
        std::size_t body = record.size() - 5 + inner.size() + tag_size;
        store_be(record.data() + 3, static_cast<std::uint16_t>(body));
        std::vector<std::uint8_t> bound(record.begin(), record.begin() + 5);
        if (!keys_.tls_1_3) {
            bound.insert(bound.begin(), 8, 0);
            store_be(bound.data(), keys_.sequence);
            store_be(bound.data() + 11, static_cast<std::uint16_t>(inner.size()));
        }
        encrypt(nonce, bound, inner, record);
        ++keys_.sequence;
        return record;
    }

  private:
    using Cipher = env::TlsKeys::Cipher;
    static constexpr std::size_t tag_size = 16;

    const EVP_CIPHER* cipher() const {
        switch (keys_.cipher) {
            case Cipher::aes_128_gcm:
                return EVP_aes_128_gcm();
            case Cipher::aes_256_gcm:
                return EVP_aes_256_gcm();
            case Cipher::chacha20_poly1305:
                return EVP_chacha20_poly1305();
        }
        return nullptr;
    }

    void encrypt(Bytes nonce, Bytes bound, Bytes plain, std::vector<std::uint8_t>& record) {
        Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free> context(EVP_CIPHER_CTX_new());
        EVP_CIPHER_CTX* ctx = context.get();
        int size = 0;
        EXPECT_EQ(EVP_EncryptInit_ex(ctx, cipher(), nullptr, keys_.key.data(), nonce.data()), 1);
        EVP_EncryptUpdate(ctx, nullptr, &size, bound.data(), static_cast<int>(bound.size()));
        std::size_t at = record.size();
        record.resize(at + plain.size() + tag_size);
        EVP_EncryptUpdate(ctx, record.data() + at, &size, plain.data(),
                          static_cast<int>(plain.size()));
        EXPECT_EQ(size, static_cast<int>(plain.size()));
        EVP_EncryptFinal_ex(ctx, nullptr, &size);
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, tag_size,
                            record.data() + at + plain.size());
    }

    env::TlsKeys keys_;
};

// For Fabric::record_ciphers; counts the connections that it encrypts.
inline env::sim::RecordCiphers test_kernel(int& connections) {
    return [&connections](const env::TlsKeys& keys) {
        ++connections;
        return std::make_unique<TestRecordCipher>(keys);
    };
}

}  // namespace millrace::tls
