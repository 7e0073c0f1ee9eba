#include "broker/coordinators/coordinator_log.h"

#include "broker/log.h"
#include "records/builder.h"
#include "records/record.h"

namespace millrace::broker {
namespace {

// What a client may hear of a failed append of the coordinator's log.
ErrorCode as_coordinator_error(ErrorCode code) {
    switch (code) {
        case ErrorCode::none:
        case ErrorCode::invalid_producer_epoch:
        case ErrorCode::invalid_txn_state:
            return code;
        case ErrorCode::not_leader_or_follower:
        case ErrorCode::kafka_storage_error:
            return ErrorCode::not_coordinator;
        case ErrorCode::message_too_large:
        case ErrorCode::record_list_too_large:
            return ErrorCode::unknown_server_error;
        default:
            return ErrorCode::coordinator_not_available;
    }
}

}  // namespace

CoordinatorLog::CoordinatorLog(env::Shard& shard, std::shared_ptr<Partition> partition,
                               State& state, Options options)
    : shard_(shard),
      partition_(std::move(partition)),
      state_(state),
      options_(options),
      scope_(shard) {}

ErrorCode CoordinatorLog::ready() const {
    if (stopped_) return ErrorCode::not_coordinator;
    return stage_ == Stage::active ? ErrorCode::none : ErrorCode::coordinator_load_in_progress;
}

// Loading --------------------------------------------------------------------------------------

Task<void> CoordinatorLog::load() {
    Time began = shard_.now();
    co_await partition_->recovered();
    storage::Offset next = partition_->log().start_offset();
    while (next < partition_->high_watermark()) {
        Result<Slice> batches =
            partition_->log().load({.offset = next,
                                    .max_bytes = options_.load_bytes,
                                    .whole_first_batch = true,
                                    .upper_bound = partition_->high_watermark()});
        Result<> replayed = batches ? replay(batches->bytes(), next) : fail(batches.error());
        if (!replayed) {
            LOG_ERROR("{} cannot be loaded: {}", partition_->identity().to_string(),
                      replayed.error().message);
            stage_ = Stage::failed;
            co_return;
        }
        if (batches->empty()) break;
        co_await env::sleep_for(shard_, Duration());  // others have their turn
    }
    applied_end_ = next;
    stage_ = Stage::active;
    load_time_ = shard_.now() - began;
    state_.loaded();
}

Result<> CoordinatorLog::replay(Bytes batches, storage::Offset& next) {
    BatchReader reader(batches);
    for (;;) {
        ASSIGN_OR_RETURN(std::optional<BatchView> batch, reader.next());
        if (!batch) return {};
        next = batch->next_offset();
        if (batch->is_control()) {
            if (batch->count() == 0) continue;  // the transaction is compacted away
            ASSIGN_OR_RETURN(TransactionMarker marker, transaction_marker(*batch));
            state_.transaction_ended(batch->producer_id(), marker.type == ControlType::commit);
            continue;
        }
        RecordReader records(*batch);
        for (;;) {
            ASSIGN_OR_RETURN(const Record* record, records.next());
            if (record == nullptr) break;
            if (!record->key) continue;
            coordinator::Record entry{Slice::copy(*record->key), std::nullopt};
            if (record->value) entry.value = Slice::copy(*record->value);
            Result<> applied = state_.apply(
                entry, {.offset = record->offset, .producer_id = batch->producer_id()});
            if (!applied) {
                LOG_WARN("a record of {} is passed over: {}", partition_->identity().to_string(),
                         applied.error().message);
            }
        }
    }
}

// Appending ------------------------------------------------------------------------------------

ErrorCode CoordinatorLog::write_now(const std::vector<coordinator::Record>& records,
                                    const WrittenBy& by) {
    bool transactional = by.producer_id != no_producer_id;
    BatchBuilder builder({.codec = options_.codec,
                          .producer_id = by.producer_id,
                          .producer_epoch = by.producer_epoch,
                          .base_sequence = transactional ? no_sequence : options_.base_sequence,
                          .transactional = transactional});
    Timestamp now = shard_.wall_ms();
    for (const coordinator::Record& record : records) {
        std::optional<Bytes> value;
        if (record.value) value = record.value->bytes();
        builder.append(now, record.key.bytes(), value);
    }
    Result<storage::Appended> appended = partition_->append_now(
        builder.build(),
        {.verified = by.verified, .linger = transactional ? Duration() : options_.linger});
    if (!appended) return as_coordinator_error(appended.error().code);
    applied_end_ = appended->next_offset;
    coordinator::AppendedAs as{.offset = appended->first_offset, .producer_id = by.producer_id};
    for (const coordinator::Record& record : records) {
        CHECK(state_.apply(record, as));
        ++as.offset;
    }
    return ErrorCode::none;
}

Task<ErrorCode> CoordinatorLog::write(std::vector<coordinator::Record> records, WrittenBy by) {
    co_await partition_->may_append();
    if (stopped_) co_return ErrorCode::not_coordinator;
    if (!records.empty()) {
        ErrorCode error = write_now(records, by);
        if (error != ErrorCode::none) co_return error;
    }
    co_return co_await settled();
}

Task<ErrorCode> CoordinatorLog::end_transaction(TransactionEnd end) {
    co_await partition_->may_append();
    if (stopped_) co_return ErrorCode::not_leader_or_follower;
    Result<storage::Appended> appended = partition_->append_now(end);
    if (!appended) co_return appended.error().code;
    applied_end_ = appended->next_offset;
    state_.transaction_ended(end.producer_id, end.committed);
    Result<> committed = co_await partition_->committed(appended->next_offset);
    co_return committed ? ErrorCode::none : committed.error().code;
}

Task<ErrorCode> CoordinatorLog::settled() {
    if (stopped_) co_return ErrorCode::not_coordinator;
    if (partition_->high_watermark() >= applied_end_) co_return ErrorCode::none;
    std::optional<Result<>> committed;
    if (options_.patience == Duration::max()) {
        committed = co_await partition_->committed(applied_end_);
    } else {
        committed = co_await env::with_deadline(shard_, shard_.now() + options_.patience,
                                                partition_->committed(applied_end_));
    }
    if (stopped_) co_return ErrorCode::not_coordinator;
    if (!committed) co_return ErrorCode::coordinator_not_available;
    co_return *committed ? ErrorCode::none : as_coordinator_error(committed->error().code);
}

}  // namespace millrace::broker
