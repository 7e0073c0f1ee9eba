#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "tls/handover.h"
#include "tls/profile.h"

namespace millrace::tls {

// One side of a TLS connection as bytes in and bytes out: no I/O, no clock, no wait. Whoever drives
// it gives it what came from the peer and sends what it puts out.
class Machine {
  public:
    // Certificates are judged as of `now`.
    Machine(SslPtr ssl, Timestamp now);
    Machine(const Machine&) = delete;

    // Goes on with the handshake; all of `input` is taken, or what belongs to it. True: it is done.
    // Error SASL_AUTHENTICATION_FAILED with the reason, Kafka's code for any such failure; what is
    // put out then tells the peer.
    Result<bool> handshake(Bytes& input);

    // The plaintext of `input`, from whose front is taken what was needed, and of what was taken
    // before. Everything is taken unless `into` is full; of a stream that fails, what is behind,
    // too. `into` may overlap `input` where it begins held() bytes before it or earlier: the
    // plaintext of a record is shorter than the record. The error is that of the stream, which
    // cannot go on; before the first plaintext its code is that of a handshake, which a server of
    // TLS 1.3 may refuse when the client has ended it already.
    Result<std::size_t> decrypt(Bytes& input, MutableBytes into);
    // decrypt() has plaintext, or an error, without input.
    bool has_more() const;
    // Bytes of a record that is not whole, which the machine keeps.
    std::size_t held() const { return header_size_ + body_held_; }
    // The peer has said that nothing more comes.
    bool ended() const;

    // Puts out records of at most 16 KiB: give it multiples of that. The error is the stream's.
    Result<> encrypt(Bytes plain);
    // Puts out that nothing more comes.
    void close();

    // After the handshake, once all output is sent: what the next record of this side is encrypted
    // with, for somebody else to do that. None on a client's side, which sends no files, and of
    // suites that env::TlsKeys cannot say.
    std::optional<env::TlsKeys> write_keys() const;
    // Somebody else does: there is no output any more, encrypt() is not called, and what this side
    // has to say by itself is told as messages.
    void hand_over();
    // Nobody does.
    void keep_writing() { handover_.reset(); }
    bool is_handed_over() const { return handover_ && handover_->is_done(); }
    // The peer has asked for new keys in this direction, which is OpenSSL's to answer no more.
    bool wants_new_keys() const;
    std::vector<Handover::Message> take_messages() { return handover_->take_messages(); }
    bool has_something_to_say() const {
        return !output_.empty() || wants_new_keys() || (handover_ && handover_->has_messages());
    }

    // What is to be sent, in order.
    Buffer& output() { return output_; }
    Buffer take_output() { return std::exchange(output_, Buffer()); }

    // The peer's certificate, null when it has shown none.
    CertificatePtr peer() const;
    // The protocol and suite that were agreed upon: "TLSv1.3", "TLS_AES_256_GCM_SHA384".
    std::string protocol() const;
    std::string cipher_suite() const;

  private:
    friend struct MachineBio;
    std::size_t give(MutableBytes to);
    void note_given(Bytes given);
    Error error(ErrorCode code, std::string_view what);

    SslPtr ssl_;
    std::unique_ptr<Handover> handover_;  // of a server, until it is known that nobody takes over
    Bytes input_;                         // while a call runs
    Buffer output_;
    std::array<std::uint8_t, 5> header_{};  // of the record that OpenSSL is being given
    std::size_t header_size_ = 0;
    std::size_t body_held_ = 0;
    bool spoke_ = false;            // the peer has sent plaintext
    std::optional<Error> failure_;  // met behind plaintext that was good
};

}  // namespace millrace::tls
