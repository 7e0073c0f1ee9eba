// AddOffsetsToTxn (key 25): the partition where a group's offsets lie joins a transaction, before
// TxnOffsetCommit stores some. Producers of transaction.version 2 leave it out (KIP-890).

#include "protocol/add_offsets_to_txn.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/transactions.h"

namespace millrace::broker {
namespace {

Task<ErrorCode> join(const AddOffsetsToTxnRequest& request, Groups& groups,
                     Transactions& transactions) {
    if (request.transactional_id.empty()) co_return ErrorCode::invalid_request;
    std::optional<TopicIdPartition> offsets = groups.partition_of(request.group_id);
    if (!offsets) co_return ErrorCode::coordinator_not_available;
    transactions::TopicPartition partition{std::string(metadata::consumer_offsets_topic),
                                           offsets->partition};
    co_return co_await transactions.with(
        request.transactional_id,
        [&](TransactionHost& host) {
            return host.add_partitions(request.transactional_id,
                                       {request.producer_id, request.producer_epoch}, {partition},
                                       0);
        },
        [](ErrorCode error) { return error; });
}

Task<AddOffsetsToTxnResponse> answer(const AddOffsetsToTxnRequest& request, const Caller& caller,
                                     Groups& groups, Transactions& transactions) {
    ErrorCode error = co_await join(request, groups, transactions);
    if (error == ErrorCode::producer_fenced && caller.version() < 2) {
        error = ErrorCode::invalid_producer_epoch;
    }
    co_return AddOffsetsToTxnResponse{.error_code = error};
}

}  // namespace

constinit const Handler handlers::add_offsets_to_txn = serve<answer>;

}  // namespace millrace::broker
