#include "client/producer.h"

#include <algorithm>
#include <fmt/format.h>

#include "client/log.h"
#include "client/producer_sender.h"
#include "client/producer_transactions.h"
#include "records/builder.h"

namespace millrace::client {
namespace {

SenderOptions sender_options(const ProducerConfig& config) {
    SenderOptions options;
    AccumulatorOptions& accumulator = options.accumulator;
    accumulator.batch_size = static_cast<std::size_t>(config.batch_size());
    accumulator.buffer_memory = static_cast<std::size_t>(config.buffer_memory());
    accumulator.max_request_size = static_cast<std::size_t>(config.max_request_size());
    accumulator.linger = Duration::milliseconds(config.linger_ms());
    accumulator.delivery_timeout = Duration::milliseconds(config.delivery_timeout_ms());
    accumulator.codec = config.codec();
    accumulator.codec_level = config.codec_level();
    accumulator.idempotent = config.idempotent();
    accumulator.retries = config.retries();
    accumulator.retry = config.cluster().retry;
    accumulator.transactional = config.transactional_id().has_value();
    options.transactional_id = config.transactional_id();
    options.acks = config.required_acks();
    options.request_timeout = Duration::milliseconds(config.request_timeout_ms());
    options.max_in_flight =
        static_cast<std::size_t>(config.max_in_flight_requests_per_connection());
    // A leader knows an idempotent producer's last five batches again, and no more.
    constexpr std::size_t known_again = 5;
    accumulator.max_in_flight =
        config.idempotent() ? std::min(options.max_in_flight, known_again) : options.max_in_flight;
    return options;
}

}  // namespace

Result<std::unique_ptr<Producer>> Producer::create(Cluster& cluster, ProducerConfig config) {
    return std::unique_ptr<Producer>(new Producer(cluster, std::move(config)));
}

Producer::Producer(Cluster& cluster, ProducerConfig config)
    : cluster_(cluster),
      config_(std::move(config)),
      sender_(std::make_unique<ProducerSender>(cluster, sender_options(config_))) {
    if (!config_.transactional_id()) return;
    transactions_ = std::make_unique<ProducerTransactions>(cluster, *sender_,
                                                           std::string(*config_.transactional_id()),
                                                           config_.transaction_timeout_ms());
}

Producer::~Producer() = default;

Producer::Attempt Producer::take(const ProducerRecord& record) {
    if (closed_) return {Need::open_producer};
    TopicQueues* topic = sender_->topic(record.topic);
    if (topic == nullptr) return {Need::topic};
    env::Shard& shard = cluster_.shard();
    bool keyed = record.key && !config_.partitioner_ignore_keys();
    bool sticky = !record.partition && !keyed;
    std::int32_t partition = 0;
    if (record.partition) {
        partition = *record.partition;
        if (partition < 0 || partition >= topic->count) return {Need::partition};
    } else if (keyed) {
        partition = partition_of_key(*record.key, topic->count);
    } else {
        partition = topic->sticky.choose(topic->available, topic->count, shard.random());
    }
    Accumulator& accumulator = sender_->accumulator();
    PartitionQueue& queue = accumulator.queue(*topic, partition);
    std::size_t before = queue.open_batch() == nullptr ? 0 : queue.open_batch()->builder.size();
    Accumulator::Appended appended =
        accumulator.append(queue, record.timestamp.value_or(shard.wall_ms()), record.key,
                           record.value, record.headers, shard.now());
    if (accumulator.wants_drain()) sender_->wake();
    if (appended.batch == nullptr) return {Need::room};
    if (DeliveryObserver* observer = accumulator.observer()) {
        observer->taken(record.topic, partition);
    }
    if (sticky) {
        std::size_t after = appended.batch->builder.size();
        std::size_t batch_size = static_cast<std::size_t>(config_.batch_size());
        topic->sticky.appended(after > before ? after - before : after,
                               after >= batch_size || appended.batch->full, batch_size);
    }
    return {Need::nothing, appended.batch, appended.index};
}

Result<> Producer::check(const ProducerRecord& record) const {
    if (closed_)
        return fail(
            ErrorCode::invalid_request,
            fmt::format("A record for topic {} came after the producer was closed", record.topic));
    if (transactions_ && !transactions_->is_open())
        return fail(
            ErrorCode::invalid_txn_state,
            fmt::format("A record for topic {} came outside of a transaction", record.topic));
    return sender_->accumulator().check_size(
        record.topic, BatchBuilder::record_size_bound(record.key, record.value, record.headers));
}

Result<bool> Producer::offer(const ProducerRecord& record) {
    RETURN_IF_ERROR(check(record));
    return take(record).need == Need::nothing;
}

Task<Result<Delivery>> Producer::send(ProducerRecord record) {
    Time deadline = cluster_.shard().now() + Duration::milliseconds(config_.max_block_ms());
    if (!record.timestamp) record.timestamp = cluster_.shard().wall_ms();
    for (;;) {
        CO_RETURN_IF_ERROR(check(record));
        Attempt attempt = take(record);
        switch (attempt.need) {
            case Need::nothing:
                co_return Delivery(attempt.batch->outcome, attempt.index, *record.timestamp);
            case Need::topic:
                CO_RETURN_IF_ERROR(co_await cluster_.topic(std::string(record.topic), deadline));
                break;
            case Need::partition:
                CO_RETURN_IF_ERROR(co_await find_partition(record, deadline));
                break;
            case Need::room:
                CO_RETURN_IF_ERROR(co_await wait_for_room(record, deadline));
                break;
            case Need::open_producer:
                break;
        }
    }
}

Task<Result<>> Producer::find_partition(const ProducerRecord& record, Time deadline) {
    Result<> refreshed = co_await cluster_.refresh(deadline);
    const TopicQueues* topic = sender_->topic(record.topic);
    std::int32_t count = topic == nullptr ? 0 : topic->count;
    if (*record.partition >= 0 && *record.partition < count) co_return Result<>();
    if (*record.partition >= 0 && refreshed && cluster_.shard().now() < deadline) {
        // It may be on its way: partitions are added at run time.
        co_await env::sleep_for(cluster_.shard(), Duration::milliseconds(100));
        if (cluster_.shard().now() < deadline) co_return Result<>();
    }
    co_return fail(ErrorCode::unknown_topic_or_partition,
                   fmt::format("Topic {} has {} partitions; partition {} is not among them",
                               record.topic, count, *record.partition));
}

Task<Result<>> Producer::wait_for_room(const ProducerRecord& record, Time deadline) {
    if (co_await env::with_deadline(cluster_.shard(), deadline, sender_->room()))
        co_return Result<>();
    co_return fail(
        ErrorCode::request_timed_out,
        fmt::format(
            "No room for a record of topic {} in buffer.memory ({} bytes, {} in use) within "
            "max.block.ms ({} ms): the brokers take records more slowly than they come",
            record.topic, config_.buffer_memory(), buffered_bytes(), config_.max_block_ms()));
}

// Transactions ---------------------------------------------------------------------------------

Result<> Producer::check_transactional() const {
    if (transactions_ && !closed_) return {};
    return fail(ErrorCode::invalid_txn_state,
                closed_ ? "The producer is closed"
                        : "A producer without transactional.id has no transactions");
}

Time Producer::block_until() const {
    return cluster_.shard().now() + Duration::milliseconds(config_.max_block_ms());
}

Task<Result<>> Producer::init_transactions() {
    CO_RETURN_IF_ERROR(check_transactional());
    co_return co_await transactions_->init(block_until());
}

Result<> Producer::begin_transaction() {
    RETURN_IF_ERROR(check_transactional());
    return transactions_->begin();
}

Task<Result<>> Producer::send_offsets(PartitionOffsets offsets, Committer group) {
    CO_RETURN_IF_ERROR(check_transactional());
    co_return co_await transactions_->add_offsets(std::move(offsets), std::move(group),
                                                  block_until());
}

Task<Result<>> Producer::commit_transaction() {
    CO_RETURN_IF_ERROR(check_transactional());
    co_return co_await transactions_->end(true, block_until());
}

Task<Result<>> Producer::abort_transaction() {
    CO_RETURN_IF_ERROR(check_transactional());
    co_return co_await transactions_->end(false, block_until());
}

void Producer::observe(DeliveryObserver* observer) { sender_->accumulator().observe(observer); }

Task<void> Producer::flush() { return sender_->flush(); }

Task<Result<>> Producer::close(Duration timeout) {
    if (std::exchange(closed_, true)) co_return Result<>();
    Accumulator& accumulator = sender_->accumulator();
    co_await env::with_deadline(cluster_.shard(), cluster_.shard().now() + timeout,
                                sender_->flush());
    std::uint64_t left = accumulator.open_records();
    Error error{ErrorCode::request_timed_out,
                fmt::format("The producer was closed {} ms after it was asked to, with {} records "
                            "not acknowledged",
                            timeout.ms(), left)};
    if (left > 0) accumulator.fail_all(error);
    co_await sender_->close();
    if (left > 0) co_return fail(std::move(error));
    co_return Result<>();
}

const ProducerTotals& Producer::totals() const { return sender_->accumulator().totals(); }

std::size_t Producer::buffered_bytes() const { return sender_->accumulator().used(); }

std::optional<Error> Producer::take_error() { return sender_->accumulator().take_error(); }

}  // namespace millrace::client
