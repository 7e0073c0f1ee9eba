#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "records/batch.h"
#include "records/builder.h"
#include "storage/cleaned_transactions.h"
#include "storage/inflater.h"
#include "storage/offset_map.h"

namespace millrace::storage {

// What compaction has to keep of producers that are still active, by producer id: the batch with
// their last sequence, or the marker with their epoch when they have none.
struct LastOfProducer {
    std::optional<Offset> last_data_offset;
    std::int16_t epoch = no_producer_epoch;
};
using ActiveProducers = std::unordered_map<std::int64_t, LastOfProducer>;

// Terms of one round of compaction.
struct FilterTerms {
    // Records behind it were not looked at when the map was filled, and stay.
    Offset last_mapped = no_offset;
    Timestamp now = 0;
    std::int64_t delete_retention_ms = 0;  // delete.retention.ms
};

// What becomes of one batch.
struct FilteredBatch {
    enum class Fate { copied, rewritten, dropped };
    Fate fate = Fate::dropped;
    Slice rewritten;
    std::int64_t records_read = 0;
    std::int64_t records_kept = 0;
    std::int64_t records_without_key = 0;
    // To be kept in the transaction index of the segment.
    std::optional<AbortedTransaction> aborted;
};

// Decides about the batches of a log, from its beginning on, as Apache's cleaner does: of each key
// the last record stays; data of aborted transactions goes at once; tombstones and the markers of
// transactions without data go at the second look after delete.retention.ms (KIP-534: the first
// look writes the time into the batch); batches that are kept keep offsets, epochs, sequences and
// codec.
class BatchFilter {
  public:
    BatchFilter(const OffsetMap& map, std::vector<AbortedTransaction> aborted,
                const ActiveProducers& producers, const FilterTerms& terms)
        : map_(map), transactions_(std::move(aborted)), producers_(producers), terms_(terms) {}

    // `keep_empty`: the batch stays even when no record of it does. The CRC of what is not copied
    // as it is, and of control batches, is checked. corrupt_message, invalid_record.
    Result<FilteredBatch> filter(const BatchView& batch, bool keep_empty);

  private:
    // Which records of a batch stay.
    struct Choice {
        std::vector<bool> kept;
        std::int64_t count = 0;
        std::int64_t without_key = 0;
        bool tombstones = false;  // among those that stay
    };
    struct Candidate {
        Offset offset;
        bool has_key;
        bool has_value;
        Hash128 hash;
    };

    bool is_last_of_producer(const BatchView& batch) const;
    Result<> choose(const BatchView& batch, Bytes records);
    void decide(const BatchView& batch, const Candidate& candidate);
    Result<Slice> rewrite(const BatchView& batch, Bytes records,
                          std::optional<Timestamp> delete_horizon);

    const OffsetMap& map_;
    CleanedTransactions transactions_;
    const ActiveProducers& producers_;
    FilterTerms terms_;
    Choice choice_;
    Inflater inflater_;
    Compressor compressor_;
};

}  // namespace millrace::storage
