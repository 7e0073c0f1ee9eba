#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "env/network.h"
#include "tls/openssl.h"

namespace millrace::tls {

// Follows what OpenSSL writes on the server's side of a connection, for somebody else to go on
// encrypting where it has stopped: the system, whose records it can send files by.
//
// Afterwards the alerts that OpenSSL still sends are caught as they are before they are encrypted.
// Its own records are out of sequence by then and are dropped, so none can get out; any but those
// of alerts break the stream.
class Handover {
  public:
    // Of one side that begins its handshake; lives as long as it, and stays where it is.
    explicit Handover(SSL& ssl);
    ~Handover();
    Handover(const Handover&) = delete;
    // The key log callback of the contexts of such sides.
    static void note_secret(const SSL* ssl, const char* line);

    // What a step of the handshake put out: whole records.
    void note_output(Bytes records);
    // What encrypts the next record. None where the suite or version is not among those that
    // env::TlsKeys can say.
    std::optional<env::TlsKeys> keys() const;

    void hand_over();
    bool is_done() const { return done_; }

    struct Message {
        env::TlsRecord kind = env::TlsRecord::alert;
        std::vector<std::uint8_t> bytes;
    };
    bool has_messages() const { return !messages_.empty(); }
    std::vector<Message> take_messages() { return std::exchange(messages_, {}); }
    // OpenSSL has made a record that is none of an alert.
    bool is_broken() const { return untold_ != 0; }

  private:
    static void on_message(int is_written, int version, int kind, const void* bytes,
                           std::size_t size, SSL* ssl, void* self);
    void note_written(int kind, Bytes bytes);
    void note_record(Bytes header);
    void forget_secret();

    SSL& ssl_;
    std::array<std::uint8_t, 48> secret_{};  // TLS 1.3: of what this side writes
    std::size_t secret_size_ = 0;
    std::uint64_t sequence_ = 0;           // records made under the current keys
    std::array<std::uint8_t, 8> nonce_{};  // the explicit one of the last of them, in TLS 1.2
    bool done_ = false;
    int untold_ = 0;
    std::vector<Message> messages_;
};

}  // namespace millrace::tls
