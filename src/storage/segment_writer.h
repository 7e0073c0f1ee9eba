#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "records/batch.h"
#include "storage/segment.h"

namespace millrace::storage {

// Writes a whole segment with its indexes under names that end in .cleaned. Blocking.
class SegmentWriter {
  public:
    static Result<SegmentWriter> create(env::Disk& disk, const std::string& directory, Offset base,
                                        Timestamp now, std::int32_t index_interval_bytes);

    // Bytes that stay in place until flush(); neighbours are written as one piece.
    Result<> add(const BatchView& batch);
    Result<> add(Slice batch);
    // Brings what was added into the file; returns how many bytes.
    Result<std::size_t> flush();
    // Everything is on stable storage, the names too.
    Result<std::unique_ptr<Segment>> finish(const std::vector<AbortedTransaction>& aborted);
    // Removes the files.
    void discard();

  private:
    SegmentWriter(env::Disk& disk, std::string directory, std::unique_ptr<Segment> segment,
                  std::int32_t index_interval_bytes)
        : disk_(disk),
          directory_(std::move(directory)),
          segment_(std::move(segment)),
          index_interval_bytes_(index_interval_bytes),
          least_(segment_->base()) {}

    env::Disk& disk_;
    std::string directory_;
    std::unique_ptr<Segment> segment_;
    std::int32_t index_interval_bytes_;
    Offset least_;  // no batch may begin below
    std::vector<Bytes> pieces_;
    std::vector<Slice> owned_;
    std::size_t unsynced_ = 0;
};

// Removes a segment's files; what cannot be removed is logged and stays.
void remove_files(env::Disk& disk, Segment& segment);

}  // namespace millrace::storage
