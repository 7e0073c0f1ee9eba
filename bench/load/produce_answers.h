#pragma once

#include <cstdint>
#include <vector>

#include "load/loads.h"

namespace millrace::bench {

// The answers to Produce requests of one connection.
class ProduceAnswers {
  public:
    explicit ProduceAnswers(const Target& target) : target_(target), received_(64 << 10) {}
    // How many have come. Throws where one tells an error.
    std::size_t receive(Stream& stream);

  private:
    std::size_t take();

    const Target& target_;
    std::vector<std::uint8_t> received_;
    std::size_t filled_ = 0;
};

}  // namespace millrace::bench
