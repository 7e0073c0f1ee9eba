#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "client/backoff.h"
#include "client/delivery.h"
#include "client/partition_queue.h"
#include "client/partitioner.h"
#include "client/producer_totals.h"
#include "records/record.h"

namespace millrace {
class Random;
}

namespace millrace::client {

// Kafka's keys, in its units but for times.
struct AccumulatorOptions {
    std::size_t batch_size = 16384;
    std::size_t buffer_memory = 32 << 20;
    std::size_t max_request_size = 1 << 20;
    Duration linger = Duration::milliseconds(5);
    Duration delivery_timeout = Duration::milliseconds(120'000);
    std::size_t max_in_flight = 5;  // of one partition
    Codec codec = Codec::none;
    std::optional<int> codec_level;
    bool idempotent = true;
    bool transactional = false;  // the identity is given by whoever begins transactions
    int retries = std::numeric_limits<int>::max();
    Backoff retry;
};

// The partitions of one topic that a producer sends to.
struct TopicQueues {
    std::string name;
    std::uint64_t generation = 0;  // of the metadata that the next two are from
    std::int32_t count = 0;
    std::vector<std::int32_t> available;  // partitions with a leader
    StickyPartition sticky;
    std::vector<std::unique_ptr<PartitionQueue>> partitions;  // by index, made when first used
};

// Batches that go to one broker in one request.
struct Shipment {
    struct Item {
        PartitionQueue* queue = nullptr;
        ProducerBatch* batch = nullptr;
    };
    std::int32_t node = -1;
    std::size_t bytes = 0;
    std::vector<Item> items;
};

// Gathers records into batches by partition within buffer.memory, says what is to be sent when, and
// settles what comes back. Pure: no clock, no network.
class Accumulator {
  public:
    Accumulator(const AccumulatorOptions& options, Random& random);
    ~Accumulator();

    // The topic's queues; made when `count` > 0.
    TopicQueues* find(std::string_view topic);
    TopicQueues& update(std::string_view topic, std::uint64_t generation, std::int32_t count,
                        std::vector<std::int32_t> available);
    PartitionQueue& queue(TopicQueues& topic, std::int32_t partition);

    // A record's place. Without a batch there is no room now.
    struct Appended {
        ProducerBatch* batch = nullptr;
        std::int32_t index = 0;
    };
    // MESSAGE_TOO_LARGE for records that no wait would make room for.
    Result<> check_size(std::string_view topic, std::size_t size_bound) const;
    Appended append(PartitionQueue& queue, Timestamp timestamp, std::optional<Bytes> key,
                    std::optional<Bytes> value, std::span<const RecordHeader> headers, Time now);
    // Something became ready since the last drain(): whoever sends should look.
    bool wants_drain() const { return wants_drain_; }

    // What to send now: at most one shipment a node. `node_of` gives the node that may be sent to
    // for a partition, or -1.
    using NodeOf = std::function<std::int32_t(PartitionQueue&)>;
    std::vector<Shipment> drain(Time now, const NodeOf& node_of);
    // When time alone makes something ready or expire.
    Time wake_at(Time now) const;
    // Everything is ready, whatever linger.ms says, while at least one flush is under way or
    // somebody waits for room.
    void begin_hurry();
    void end_hurry() { --hurries_; }

    void acknowledge(const Shipment::Item& item, std::int64_t base_offset,
                     Timestamp log_append_time);
    // The whole of what an error makes of a batch: sent again, split, failed.
    void settle(const Shipment::Item& item, const Error& error, Time now);
    // Fails what waits and what is on its way after delivery.timeout.ms.
    void expire(Time now);
    void fail_all(const Error& error);
    // Outcomes of all batches that have none yet.
    std::vector<std::shared_ptr<BatchOutcome>> open_outcomes() const;

    bool needs_identity() const {
        return options_.idempotent && !options_.transactional && !identity_.known();
    }
    void set_identity(const ProducerIdentity& identity) { identity_ = identity; }
    const ProducerIdentity& identity() const { return identity_; }

    bool idle() const { return active_.empty(); }
    // Of partitions that have batches.
    const std::vector<PartitionQueue*>& active() const { return active_; }
    std::size_t used() const { return used_; }
    std::uint64_t open_records() const { return open_records_; }
    const ProducerTotals& totals() const { return totals_; }
    void observe(DeliveryObserver* observer) { observer_ = observer; }
    DeliveryObserver* observer() const { return observer_; }
    std::optional<Error> take_error() { return std::exchange(first_error_, std::nullopt); }

  private:
    BatchOptions batch_options() const;
    bool fits(const PartitionQueue& queue, const ProducerBatch& batch, std::size_t bound) const;
    bool reserve(ProducerBatch& batch, std::size_t size);
    bool is_ready(const PartitionQueue& queue, const ProducerBatch& batch, Time now) const;
    void pack(Shipment& shipment, PartitionQueue& queue);
    bool ready_identity(PartitionQueue& queue);
    void fail_waiting(PartitionQueue& queue, const Error& error);
    void note_ratio(PartitionQueue& queue, std::size_t before, std::size_t after) const;
    void split_batch(const Shipment::Item& item, const Error& error);
    void finish(ProducerBatch& batch, const TopicPartition& partition, const Error* error,
                std::int64_t base_offset, Timestamp log_append_time);
    void release(ProducerBatch& batch);
    Error late(const PartitionQueue& queue) const;
    void drop_idle();

    AccumulatorOptions options_;
    Random& random_;
    Compressor compressor_;
    std::map<std::string, std::unique_ptr<TopicQueues>, std::less<>> topics_;
    TopicQueues* last_topic_ = nullptr;
    std::vector<PartitionQueue*> active_;
    std::size_t turn_ = 0;  // whose turn it is to be first in a request
    std::size_t used_ = 0;
    std::uint64_t open_records_ = 0;
    int hurries_ = 0;
    bool wants_drain_ = false;
    ProducerIdentity identity_;
    ProducerTotals totals_;
    DeliveryObserver* observer_ = nullptr;
    std::optional<Error> first_error_;
};

}  // namespace millrace::client
