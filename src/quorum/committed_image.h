#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "quorum/log_reader.h"
#include "quorum/metadata_log.h"
#include "quorum/published.h"

namespace millrace::quorum {

// The metadata as the committed part of the log tells it, of a replica that does not lead: reads
// what the high watermark has passed.
class CommittedImage {
  public:
    // `opened`: what the log said when it was opened, up to `end`. All of it is taken over once it
    // is committed.
    CommittedImage(storage::Log& log, LogContents opened, std::int64_t snapshot_end,
                   std::int64_t end);

    // Goes on at `next`, with the image of everything below: after a term of office, or from a
    // snapshot of another replica.
    void resume(metadata::ImagePtr image, std::int64_t next);
    // What the log held from `end` on is gone.
    void truncated(std::int64_t end);

    // The first offset that is not in the image.
    std::int64_t next() const { return reader_.next(); }
    // Takes a piece of what lies below the high watermark; nothing when that is nothing new.
    // Errors of LogReader.
    Result<std::optional<Published>> advance(std::int64_t high_watermark);
    // What the whole log says below `end`, committed or not: what a term of office begins with.
    // Nothing may be asked afterwards, but resume().
    Result<LogContents> contents_at(std::int64_t end);

  private:
    storage::Log& log_;
    std::optional<LogContents> opened_;  // while the log holds it and not all is committed
    std::int64_t opened_end_ = 0;
    LogContents contents_;
    LogReader reader_;
};

}  // namespace millrace::quorum
