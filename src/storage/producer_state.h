#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "records/batch.h"
#include "storage/offset.h"

namespace millrace::storage {

// Who appends: decides which checks of idempotence and of transactions apply.
enum class AppendOrigin {
    client,       // a produce request: sequences and epochs are checked, duplicates are found
    coordinator,  // group and transaction coordinators: epochs are checked
    replication,  // what the leader has accepted is taken as it is
    raft_leader,  // the metadata log
};

struct AppendAs {
    AppendOrigin origin = AppendOrigin::client;
    std::int32_t leader_epoch = 0;
    // The transaction coordinator knows that this partition is part of the transaction.
    bool verified = true;
    // Of a transaction marker: from version 2 on its epoch is above that of the records (KIP-1228).
    std::int8_t transaction_version = 0;
    // How long it may wait for others before all are written.
    Duration linger;
};

// One of the last batches of a producer.
struct ProducedBatch {
    std::int32_t last_sequence = no_sequence;
    Offset last_offset = no_offset;
    std::int32_t offset_delta = 0;
    Timestamp timestamp = no_timestamp;

    Offset first_offset() const { return last_offset - offset_delta; }
    std::int32_t first_sequence() const;
    bool operator==(const ProducedBatch&) const = default;
};

// What a partition knows of one producer id.
class Producer {
  public:
    static constexpr std::size_t batches_kept = 5;

    std::int16_t epoch = no_producer_epoch;
    std::int32_t coordinator_epoch = -1;
    Timestamp last_timestamp = no_timestamp;
    Offset transaction_start = no_offset;  // of the open transaction

    bool in_transaction() const { return transaction_start != no_offset; }
    std::size_t batch_count() const { return count_; }
    bool has_batches() const { return count_ != 0; }
    const ProducedBatch& batch(std::size_t index) const { return batches_[index]; }  // oldest first
    std::int32_t last_sequence() const {
        return count_ == 0 ? no_sequence : batches_[count_ - 1].last_sequence;
    }
    Offset last_offset() const {
        return count_ == 0 ? no_offset : batches_[count_ - 1].last_offset;
    }
    std::int32_t last_offset_delta() const {
        return count_ == 0 ? 0 : batches_[count_ - 1].offset_delta;
    }
    // The same epoch and the same sequences, first and last.
    const ProducedBatch* duplicate_of(const BatchView& batch) const;
    // Another epoch forgets the batches of the one before.
    void move_to_epoch(std::int16_t new_epoch);
    void add(const ProducedBatch& batch);
    // One that was produced before those that are known; false when it does not end where the
    // oldest of them begins.
    bool add_before(const ProducedBatch& batch);
    // Fewer batches are known than could tell a duplicate.
    bool lacks_batches() const {
        return count_ > 0 && count_ < batches_kept && batches_[0].first_sequence() != 0;
    }
    bool operator==(const Producer&) const = default;

  private:
    std::array<ProducedBatch, batches_kept> batches_;
    std::uint8_t count_ = 0;
};

// A transaction that a marker has ended.
struct EndedTransaction {
    std::int64_t producer_id = no_producer_id;
    Offset first_offset = no_offset;
    Offset last_offset = no_offset;  // the marker's
    bool aborted = false;
};

// Producers of one partition, as of map_end_offset(): idempotence (KIP-98), open transactions and
// what the last stable offset depends on. Purely in memory; the log owns the snapshot files.
class ProducerState {
  public:
    // Says whether a batch may be appended at `offset`. A duplicate of one of the producer's last
    // batches is no error: it is returned. out_of_order_sequence_number, invalid_producer_epoch,
    // invalid_txn_state, transaction_coordinator_fenced as Apache answers.
    Result<std::optional<ProducedBatch>> check(const BatchView& batch, Offset offset,
                                               const AppendAs& as) const;
    // Takes over a batch that is appended; its base offset is set. Returns the transaction that it
    // ended, which stays open for first_unstable_offset() until complete().
    Result<std::optional<EndedTransaction>> apply(const BatchView& batch);
    // The last stable offset as it is right after the marker, as .txnindex stores it.
    Offset stable_offset_after(const EndedTransaction& transaction) const;
    void complete(const EndedTransaction& transaction);

    // The first offset that read_committed may not pass: of an open transaction, or of one whose
    // marker is not below the high watermark.
    std::optional<Offset> first_unstable_offset() const;
    // Start of the oldest transaction without a marker.
    std::optional<Offset> first_undecided_offset() const;
    void high_watermark_moved(Offset high_watermark);
    // Of the oldest open transaction's producer, -1 when there is none.
    Timestamp oldest_transaction_timestamp() const;

    // A snapshot holds no more than the last batch of each producer: whether any lacks those
    // before, and what the log says of them, from the latest on.
    bool lacks_batches() const;
    void recall(const BatchView& batch);

    void expire(Timestamp now, std::int64_t expiration_ms);
    void clear();
    const Producer* find(std::int64_t producer_id) const;
    const std::map<std::int64_t, Producer>& producers() const { return producers_; }

    // State covers the log below this offset.
    Offset map_end_offset() const { return map_end_; }
    void set_map_end_offset(Offset offset) { map_end_ = offset; }

    // The file N.snapshot. Expired producers are left out when loading. corrupt_message.
    std::string encode_snapshot() const;
    Result<> load_snapshot(Bytes content, std::string_view name, Timestamp now,
                           std::int64_t expiration_ms);

  private:
    struct Open {
        std::int64_t producer_id = no_producer_id;
        Offset last_offset = no_offset;  // the marker's once it is decided
    };
    Result<> check_sequence(const BatchView& batch, Offset offset, const Producer* known) const;
    Result<> check_marker(const BatchView& batch, Offset offset, const Producer* known,
                          std::int8_t transaction_version) const;

    std::map<std::int64_t, Producer> producers_;
    std::map<Offset, Open> undecided_;     // by first offset
    std::map<Offset, Open> unreplicated_;  // decided, marker at or above the high watermark
    Offset map_end_ = 0;
};

}  // namespace millrace::storage
