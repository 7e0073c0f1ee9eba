#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.h"
#include "client/batch_outcome.h"
#include "records/builder.h"

namespace millrace::client {

// Who a producer is to the brokers (KIP-98): the epoch goes up when sequences begin anew.
struct ProducerIdentity {
    std::int64_t id = no_producer_id;
    std::int16_t epoch = no_producer_epoch;

    bool known() const { return id != no_producer_id; }
    bool operator==(const ProducerIdentity&) const = default;
};

// Records of one partition that are sent together: first open for more, then sealed into bytes.
struct ProducerBatch {
    ProducerBatch(const BatchOptions& options, std::shared_ptr<BatchOutcome> outcome,
                  std::uint64_t order, Time taken)
        : builder(options), outcome(std::move(outcome)), order(order), taken(taken) {}

    bool is_sealed() const { return !sealed.empty(); }
    bool is_sequenced() const { return base_sequence != no_sequence; }
    std::int32_t count() const { return is_sealed() ? sealed_count : builder.count(); }
    // Takes no more records; what it holds becomes bytes.
    void seal(Compressor& compressor);
    // Gives it its place among its producer's batches; the bytes bear it from then on.
    void number(const ProducerIdentity& as, std::int32_t sequence);

    BatchBuilder builder;
    Slice sealed;
    std::int32_t sealed_count = 0;
    std::shared_ptr<BatchOutcome> outcome;
    // Of its first record among all of the partition: what order means when batches come back.
    std::uint64_t order;
    Time taken;                // when the first record was
    std::size_t payload = 0;   // bytes of keys, values and headers
    std::size_t reserved = 0;  // of buffer.memory
    bool full = false;         // waits for no more records
    bool again = false;        // was sent, or is part of what was: goes before anything behind it
    bool abandoned = false;    // its outcome is settled while it is on its way
    std::uint64_t turn = 0;    // the how manieth of its partition it was when first sent
    int attempts = 0;
    ProducerIdentity identity;
    std::int32_t base_sequence = no_sequence;
};

// Batches of about `target` bytes with the same records, numbered on from the first one's sequence
// if that has one: at least two, as the batch has at least two records. Their outcomes are parts of
// its outcome.
std::vector<std::unique_ptr<ProducerBatch>> split(const ProducerBatch& batch,
                                                  const BatchOptions& options, std::size_t target,
                                                  Compressor& compressor);

}  // namespace millrace::client
