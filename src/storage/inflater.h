#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "records/batch.h"
#include "records/decompressor.h"

namespace millrace::storage {

// The records of one batch after the other in one piece of memory, which is kept between them.
class Inflater {
  public:
    // A view of the batch itself when it is not compressed; lasts until the next call. Errors as
    // Decompressor, unknown_server_error for an unknown codec.
    Result<Bytes> records_of(const BatchView& batch);

  private:
    Decompressor decompressor_;
    Buffer buffer_;
};

}  // namespace millrace::storage
