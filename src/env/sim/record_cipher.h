#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "env/network.h"

namespace millrace::env::sim {

// Makes the records of TLS of one connection, as a kernel does. This room knows no ciphers: tests
// that want such kernels bring them.
class RecordCipher {
  public:
    virtual ~RecordCipher() = default;
    // The next record, of at most 16 KiB of plaintext.
    virtual std::vector<std::uint8_t> seal(TlsRecord kind, Bytes plain) = 0;
};
// Null where the kernel refuses the keys.
using RecordCiphers = std::function<std::unique_ptr<RecordCipher>(const TlsKeys&)>;

}  // namespace millrace::env::sim
