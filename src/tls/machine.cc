#include "tls/machine.h"

#include <algorithm>
#include <cstring>
#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "base/check.h"

namespace millrace::tls {

// A BIO that reads from a machine's input and writes to its output.
struct MachineBio {
    static int read(BIO* bio, char* to, std::size_t size, std::size_t* count) {
        BIO_clear_retry_flags(bio);
        *count = of(bio).give({reinterpret_cast<std::uint8_t*>(to), size});
        if (*count > 0) return 1;
        BIO_set_retry_read(bio);
        return 0;
    }
    static int write(BIO* bio, const char* from, std::size_t size, std::size_t* count) {
        if (!of(bio).is_handed_over()) {
            of(bio).output_.append({reinterpret_cast<const std::uint8_t*>(from), size});
        }
        *count = size;
        return 1;
    }
    static long control(BIO*, int command, long, void*) {
        return command == BIO_CTRL_FLUSH ? 1 : 0;
    }
    static Machine& of(BIO* bio) { return *static_cast<Machine*>(BIO_get_data(bio)); }

    static const BIO_METHOD* method() {
        static const BIO_METHOD* const made = [] {
            BIO_METHOD* method =
                BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "machine");
            BIO_meth_set_read_ex(method, read);
            BIO_meth_set_write_ex(method, write);
            BIO_meth_set_ctrl(method, control);
            return method;
        }();
        return made;
    }
};

Machine::Machine(SslPtr ssl, Timestamp now) : ssl_(std::move(ssl)) {
    BIO* bio = BIO_new(MachineBio::method());
    CHECK(bio != nullptr);
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    if (SSL_is_server(ssl_.get()) == 1) handover_ = std::make_unique<Handover>(*ssl_);
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl_.get()), static_cast<time_t>(now / 1000));
}

std::size_t Machine::give(MutableBytes to) {
    std::size_t size = std::min(to.size(), input_.size());
    if (size == 0) return 0;
    std::memcpy(to.data(), input_.data(), size);
    note_given(input_.first(size));
    input_ = input_.subspan(size);
    return size;
}

// Follows the frames of records, to know how much of one is kept inside.
void Machine::note_given(Bytes given) {
    while (!given.empty()) {
        if (header_size_ < header_.size()) {
            std::size_t part = std::min(given.size(), header_.size() - header_size_);
            std::memcpy(header_.data() + header_size_, given.data(), part);
            header_size_ += part;
            given = given.subspan(part);
            if (header_size_ < header_.size()) return;
        }
        std::size_t body = load_be<std::uint16_t>(header_.data() + 3);
        std::size_t part = std::min(given.size(), body - body_held_);
        body_held_ += part;
        given = given.subspan(part);
        if (body_held_ == body) header_size_ = body_held_ = 0;
    }
}

Error Machine::error(ErrorCode code, std::string_view what) {
    long verified = SSL_get_verify_result(ssl_.get());
    std::string reason = take_openssl_error("the stream is broken");
    if (verified != X509_V_OK && reason == "certificate verify failed") {
        reason = fmt::format("the peer's certificate is not accepted: {}",
                             X509_verify_cert_error_string(verified));
    }
    return {code, fmt::format("{}: {}", what, reason)};
}

Result<bool> Machine::handshake(Bytes& input) {
    ERR_clear_error();
    input_ = input;
    std::size_t before = output_.size();
    int done = SSL_do_handshake(ssl_.get());
    int why = done == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), done);
    input = std::exchange(input_, {});
    if (handover_) handover_->note_output(output_.bytes().subspan(before));
    if (done == 1) return true;
    if (why == SSL_ERROR_WANT_READ) return false;
    return fail(error(ErrorCode::sasl_authentication_failed, "the TLS handshake failed"));
}

Result<std::size_t> Machine::decrypt(Bytes& input, MutableBytes into) {
    if (failure_) return fail(*failure_);
    ERR_clear_error();
    input_ = input;
    std::size_t total = 0;
    int why = SSL_ERROR_NONE;
    while (total < into.size()) {
        std::size_t count = 0;
        int got = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &count);
        if (got != 1) {
            why = SSL_get_error(ssl_.get(), got);
            break;
        }
        total += count;
    }
    input = std::exchange(input_, {});
    spoke_ = spoke_ || total > 0;
    if (handover_ && handover_->is_broken()) why = SSL_ERROR_SSL;
    bool goes_on =
        why == SSL_ERROR_NONE || why == SSL_ERROR_WANT_READ || why == SSL_ERROR_ZERO_RETURN;
    if (goes_on) return total;
    failure_ = error(spoke_ ? ErrorCode::network_exception : ErrorCode::sasl_authentication_failed,
                     "TLS failed");
    input = {};  // what lies behind counts for nothing
    if (total > 0) return total;
    return fail(*failure_);
}

std::optional<env::TlsKeys> Machine::write_keys() const {
    if (!handover_ || SSL_is_init_finished(ssl_.get()) == 0 || !output_.empty()) return {};
    return handover_->keys();
}

void Machine::hand_over() {
    CHECK(handover_ && output_.empty());
    handover_->hand_over();
}

// OpenSSL answers with its next SSL_write, of which there is none any more.
bool Machine::wants_new_keys() const {
    return is_handed_over() && SSL_get_key_update_type(ssl_.get()) != SSL_KEY_UPDATE_NONE;
}

bool Machine::has_more() const { return failure_ || SSL_pending(ssl_.get()) > 0; }

bool Machine::ended() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }

Result<> Machine::encrypt(Bytes plain) {
    if (plain.empty()) return {};
    CHECK(!is_handed_over());
    ERR_clear_error();
    std::size_t written = 0;
    // The output takes everything: nothing is ever left over.
    int done = SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written);
    CHECK(done != 1 || written == plain.size());
    if (done == 1) return {};
    return fail(error(ErrorCode::network_exception, "TLS failed"));
}

void Machine::close() {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
}

CertificatePtr Machine::peer() const {
    return CertificatePtr(SSL_get1_peer_certificate(ssl_.get()));
}

std::string Machine::protocol() const { return SSL_get_version(ssl_.get()); }

std::string Machine::cipher_suite() const {
    const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_.get());
    const char* name = cipher == nullptr ? nullptr : SSL_CIPHER_standard_name(cipher);
    return name == nullptr ? "" : name;
}

}  // namespace millrace::tls
