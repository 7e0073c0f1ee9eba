#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/consumer_offsets.h"
#include "client/delivery.h"
#include "client/group_offsets.h"
#include "client/producer_totals.h"
#include "records/record.h"

namespace millrace::client {

class ProducerSender;
class ProducerTransactions;
struct ProducerBatch;

// A record to be sent. Everything is a view and is copied by the call that takes the record.
struct ProducerRecord {
    std::string_view topic;
    // None: by the key's hash, as Java's clients place it; without a key by turns.
    std::optional<std::int32_t> partition;
    std::optional<Timestamp> timestamp;  // none: now
    std::optional<Bytes> key;
    std::optional<Bytes> value;
    std::span<const RecordHeader> headers;
};

// Sends records to topics, in batches, of one shard. Idempotent unless the configuration says
// otherwise: what was acknowledged is in the log once, and in the order of the calls for each
// partition.
//
//   ASSIGN_OR_CO_RETURN(auto producer, Producer::create(cluster, config));
//   ASSIGN_OR_CO_RETURN(Delivery delivery, co_await producer->send({.topic = "t", .value = v}));
//   ASSIGN_OR_CO_RETURN(RecordMetadata where, co_await delivery.get());
//   CO_RETURN_IF_ERROR(co_await producer->close());
class Producer {
  public:
    // The cluster outlives the producer.
    static Result<std::unique_ptr<Producer>> create(Cluster& cluster, ProducerConfig config);
    Producer(const Producer&) = delete;
    // close() comes first.
    ~Producer();

    // Buffers the record and gives the ticket for its outcome, which may be dropped. Waits for the
    // topic's metadata and for room in buffer.memory, together max.block.ms; then
    // REQUEST_TIMED_OUT. MESSAGE_TOO_LARGE: above max.request.size or buffer.memory. What the
    // record points to stays in place until this has returned. Calls that wait may end in any
    // order: await one before the next where the order counts.
    Task<Result<Delivery>> send(ProducerRecord record);

    // The same without a ticket and without waiting, for many records: false when it would have to
    // wait, and then the record is not taken: await send(). The outcome is told to the observer. No
    // allocation, but for each batch.
    Result<bool> offer(const ProducerRecord& record);

    // Is told every batch's outcome, in the loop; nullptr: nobody. It outlives the producer.
    void observe(DeliveryObserver* observer);

    // Sends what is buffered without waiting for linger.ms, and waits until all records taken
    // before have an outcome. The first error among them is told by their tickets, not here.
    Task<void> flush();
    // The same, for `timeout` at most; then fails what is left (REQUEST_TIMED_OUT), and the result
    // says how much. Nothing is taken any more.
    Task<Result<>> close(Duration timeout = Duration::max());

    // Transactions, of a producer with transactional.id: all that is sent between begin and commit
    // is seen by readers of committed records, or nothing of it is. init_transactions() comes once
    // before the first, and fences producers that have the same id. Each waits max.block.ms at
    // most; after REQUEST_TIMED_OUT of a commit or an abort the same again.
    //   INVALID_TXN_STATE   calls in another order, or without transactional.id
    //   PRODUCER_FENCED     another producer has come with the id; also INVALID_PRODUCER_EPOCH
    //   other errors of a commit: abort
    Task<Result<>> init_transactions();
    Result<> begin_transaction();
    // These offsets of a group are committed with the transaction (KIP-447).
    Task<Result<>> send_offsets(PartitionOffsets offsets, Committer group);
    Task<Result<>> commit_transaction();
    Task<Result<>> abort_transaction();

    const ProducerTotals& totals() const;
    std::size_t buffered_bytes() const;
    // The first error that any record had since the last call.
    std::optional<Error> take_error();
    const ProducerConfig& config() const { return config_; }

  private:
    Producer(Cluster& cluster, ProducerConfig config);
    // What a record has to wait for.
    enum class Need : std::uint8_t { nothing, topic, partition, room, open_producer };
    struct Attempt {
        Need need = Need::nothing;
        ProducerBatch* batch = nullptr;
        std::int32_t index = 0;
    };
    Result<> check(const ProducerRecord& record) const;
    Attempt take(const ProducerRecord& record);
    Task<Result<>> find_partition(const ProducerRecord& record, Time deadline);
    Task<Result<>> wait_for_room(const ProducerRecord& record, Time deadline);

    Result<> check_transactional() const;
    Time block_until() const;

    Cluster& cluster_;
    ProducerConfig config_;
    std::unique_ptr<ProducerSender> sender_;
    std::unique_ptr<ProducerTransactions> transactions_;  // null without transactional.id
    bool closed_ = false;
};

}  // namespace millrace::client
