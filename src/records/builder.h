#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "records/batch.h"
#include "records/record.h"

namespace millrace {

struct BatchOptions {
    Codec codec = Codec::none;
    std::optional<int> level;  // default_level(codec)
    std::int64_t base_offset = 0;
    std::int32_t leader_epoch = no_leader_epoch;
    std::int64_t producer_id = no_producer_id;
    std::int16_t producer_epoch = no_producer_epoch;
    std::int32_t base_sequence = no_sequence;
    bool transactional = false;
    bool control = false;
    // The time of appending: the batch is then of type log_append_time.
    std::optional<Timestamp> log_append_time;
    // What the cleaner has set; deltas are taken from it.
    std::optional<Timestamp> delete_horizon;
};

// Makes one batch, with the bytes that Apache's writer makes of the same records.
class BatchBuilder {
  public:
    explicit BatchBuilder(const BatchOptions& options = {});

    // The next offset, or a given one above the last (compaction leaves gaps). What is given is
    // copied. CHECK: offsets that do not rise, or 2^31 apart.
    void append(Timestamp timestamp, std::optional<Bytes> key, std::optional<Bytes> value,
                std::span<const RecordHeader> headers = {});
    void append_at(std::int64_t offset, Timestamp timestamp, std::optional<Bytes> key,
                   std::optional<Bytes> value, std::span<const RecordHeader> headers = {});
    // A record read elsewhere, at its own offset or at the next one.
    void append_at(std::int64_t offset, const Record& record);
    void append(const Record& record) { append_at(next_offset_, record); }
    void append_control(Timestamp timestamp, ControlType type, Bytes value);

    // A batch whose last records are gone keeps its last offset.
    void set_last_offset(std::int64_t offset);
    // Known only when the batch is sent.
    void set_producer(std::int64_t id, std::int16_t epoch, std::int32_t base_sequence);
    void set_base_offset(std::int64_t offset);
    void set_leader_epoch(std::int32_t epoch) { options_.leader_epoch = epoch; }

    std::int32_t count() const { return count_; }
    bool empty() const { return count_ == 0; }
    std::int64_t next_offset() const { return next_offset_; }
    Timestamp max_timestamp() const { return max_timestamp_; }
    // Size of the batch so far without compression.
    std::size_t size() const;
    // Room for a batch of this size, so that it does not move as it grows.
    void reserve(std::size_t size) { buffer_.reserve(size); }
    // Most that one more record may add to size().
    static std::size_t record_size_bound(std::optional<Bytes> key, std::optional<Bytes> value,
                                         std::span<const RecordHeader> headers = {});

    // The batch; empty bytes when nothing was appended. The builder begins anew behind it, with
    // the same options and the next offset.
    Slice build();
    // With tables kept by the caller.
    Slice build(Compressor& compressor);

  private:
    // Room for one record with its fields up to the value written; returns where headers go.
    std::uint8_t* begin_record(std::int64_t offset, Timestamp timestamp,
                               const std::optional<Bytes>& key, const std::optional<Bytes>& value,
                               std::size_t headers_size);
    void write_header(MutableBytes batch) const;
    void start_anew();

    BatchOptions options_;
    Buffer buffer_;
    std::int64_t next_offset_;
    std::optional<std::int64_t> last_offset_;
    std::optional<Timestamp> base_timestamp_;
    Timestamp max_timestamp_ = no_timestamp;
    std::int32_t count_ = 0;
};

// A batch without records that keeps what the cleaner must not forget of `batch`: its offsets,
// producer, last sequence and timestamps.
Slice empty_batch_like(const BatchView& batch);

struct MarkerOptions {
    std::int64_t producer_id = no_producer_id;
    std::int16_t producer_epoch = no_producer_epoch;
    std::int32_t coordinator_epoch = 0;
    std::int32_t leader_epoch = no_leader_epoch;
    std::int64_t base_offset = 0;
    Timestamp timestamp = no_timestamp;
};
// The control batch that ends a transaction; type is commit or abort.
Slice transaction_marker_batch(ControlType type, const MarkerOptions& options);

// One control record of several in a KRaft batch; the value is encoded by whoever owns it.
struct ControlRecord {
    ControlType type = ControlType::leader_change;
    Bytes value;
};
struct ControlBatchOptions {
    std::int64_t base_offset = 0;
    std::int32_t leader_epoch = no_leader_epoch;
    Timestamp timestamp = no_timestamp;
};
Slice control_batch(const ControlBatchOptions& options, std::span<const ControlRecord> records);

}  // namespace millrace
