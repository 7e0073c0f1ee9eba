#pragma once

#include <utility>

#include "base/result.h"
#include "quorum/record_batches.h"
#include "quorum/snapshot_file.h"
#include "records/batch.h"

namespace millrace::quorum {

// Takes the batches of a snapshot, whole and in order, and hands their records over; the offsets
// count from the snapshot's beginning.
class SnapshotReader {
  public:
    explicit SnapshotReader(RecordVisitor visit) : visit_(std::move(visit)) {}

    // kafka_storage_error for what does not begin with a snapshot's header; corrupt_message and
    // invalid_record for what is damaged, and what the visitor says.
    Result<> take(const BatchView& batch);
    // Its footer was there.
    bool whole() const { return whole_; }
    const SnapshotContents& contents() const { return contents_; }

  private:
    Result<> take_control(const BatchView& batch);

    RecordVisitor visit_;
    SnapshotContents contents_;
    bool begun_ = false;
    bool whole_ = false;
};

}  // namespace millrace::quorum
