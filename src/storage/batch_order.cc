#include "storage/batch_order.h"

#include <limits>

#include "records/batch.h"

namespace millrace::storage {

bool BatchOrder::add(const BatchView& batch, std::uint32_t position) {
    std::int32_t epoch = batch.leader_epoch() < 0 ? epoch_ : batch.leader_epoch();
    bool fits = batch.base_offset() >= end_ && epoch >= epoch_ &&
                batch.leader_epoch() >= no_leader_epoch &&
                batch.last_offset() - base_ <= std::numeric_limits<std::int32_t>::max();
    if (!fits) {
        // Where it fits in without the one that has leapt, that one is wrong.
        bool without = leap_ && batch.base_offset() >= leap_->least && epoch >= leap_->epoch;
        if (without) misplaced_ = leap_->position;
        return false;
    }
    if (batch.base_offset() > end_ || epoch > epoch_) {
        leap_ = {position, end_, epoch_, batch.next_offset(), end_ + batch.last_offset_delta() + 1};
    }
    end_ = batch.next_offset();
    epoch_ = epoch;
    return true;
}

void BatchOrder::end_at_most(Offset end) {
    if (ends_with_leap() && end_ > end && leap_->end_without <= end) misplaced_ = leap_->position;
}

void BatchOrder::end_at(Offset end) {
    if (ends_with_leap() && end_ != end && leap_->end_without == end) misplaced_ = leap_->position;
}

}  // namespace millrace::storage
