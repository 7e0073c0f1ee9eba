#include "core/controller/allocate_producer_ids.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/controller/state.h"

namespace millrace::controller {

Decision<AllocateProducerIdsResponse> decide(const AllocateProducerIds& command, const State& state,
                                             Inputs) {
    const AllocateProducerIdsRequest& request = command.request;
    Decision<AllocateProducerIdsResponse> decision{.records = {}, .response = {}, .atomic = false};
    if (Result<> known = state.check_broker_epoch(request.broker_id, request.broker_epoch);
        !known) {
        decision.response.error_code = known.error().code;
        return decision;
    }
    std::int64_t first = std::max<std::int64_t>(state.image().next_producer_id, 0);
    if (first > std::numeric_limits<std::int64_t>::max() - producer_id_block) {
        decision.response.error_code = ErrorCode::unknown_server_error;
        return decision;
    }
    ProducerIdsRecord record;
    record.broker_id = request.broker_id;
    record.broker_epoch = request.broker_epoch;
    record.next_producer_id = first + producer_id_block;
    decision.records.push_back({std::move(record), 0});
    decision.response.producer_id_start = first;
    decision.response.producer_id_len = static_cast<std::int32_t>(producer_id_block);
    return decision;
}

}  // namespace millrace::controller
