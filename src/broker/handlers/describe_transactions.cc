// DescribeTransactions (key 65): the transactions of ids that this node coordinates (KIP-664).

#include "protocol/describe_transactions.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/transactions.h"

namespace millrace::broker {
namespace {

using Told = DescribeTransactionsResponse::TransactionState;

Task<DescribeTransactionsResponse> answer(const DescribeTransactionsRequest& request, const Caller&,
                                          Transactions& transactions) {
    DescribeTransactionsResponse response;
    for (const std::string& id : request.transactional_ids) {
        auto failed = [&](ErrorCode error) {
            return Told{.error_code = error, .transactional_id = id};
        };
        if (id.empty()) {
            response.transaction_states.push_back(failed(ErrorCode::invalid_request));
            continue;
        }
        response.transaction_states.push_back(co_await transactions.with(
            id,
            [&](TransactionHost& host) -> Task<Told> {
                ErrorCode error = co_await host.settled();
                co_return error == ErrorCode::none ? host.coordinator().describe(id)
                                                   : failed(error);
            },
            failed));
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::describe_transactions = serve<answer>;

}  // namespace millrace::broker
