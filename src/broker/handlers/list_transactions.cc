// ListTransactions (key 66): the transactional ids that this node coordinates (KIP-664), by state,
// by producer, by how long their transactions are open, and by a pattern of ids (KIP-1152).

#include "protocol/list_transactions.h"

#include <algorithm>
#include <iterator>

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/transactions.h"
#include "client/topic_pattern.h"

namespace millrace::broker {
namespace {

Task<ListTransactionsResponse> answer(const ListTransactionsRequest& request, const Caller&,
                                      Transactions& transactions) {
    ListTransactionsResponse response;
    transactions::TransactionFilter filter{.states = request.state_filters,
                                           .producer_ids = request.producer_id_filters,
                                           .min_duration_ms = request.duration_filter};
    if (!request.transactional_id_pattern.value_or("").empty()) {
        auto pattern = client::TopicPattern::parse(*request.transactional_id_pattern);
        if (!pattern) {
            response.error_code = ErrorCode::invalid_regular_expression;
            co_return response;
        }
        filter.matches = [pattern = *pattern](const std::string& id) {
            return pattern.matches(id);
        };
    }
    for (const std::string& state : request.state_filters) {
        if (!transactions::state_named(state)) response.unknown_state_filters.push_back(state);
    }
    co_await transactions.on_all([&](TransactionHost& host) -> Task<void> {
        if (host.ready() != ErrorCode::none || co_await host.settled() != ErrorCode::none) {
            response.error_code = ErrorCode::coordinator_load_in_progress;
            co_return;
        }
        std::ranges::move(host.coordinator().list(filter, host.now()),
                          std::back_inserter(response.transaction_states));
    });
    if (response.error_code == ErrorCode::none) co_return response;
    co_return ListTransactionsResponse{.error_code = response.error_code};
}

}  // namespace

constinit const Handler handlers::list_transactions = serve<answer>;

}  // namespace millrace::broker
