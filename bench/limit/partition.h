#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <sys/uio.h>
#include <vector>

#include "base/bytes.h"

namespace millrace::bench {

class Connection;

// A file of batches, and where each of them begins.
class Partition {
  public:
    Partition(const std::string& folder, int index);
    Partition(const Partition&) = delete;
    ~Partition() { ::close(file_); }

    // Takes batches in, which stay where they are until write().
    std::int64_t append(MutableBytes batches);
    void write();
    void sync();

    int file() const { return file_; }
    std::int64_t end_offset() const { return end_offset_; }
    std::uint64_t size() const { return size_; }
    // With what is not yet written.
    std::uint64_t size_to_be() const { return size_ + unwritten_size_; }
    // Where whole batches end, from one's beginning on: at least one of them.
    std::uint64_t end_of_batches(std::uint64_t begin, std::uint64_t most) const;
    // Where the batch that holds an offset begins.
    std::uint64_t position(std::int64_t offset) const;

    // Fetches that wait for records.
    std::vector<Connection*> waiting;
    // Produce requests that are answered once this much is committed.
    struct Unanswered {
        Connection* connection;  // null: it has gone
        std::int32_t correlation;
        std::int64_t base;
        std::uint64_t end;
    };
    std::deque<Unanswered> unanswered;

  private:
    struct Batch {
        std::int64_t base_offset;
        std::uint64_t position;
    };
    int file_ = -1;
    std::int64_t end_offset_ = 0;
    std::uint64_t size_ = 0;
    std::uint64_t unwritten_size_ = 0;
    std::vector<iovec> unwritten_;
    std::vector<Batch> batches_;
};

}  // namespace millrace::bench
