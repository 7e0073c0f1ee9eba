// EndTxn (key 26): commits or aborts a transaction. Answered when the outcome is decided for good:
// the markers are written afterwards, and what reads committed records waits for them. From version
// 5 on the producer goes on with the epoch, and maybe the id, of the answer (KIP-890).

#include "protocol/end_txn.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/transactions.h"

namespace millrace::broker {
namespace {

using transactions::ProducerAnswer;

Task<EndTxnResponse> answer(const EndTxnRequest& request, const Caller& caller,
                            Transactions& transactions) {
    if (request.transactional_id.empty()) {
        co_return EndTxnResponse{.error_code = ErrorCode::invalid_request};
    }
    bool bumps = caller.version() >= 5;
    transactions::EndTransaction asked{
        .transactional_id = request.transactional_id,
        .producer = {request.producer_id, request.producer_epoch},
        .commit = request.committed,
        .client_version = bumps ? transactions::epoch_bump_version : std::int16_t{0}};
    ProducerAnswer answered = co_await transactions.with(
        request.transactional_id, [&](TransactionHost& host) { return host.end(asked); },
        [](ErrorCode error) { return ProducerAnswer{.error = error}; });
    if (answered.error == ErrorCode::producer_fenced && caller.version() < 2) {
        answered.error = ErrorCode::invalid_producer_epoch;
    }
    EndTxnResponse response{.error_code = answered.error};
    if (bumps && answered.error == ErrorCode::none) {
        response.producer_id = answered.producer.id;
        response.producer_epoch = answered.producer.epoch;
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::end_txn = serve<answer>;

}  // namespace millrace::broker
