#include <algorithm>

#include "broker/partitions/partition.h"

namespace millrace::broker {
namespace {

// Special timestamps of ListOffsets.
constexpr Timestamp latest = -1;
constexpr Timestamp earliest = -2;
constexpr Timestamp max_timestamp = -3;
constexpr Timestamp earliest_local = -4;
constexpr Timestamp latest_tiered = -5;
constexpr Timestamp earliest_pending_upload = -6;

}  // namespace

Task<Partition::ListedOffset> Partition::list_offset(ListTerms terms) {
    if (ErrorCode error = check_leader(terms.current_leader_epoch); error != ErrorCode::none) {
        co_return ListedOffset{.error = error};
    }
    storage::Offset bound = high_watermark_;
    if (terms.read_committed) bound = last_stable_offset();
    if (terms.from_replica) bound = log_->end_offset();
    bool bound_is_low = watermark_is_low() && !terms.from_replica;
    ListedOffset beyond{.error = bound_is_low ? ErrorCode::offset_not_available : ErrorCode::none};
    switch (terms.timestamp) {
        case latest:
            if (bound_is_low) co_return beyond;
            co_return ListedOffset{.offset = bound, .leader_epoch = state_.leader_epoch};
        case earliest_local:
            if (is_tiered()) co_return at_offset(log_->local_start_offset());
            [[fallthrough]];
        case earliest: {
            storage::Offset start = log_->start_offset();
            auto epoch = log_->epochs().earliest();
            bool known = epoch && epoch->start_offset <= start;
            co_return ListedOffset{.offset = start, .leader_epoch = known ? epoch->epoch : -1};
        }
        case latest_tiered:
            co_return is_tiered() ? at_offset(copied_end() - 1) : ListedOffset{};
        case earliest_pending_upload: {
            ListedOffset first = is_tiered() ? pending_upload() : ListedOffset{};
            co_return first.offset < bound ? first : beyond;
        }
        default: {
            ListedOffset found = co_await find_offset(terms.timestamp);
            co_return found.offset < bound ? found : beyond;
        }
    }
}

Partition::ListedOffset Partition::at_offset(storage::Offset offset) const {
    return {.offset = offset, .leader_epoch = log_->epochs().epoch_at(offset).value_or(-1)};
}

// Nothing while this leader has not yet learnt of segments that an earlier one has copied.
Partition::ListedOffset Partition::pending_upload() const {
    if (copied_end() > 0) return at_offset(std::max(copied_end(), log_->start_offset()));
    if (log_->local_start_offset() == log_->start_offset()) return at_offset(log_->start_offset());
    return {};
}

Task<Partition::ListedOffset> Partition::find_offset(Timestamp timestamp) {
    std::shared_ptr<RemoteLog> remote = remote_;
    auto log = log_;
    bool is_remote = log->local_start_offset() > log->start_offset();
    if (is_remote && timestamp != max_timestamp && !remote) {
        co_return ListedOffset{.error = ErrorCode::replica_not_available};
    }
    auto found = timestamp == max_timestamp ? co_await log->find_max_timestamp()
                 : is_remote                ? co_await remote->find_by_timestamp(timestamp)
                                            : co_await log->find_by_timestamp(timestamp);
    if (!found) co_return ListedOffset{.error = found.error().code};
    if (!*found) co_return ListedOffset{};
    co_return ListedOffset{.timestamp = (*found)->timestamp,
                           .offset = (*found)->offset,
                           .leader_epoch = (*found)->leader_epoch};
}

}  // namespace millrace::broker
