#pragma once

#include <cstdint>
#include <vector>

#include "load/loads.h"
#include "load/requests.h"

namespace millrace::bench {

// A connection that fetches one partition of which every batch has the same size: one request in
// flight, of which it learns how many whole batches came.
class FetchingConnection {
  public:
    FetchingConnection(const Target& target, int partition, const BatchShape& shape,
                       std::int32_t fetch_bytes, std::int32_t max_wait_ms);

    Stream stream;

    void ask(std::int64_t offset);
    std::int64_t offset() const { return offset_; }
    // Calls fetched(records) with the whole batches of an answer that is complete.
    template <typename Fetched>
    void receive(Fetched fetched) {
        while (auto count = stream.read(MutableBytes(answer_).subspan(filled_))) {
            take(*count);
            if (complete()) {
                Bytes records = whole_batches();
                filled_ = 0;
                fetched(records);
                return;
            }
            if (!stream.encrypted()) return;
        }
    }

  private:
    void take(std::size_t count);
    bool complete() const;
    Bytes whole_batches() const;

    const Target& target_;
    FetchTemplate request_;
    std::size_t batch_size_;
    std::int64_t offset_ = 0;
    std::vector<std::uint8_t> answer_;
    std::size_t filled_ = 0;
};

}  // namespace millrace::bench
