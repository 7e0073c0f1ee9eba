#include "tls/handover.h"

#include <algorithm>
#include <openssl/crypto.h>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "tls/record_keys.h"

namespace millrace::tls {
namespace {

constexpr std::size_t record_header_size = 5;
constexpr std::uint8_t change_cipher_spec = 20;

int digit_of(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

Handover::Handover(SSL& ssl) : ssl_(ssl) {
    SSL_set_app_data(&ssl, this);
    SSL_set_msg_callback(&ssl, on_message);
    SSL_set_msg_callback_arg(&ssl, this);
}

Handover::~Handover() {
    SSL_set_app_data(&ssl_, nullptr);
    SSL_set_msg_callback(&ssl_, nullptr);
    forget_secret();
}

void Handover::forget_secret() { OPENSSL_cleanse(secret_.data(), secret_.size()); }

// A line is a label, the client's random and the secret, in hexadecimal. OpenSSL logs the secret at
// the moment when it begins to write by it.
void Handover::note_secret(const SSL* ssl, const char* line) {
    auto* self = static_cast<Handover*>(SSL_get_app_data(ssl));
    std::string_view text(line);
    if (self == nullptr || !text.starts_with("SERVER_TRAFFIC_SECRET_0 ")) return;
    text.remove_prefix(text.rfind(' ') + 1);
    CHECK(text.size() % 2 == 0 && text.size() / 2 <= self->secret_.size());
    for (std::size_t i = 0; i < text.size(); i += 2) {
        self->secret_[i / 2] =
            static_cast<std::uint8_t>(digit_of(text[i]) << 4 | digit_of(text[i + 1]));
    }
    self->secret_size_ = text.size() / 2;
    self->sequence_ = 0;
}

void Handover::on_message(int is_written, int, int kind, const void* bytes, std::size_t size, SSL*,
                          void* self) {
    if (is_written == 0) return;
    static_cast<Handover*>(self)->note_written(kind,
                                               {static_cast<const std::uint8_t*>(bytes), size});
}

// OpenSSL tells of each record as it makes it, and of what is in it.
void Handover::note_written(int kind, Bytes bytes) {
    if (kind == SSL3_RT_HEADER) return note_record(bytes);
    if (!done_ || kind != SSL3_RT_ALERT) return;
    --untold_;
    messages_.push_back({env::TlsRecord::alert, {bytes.begin(), bytes.end()}});
}

void Handover::note_record(Bytes header) {
    if (done_) {
        ++untold_;
    } else if (header[0] == change_cipher_spec) {
        sequence_ = 0;  // in TLS 1.2; in TLS 1.3 it comes before the secret and means nothing
    } else {
        ++sequence_;
    }
}

// OpenSSL begins with an explicit nonce by chance and counts up from it.
void Handover::note_output(Bytes records) {
    while (records.size() > record_header_size) {
        std::size_t size = load_be<std::uint16_t>(records.data() + 3);
        if (records.size() < record_header_size + size) return;  // of a step that has failed
        Bytes body = records.subspan(record_header_size, size);
        if (body.size() >= nonce_.size()) std::copy_n(body.begin(), nonce_.size(), nonce_.begin());
        records = records.subspan(record_header_size + size);
    }
}

std::optional<env::TlsKeys> Handover::keys() const {
    std::optional<RecordSuite> suite = record_suite(ssl_);
    if (!suite) return std::nullopt;
    env::TlsKeys keys;
    if (suite->tls_1_3) {
        if (secret_size_ == 0) return std::nullopt;
        keys = keys_of_secret(*suite, Bytes(secret_).first(secret_size_));
    } else {
        std::array<std::uint8_t, SSL_MAX_MASTER_KEY_LENGTH> master;
        std::array<std::uint8_t, SSL3_RANDOM_SIZE> client;
        std::array<std::uint8_t, SSL3_RANDOM_SIZE> server;
        std::size_t size =
            SSL_SESSION_get_master_key(SSL_get_session(&ssl_), master.data(), master.size());
        SSL_get_client_random(&ssl_, client.data(), client.size());
        SSL_get_server_random(&ssl_, server.data(), server.size());
        keys = keys_of_server(*suite, Bytes(master).first(size), client, server);
        OPENSSL_cleanse(master.data(), master.size());
        if (suite->cipher != env::TlsKeys::Cipher::chacha20_poly1305) {
            // Two records with one nonce would give away the key: theirs is never used again.
            store_be(keys.nonce.data() + 4, load_be<std::uint64_t>(nonce_.data()) + 1);
        }
    }
    keys.sequence = sequence_;
    return keys;
}

void Handover::hand_over() {
    done_ = true;
    forget_secret();
}

}  // namespace millrace::tls
