#pragma once

#include <cstdint>

#include "base/result.h"
#include "core/metadata/replay.h"
#include "quorum/metadata_log.h"

namespace millrace::quorum {

// Follows batches of the metadata log from an offset on.
class LogReader {
  public:
    // The log goes on from `contents.image`, and within `contents.open_transaction`; `contents`
    // gets what the batches say.
    LogReader(storage::Log& log, std::int64_t from, LogContents& contents);

    // The offset behind the last batch that was read.
    std::int64_t next() const { return next_; }
    // Errors: kafka_storage_error for bytes that are no batches or leave a gap; invalid_record and
    // unsupported_version as Replay and metadata::decode have them.
    Result<> read_to(std::int64_t end);
    // At most some batches of that. CHECK: there are some.
    Result<> read_piece(std::int64_t end);

  private:
    Result<> take(const BatchView& batch);
    Result<> take_control(const BatchView& batch);
    Result<> take_record(metadata::VersionedRecord record, std::int64_t offset, std::int32_t epoch);

    storage::Log* log_;
    std::int64_t next_;
    LogContents* contents_;
    metadata::Replay replay_;
};

}  // namespace millrace::quorum
