#include "core/transactions/transaction_records.h"

#include "core/coordinator/record_codec.h"
#include "protocol/transaction_log.h"

namespace millrace::transactions {
namespace {

constexpr std::int16_t flexible_version = 1;  // of the value, and the transaction.version it needs

void put_partitions(const Transaction& transaction, TransactionLogValue& value) {
    if (transaction.state == TransactionState::empty) {
        value.transaction_partitions = std::nullopt;
        return;
    }
    auto& topics = value.transaction_partitions.emplace();
    for (const TopicPartition& each : transaction.partitions) {
        if (topics.empty() || topics.back().topic != each.topic) {
            topics.emplace_back().topic = each.topic;
        }
        topics.back().partition_ids.push_back(each.partition);
    }
}

}  // namespace

coordinator::Record transaction_record(const std::string& transactional_id,
                                       const Transaction& transaction, std::int16_t version) {
    TransactionLogValue value{
        .producer_id = transaction.producer.id,
        .producer_epoch = transaction.producer.epoch,
        .transaction_timeout_ms = transaction.timeout_ms,
        .transaction_status = static_cast<std::int8_t>(transaction.state),
        .transaction_last_update_timestamp_ms = transaction.updated,
        .transaction_start_timestamp_ms = transaction.started,
    };
    put_partitions(transaction, value);
    std::int16_t value_version = version >= flexible_version ? flexible_version : 0;
    if (value_version >= flexible_version) {
        value.previous_producer_id = transaction.previous_producer_id;
        value.next_producer_id = transaction.next_producer_id;
        value.client_transaction_version = transaction.client_version;
    }
    return {coordinator::encode_key(TransactionLogKey{transactional_id}),
            coordinator::encode_value(value, value_version)};
}

coordinator::Record transaction_tombstone(const std::string& transactional_id) {
    return {coordinator::encode_key(TransactionLogKey{transactional_id}), std::nullopt};
}

Result<std::optional<TransactionEntry>> parse(const coordinator::Record& record) {
    Bytes key = record.key.bytes();
    if (key.size() < 2) return fail(ErrorCode::corrupt_message, "a record without a type");
    if (load_be<std::int16_t>(key.data()) != TransactionLogKey::record_type) return std::nullopt;
    Reader reader(key.subspan(2));
    ASSIGN_OR_RETURN(TransactionLogKey decoded, TransactionLogKey::decode(reader, 0));
    TransactionEntry entry{std::move(decoded.transactional_id), std::nullopt};
    if (!record.value) return entry;
    ASSIGN_OR_RETURN(auto value,
                     coordinator::decode_value<TransactionLogValue>(record.value->bytes()));
    auto status = value.transaction_status;
    bool is_state =
        status >= 0 && status <= static_cast<std::int8_t>(TransactionState::prepare_epoch_fence);
    if (!is_state) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("transactional id {} has state {}, which nobody knows",
                                entry.transactional_id, status));
    }
    Transaction& transaction = entry.transaction.emplace();
    transaction.producer = {value.producer_id, value.producer_epoch};
    transaction.previous_producer_id = value.previous_producer_id;
    transaction.next_producer_id = value.next_producer_id;
    transaction.timeout_ms = value.transaction_timeout_ms;
    transaction.state = static_cast<TransactionState>(status);
    transaction.started = value.transaction_start_timestamp_ms;
    transaction.updated = value.transaction_last_update_timestamp_ms;
    transaction.client_version = value.client_transaction_version;
    if (transaction.state == TransactionState::empty || !value.transaction_partitions) return entry;
    for (auto& topic : *value.transaction_partitions) {
        for (std::int32_t partition : topic.partition_ids) {
            transaction.partitions.insert({topic.topic, partition});
        }
    }
    return entry;
}

}  // namespace millrace::transactions
