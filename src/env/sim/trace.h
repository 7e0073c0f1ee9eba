#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::env::sim {

// A fingerprint of everything that happened, in order: equal seeds must give equal traces.
class Trace {
  public:
    enum class Kind : std::uint8_t {
        turn,
        event,
        connect,
        send,
        deliver,
        write,
        sync,
        crash,
        start
    };
    void note(Kind kind, std::uint64_t a = 0, std::uint64_t b = 0) {
        mix(static_cast<std::uint64_t>(kind));
        mix(a);
        mix(b);
        ++length_;
    }
    std::uint64_t hash() const { return hash_; }
    std::uint64_t length() const { return length_; }

  private:
    void mix(std::uint64_t value) {
        hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15U;
        hash_ ^= hash_ >> 29U;
    }
    std::uint64_t hash_ = 0x2545f4914f6cdd1dU;
    std::uint64_t length_ = 0;
};

}  // namespace millrace::env::sim
