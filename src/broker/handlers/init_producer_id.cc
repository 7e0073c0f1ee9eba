// InitProducerId (key 22): a producer id for an idempotent producer, or the next epoch of the one
// it has (KIP-360). With a transactional id its coordinator answers, who fences whoever had the
// epoch before and aborts what it has left open.

#include "protocol/init_producer_id.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/producer_ids.h"
#include "broker/transactions.h"

namespace millrace::broker {
namespace {

using transactions::ProducerAnswer;

// Without a transactional id nobody remembers epochs: a new id is as good as a new epoch.
Task<ProducerAnswer> idempotent(ProducerIds& ids) {
    Result<std::int64_t> id = co_await ids.next();
    if (!id) co_return ProducerAnswer{.error = id.error().code};
    co_return ProducerAnswer{.producer = {*id, 0}};
}

Task<ProducerAnswer> transactional(const InitProducerIdRequest& request,
                                   Transactions& transactions) {
    transactions::InitProducerId asked{.transactional_id = *request.transactional_id,
                                       .timeout_ms = request.transaction_timeout_ms,
                                       .two_phase_commit = request.enable2_pc,
                                       .keep_prepared = request.keep_prepared_txn};
    if (request.producer_id != no_producer_id) {
        asked.expected =
            transactions::ProducerIdAndEpoch{request.producer_id, request.producer_epoch};
    }
    if (asked.transactional_id.empty()) {
        co_return ProducerAnswer{.error = ErrorCode::invalid_request};
    }
    co_return co_await transactions.with(
        *request.transactional_id,
        [&](TransactionHost& host) { return host.init_producer_id(std::move(asked)); },
        [](ErrorCode error) { return ProducerAnswer{.error = error}; });
}

Task<InitProducerIdResponse> answer(const InitProducerIdRequest& request, const Caller& caller,
                                    ProducerIds& ids, Transactions& transactions) {
    InitProducerIdResponse response{.producer_id = no_producer_id,
                                    .producer_epoch = no_producer_epoch};
    bool knows_id = request.producer_id != no_producer_id;
    bool knows_epoch = request.producer_epoch != no_producer_epoch;
    if (knows_id != knows_epoch) {
        response.error_code = ErrorCode::invalid_request;
        co_return response;
    }
    ProducerAnswer answered = co_await (
        request.transactional_id ? transactional(request, transactions) : idempotent(ids));
    response.error_code = answered.error;
    if (answered.error == ErrorCode::none) {
        response.producer_id = answered.producer.id;
        response.producer_epoch = answered.producer.epoch;
    } else if (answered.error == ErrorCode::producer_fenced && caller.version() < 4) {
        response.error_code = ErrorCode::invalid_producer_epoch;
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::init_producer_id = serve<answer>;

}  // namespace millrace::broker
