#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "core/metadata/image.h"
#include "core/metadata/record.h"

namespace millrace::metadata {

class Delta;

// Follows the metadata log: takes its records in order and gives the image after them. Records
// between BeginTransactionRecord and EndTransactionRecord take effect together at the end, or not
// at all when it is aborted (KIP-868).
class Replay {
  public:
    explicit Replay(ImagePtr start = std::make_shared<const Image>());
    Replay(Replay&&) noexcept;
    Replay& operator=(Replay&&) noexcept;
    ~Replay();

    // Error invalid_record for a record that contradicts what was before it; the log is then not
    // to be followed any further.
    Result<> apply(const VersionedRecord& record, std::int64_t offset, std::int32_t epoch);
    // A record of the log, or of a snapshot, as bytes.
    Result<> apply(Bytes value, std::int64_t offset, std::int32_t epoch);
    // The image of all that took effect. Cheap when nothing came since the last call.
    ImagePtr image();

    bool in_transaction() const { return transaction_start_.has_value(); }
    // Offset of the BeginTransactionRecord that is open.
    std::optional<std::int64_t> transaction_start() const { return transaction_start_; }

  private:
    Delta& delta();

    ImagePtr image_;
    std::unique_ptr<Delta> delta_;  // what came since image_
    std::int64_t offset_;
    std::int32_t epoch_;
    std::optional<std::int64_t> transaction_start_;
    Records transaction_;
};

}  // namespace millrace::metadata
