// InitProducerId (key 22): a producer id for an idempotent producer, or the next epoch of the one
// it has (KIP-360). Transactional ids are refused: this node does not coordinate transactions.

#include "protocol/init_producer_id.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/producer_ids.h"

namespace millrace::broker {
namespace {

Task<InitProducerIdResponse> answer(const InitProducerIdRequest& request, const Caller&,
                                    ProducerIds& ids) {
    InitProducerIdResponse response{.producer_id = -1, .producer_epoch = -1};
    if (request.transactional_id) {
        response.error_code = ErrorCode::invalid_request;
        co_return response;
    }
    // Without a transactional id nobody remembers epochs: a new id is as good as a new epoch.
    Result<std::int64_t> id = co_await ids.next();
    if (!id) {
        response.error_code = id.error().code;
        co_return response;
    }
    response.producer_id = *id;
    response.producer_epoch = 0;
    co_return response;
}

}  // namespace

constinit const Handler handlers::init_producer_id = serve<answer>;

}  // namespace millrace::broker
