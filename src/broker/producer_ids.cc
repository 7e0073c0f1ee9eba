#include "broker/producer_ids.h"

#include <fmt/core.h>

#include "broker/controllers.h"
#include "core/controller/allocate_producer_ids.h"

namespace millrace::broker {

Task<Result<std::int64_t>> ProducerIds::next() {
    while (next_ == end_) CO_RETURN_IF_ERROR(co_await fetch_block());
    co_return next_++;
}

Task<Result<>> ProducerIds::fetch_block() {
    const metadata::Broker* broker = metadata_.image()->brokers.find(node_id_);
    AllocateProducerIdsRequest request;
    request.broker_id = node_id_;
    request.broker_epoch = broker == nullptr ? -1 : broker->epoch;
    controller::AllocateProducerIds command{.request = std::move(request)};
    auto block = co_await controllers_.submit(std::move(command));
    ErrorCode error = block ? block->error_code : block.error().code;
    if (error != ErrorCode::none) {
        co_return fail(
            ErrorCode::coordinator_load_in_progress,
            fmt::format("the controller gives out no producer ids now: {}", meaning_of(error)));
    }
    if (next_ < end_) co_return Result<>{};  // another request was faster; its block goes first
    next_ = block->producer_id_start;
    end_ = next_ + block->producer_id_len;
    co_return Result<>{};
}

}  // namespace millrace::broker
