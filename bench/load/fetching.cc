#include "load/fetching.h"

#include <fmt/core.h>
#include <stdexcept>

namespace millrace::bench {

FetchingConnection::FetchingConnection(const Target& target, int partition, const BatchShape& shape,
                                       std::int32_t fetch_bytes, std::int32_t max_wait_ms)
    : stream(Stream::connect(target.port, target.tls ? &*target.tls : nullptr)),
      target_(target),
      request_(target, partition, fetch_bytes, max_wait_ms),
      batch_size_(batch_size(shape)),
      answer_(static_cast<std::size_t>(fetch_bytes) + batch_size_ + 4096) {}

void FetchingConnection::ask(std::int64_t offset) {
    offset_ = offset;
    request_.set_offset(offset);
    iovec piece{request_.bytes.data(), request_.bytes.size()};
    if (stream.write({&piece, 1}) != request_.bytes.size()) {
        throw std::runtime_error("no room for a request");
    }
}

void FetchingConnection::take(std::size_t count) {
    if (count == 0) throw std::runtime_error("the node has closed a connection");
    filled_ += count;
}

bool FetchingConnection::complete() const {
    return filled_ >= 4 && filled_ - 4 >= load_be<std::uint32_t>(answer_.data());
}

Bytes FetchingConnection::whole_batches() const {
    Bytes answer = Bytes(answer_).subspan(4, filled_ - 4);
    std::int16_t error = fetch_error(answer, target_);
    if (error != 0) throw std::runtime_error(fmt::format("Fetch: error {}", error));
    Bytes records = answer.subspan(fetch_prefix_size(target_));
    return records.first(records.size() / batch_size_ * batch_size_);
}

}  // namespace millrace::bench
