#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "core/metadata/record.h"
#include "records/batch.h"
#include "records/builder.h"

namespace millrace::quorum {

// internal.metadata.max.batch.size.in.bytes of files that no config is asked for.
inline constexpr std::size_t default_max_batch_bytes = std::size_t{8} << 20U;

// Puts metadata records into batches of at most so many bytes, each as full as they come; a single
// record may be larger.
class RecordBatches {
  public:
    using Sink = std::function<Result<>(Slice batch)>;

    RecordBatches(const BatchOptions& options, Timestamp timestamp, std::size_t max_bytes,
                  Sink sink);

    // Errors of metadata::encode and of the sink.
    Result<> add(const metadata::VersionedRecord& record);
    // What is left over.
    Result<> finish();
    // Of the next record.
    std::int64_t next_offset() const { return builder_.next_offset(); }

  private:
    BatchBuilder builder_;
    Timestamp timestamp_;
    std::size_t max_bytes_;
    Sink sink_;
};

// visit(record, offset) for each metadata record of a data batch at `from` or above. Errors of
// metadata::decode, and invalid_record for what is no record, name the offset.
using RecordVisitor = std::function<Result<>(metadata::VersionedRecord, std::int64_t offset)>;
Result<> visit_records(const BatchView& batch, std::int64_t from, const RecordVisitor& visit);

}  // namespace millrace::quorum
