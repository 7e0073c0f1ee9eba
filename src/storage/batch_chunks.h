#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"

namespace millrace::env {
class File;
}

namespace millrace::storage {

// Reads a part of a file that holds whole batches, in pieces of whole batches: of the usual size,
// or of one batch that is larger.
class BatchChunks {
  public:
    BatchChunks(std::shared_ptr<env::File> file, std::uint32_t position, std::uint32_t end,
                std::size_t usual_size);

    // Empty at the end; lasts until the next call. corrupt_message: what follows is no batch, or
    // one that the end cuts short. unsupported_for_message_format: one of magic 0 or 1.
    Result<Bytes> next();
    // Where the next piece begins.
    std::uint32_t position() const { return position_; }

  private:
    std::shared_ptr<env::File> file_;
    std::uint32_t position_;
    std::uint32_t end_;
    std::size_t usual_size_;
    Buffer buffer_;
};

}  // namespace millrace::storage
