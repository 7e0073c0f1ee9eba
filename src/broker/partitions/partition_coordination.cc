#include <fmt/core.h>

#include "broker/partitions/partition.h"
#include "env/shard.h"
#include "records/builder.h"

namespace millrace::broker {

Task<Result<storage::Offset>> Partition::append_own(Slice batch) {
    co_await may_append();
    co_return co_await appended_now(append_now(std::move(batch)));
}

Task<Result<storage::Offset>> Partition::end_transaction(TransactionEnd end) {
    co_await may_append();
    co_return co_await appended_now(append_now(end));
}

Task<Result<storage::Offset>> Partition::appended_now(Result<storage::Appended> appended) {
    if (!appended) co_return fail(std::move(appended).error());
    CO_RETURN_IF_ERROR(co_await committed(appended->next_offset));
    co_return appended->first_offset;
}

Result<storage::Appended> Partition::append_now(const TransactionEnd& end) {
    Timestamp now = shard_.wall_ms();
    Slice marker =
        transaction_marker_batch(end.committed ? ControlType::commit : ControlType::abort,
                                 {.producer_id = end.producer_id,
                                  .producer_epoch = end.producer_epoch,
                                  .coordinator_epoch = end.coordinator_epoch,
                                  .timestamp = now});
    if (config_.log_append_time()) {
        set_max_timestamp({marker.mutable_data(), marker.size()}, TimestampType::log_append_time,
                          now);
    }
    auto appended = append_now(std::move(marker), {.transaction_version = end.transaction_version});
    if (appended) verifications_.transaction_ended(end.producer_id);
    return appended;
}

Result<storage::Appended> Partition::append_now(Slice batch, const CoordinatorTerms& terms) {
    if (ErrorCode error = check_leader(-1); error != ErrorCode::none) {
        return fail(error, fmt::format("this node does not lead {}", name_));
    }
    RETURN_IF_ERROR(check_isr());
    return log_->append_as_leader(std::move(batch),
                                  {.origin = storage::AppendOrigin::coordinator,
                                   .leader_epoch = state_.leader_epoch,
                                   .verified = terms.verified,
                                   .transaction_version = terms.transaction_version,
                                   .linger = terms.linger});
}

bool Partition::has_transaction(const transactions::ProducerIdAndEpoch& producer) const {
    const storage::Producer* known = log_->producers().find(producer.id);
    return known != nullptr && known->in_transaction() && known->epoch == producer.epoch;
}

}  // namespace millrace::broker
