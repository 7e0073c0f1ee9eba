#include "load/produce_answers.h"

#include <algorithm>
#include <fmt/core.h>
#include <stdexcept>

#include "load/requests.h"

namespace millrace::bench {

std::size_t ProduceAnswers::receive(Stream& stream) {
    std::size_t answers = 0;
    while (auto count = stream.read(MutableBytes(received_).subspan(filled_))) {
        if (*count == 0) throw std::runtime_error("the node has closed a connection");
        filled_ += *count;
        answers += take();
        if (!stream.encrypted()) break;
    }
    return answers;
}

std::size_t ProduceAnswers::take() {
    std::size_t answers = 0;
    std::size_t at = 0;
    while (filled_ - at >= 4) {
        auto size = load_be<std::uint32_t>(received_.data() + at);
        if (filled_ - at - 4 < size) break;
        std::int16_t error = produce_error(Bytes(received_).subspan(at + 4, size), target_);
        if (error != 0) throw std::runtime_error(fmt::format("Produce: error {}", error));
        at += 4 + size;
        ++answers;
    }
    std::copy(received_.begin() + static_cast<std::ptrdiff_t>(at),
              received_.begin() + static_cast<std::ptrdiff_t>(filled_), received_.begin());
    filled_ -= at;
    return answers;
}

}  // namespace millrace::bench
