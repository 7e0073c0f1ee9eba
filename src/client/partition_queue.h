#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "client/producer_batch.h"
#include "client/topic_partition.h"

namespace millrace::client {

// What a batch that came back unacknowledged becomes.
enum class Verdict {
    acknowledged,  // it is in the log although the answer is an error
    again,         // sent again, in its place
    too_large,     // to be split
    refused,
};

// What to do with an answer's error, wherever the batch stands.
Verdict judge(ErrorCode error, bool idempotent, std::int32_t count);

// The batches of one partition, from the first record to the acknowledgement, in order.
//
// How the order is kept (idempotent): every batch gets a sequence when it is first sent, and the
// leader takes no batch before the one with the sequence before it. A batch that comes back is sent
// again when no other one of the partition is on its way and everything before it has an outcome.
// When the leader then says that its sequence is not the next one, a batch before it was given up:
// this one and those behind it cannot be in the log, and begin anew at sequence 0 of a higher
// epoch.
class PartitionQueue {
  public:
    explicit PartitionQueue(TopicPartition partition)
        : partition_(std::make_shared<const TopicPartition>(std::move(partition))) {}

    const std::shared_ptr<const TopicPartition>& partition() const { return partition_; }
    bool idle() const { return waiting_.empty() && in_flight_.empty(); }
    std::size_t in_flight() const { return in_flight_.size(); }
    const std::deque<std::unique_ptr<ProducerBatch>>& waiting() const { return waiting_; }
    const std::deque<std::unique_ptr<ProducerBatch>>& sent() const { return in_flight_; }

    // The batch that takes more records, if there is one.
    ProducerBatch* open_batch();
    ProducerBatch& begin_batch(const BatchOptions& options, Time now);
    void note_record() { ++records_; }

    // The batch to send next, if the order lets one go; when it was complete or not is not asked.
    ProducerBatch* next_to_send(std::size_t most_in_flight, Time now) const;
    // Whether the sequences of this partition have to begin anew, in a higher epoch than `current`,
    // before the next batch may go.
    bool needs_new_epoch(const ProducerIdentity& current) const;
    // Takes the batch of next_to_send() away, sealed and, with a known identity, numbered.
    ProducerBatch& send_next(const ProducerIdentity& current, Compressor& compressor);
    Time not_before() const { return not_before_; }

    // A batch on its way has come home. The caller settles the outcome; what is returned is its.
    std::unique_ptr<ProducerBatch> acknowledged(ProducerBatch& batch);
    std::unique_ptr<ProducerBatch> refused(ProducerBatch& batch);
    // Back to its place; not to be sent before `when`. An error of its sequence that is final for
    // it and those behind it makes them begin anew.
    void send_again(ProducerBatch& batch, ErrorCode error, Time when);
    // Takes the batch's place.
    std::unique_ptr<ProducerBatch> replace(ProducerBatch& batch,
                                           std::vector<std::unique_ptr<ProducerBatch>> parts);
    // The first waiting batch when it was taken at `before` or earlier.
    std::unique_ptr<ProducerBatch> expire(Time before);

    // The leader as of a metadata generation; for whoever sends.
    struct KnownLeader {
        std::uint64_t generation = 0;
        std::int32_t id = -1;
        std::int32_t epoch = -1;
    };
    KnownLeader leader;
    int failures = 0;     // in a row, for the pause
    std::string problem;  // the last one, in words
    double ratio = 1;     // compressed to not compressed, as it has been
    bool active = false;  // in the accumulator's list

  private:
    std::unique_ptr<ProducerBatch> take_sent(ProducerBatch& batch);
    void put_back(std::unique_ptr<ProducerBatch> batch);
    void begin_anew();
    void note_gap(const ProducerBatch& batch);

    std::shared_ptr<const TopicPartition> partition_;
    std::deque<std::unique_ptr<ProducerBatch>> waiting_;
    std::deque<std::unique_ptr<ProducerBatch>> in_flight_;
    std::uint64_t records_ = 0;
    std::uint64_t turns_ = 0;    // batches that were sent, without repeats
    ProducerIdentity identity_;  // of the sequences given out last
    std::int32_t next_sequence_ = 0;
    // A numbered batch was given up: nothing behind it can follow, unless it is in the log after
    // all, which the success of a later one tells.
    std::optional<std::uint64_t> gap_;
    Time not_before_;
};

}  // namespace millrace::client
