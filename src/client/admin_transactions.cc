#include "client/admin_transactions.h"

#include <algorithm>
#include <fmt/core.h>
#include <tuple>
#include <utility>

#include "client/admin_calls.h"
#include "protocol/describe_transactions.h"
#include "protocol/init_producer_id.h"
#include "protocol/list_transactions.h"
#include "protocol/write_txn_markers.h"

namespace millrace::client {
namespace {

std::string about(std::string_view id) { return fmt::format("transactional id '{}'", id); }

Task<Result<std::vector<TransactionListing>>> list_of(Cluster& cluster, std::int32_t broker,
                                                      TransactionListFilter filter) {
    ASSIGN_OR_CO_RETURN(auto connection, co_await cluster.broker(broker));
    ASSIGN_OR_CO_RETURN(std::int16_t version, connection->version_of(ApiKey::list_transactions));
    constexpr std::int16_t first_with_duration = 1;
    constexpr std::int16_t first_with_pattern = 2;
    bool too_old = (version < first_with_duration && filter.min_duration_ms >= 0) ||
                   (version < first_with_pattern && filter.pattern);
    if (too_old) {
        co_return fail(ErrorCode::unsupported_version,
                       fmt::format("{} is too old to choose transactions by their {}",
                                   connection->name(), filter.pattern ? "id" : "duration"));
    }
    ListTransactionsRequest request{.producer_id_filters = std::move(filter.producer_ids),
                                    .duration_filter = filter.min_duration_ms,
                                    .transactional_id_pattern = std::move(filter.pattern)};
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request));
    CO_RETURN_IF_ERROR(verdict_about(fmt::format("transactions of {}", connection->name()),
                                     reply.response.error_code));
    std::vector<TransactionListing> listed;
    for (auto& each : reply.response.transaction_states) {
        listed.push_back({each.transactional_id, broker, each.producer_id, each.transaction_state});
    }
    co_return listed;
}

// One request of the id's coordinator, until its error is none or final. `error_of(response)` gives
// its code.
template <typename Request, typename ErrorOf>
Task<Result<typename Request::Response>> ask_coordinator(Admin& admin, std::string id,
                                                         Request request, ErrorOf error_of) {
    using Answer = Result<typename Request::Response>;
    Cluster& cluster = admin.cluster();
    auto attempt = [&]() -> Task<Answer> {
        auto connecting = cluster.coordinator(CoordinatorType::transaction, id);
        auto reply = co_await call_over(std::move(connecting), request);
        Result<> verdict = reply ? verdict_about(about(id), error_of(reply->response))
                                 : Result<>(fail(reply.error()));
        if (verdict) co_return std::move(reply->response);
        ErrorCode code = verdict.error().code;
        if (is_about_coordinator(code) || code == ErrorCode::network_exception) {
            cluster.forget_coordinator(CoordinatorType::transaction, id);
        }
        co_return fail(std::move(verdict).error());
    };
    co_return co_await with_retries(cluster, about(id), admin.deadline(), attempt);
}

}  // namespace

Task<Result<std::vector<TransactionListing>>> list_transactions(Admin& admin,
                                                                TransactionListFilter filter) {
    Cluster& cluster = admin.cluster();
    Time deadline = admin.deadline();
    CO_RETURN_IF_ERROR(co_await cluster.refresh(deadline));
    std::vector<TransactionListing> all;
    std::shared_ptr<const ClusterMetadata> metadata = cluster.metadata();
    for (const auto& broker : metadata->brokers()) {
        std::int32_t id = broker.first;
        auto attempt = [&cluster, &filter, id] { return list_of(cluster, id, filter); };
        ASSIGN_OR_CO_RETURN(
            auto listed,
            co_await with_retries(cluster, fmt::format("listing transactions of broker {}", id),
                                  deadline, attempt));
        std::ranges::move(listed, std::back_inserter(all));
    }
    std::ranges::sort(all, {}, [](const TransactionListing& each) {
        return std::tie(each.coordinator, each.id);
    });
    co_return all;
}

Task<Result<TransactionDescription>> describe_transaction(Admin& admin, std::string id) {
    DescribeTransactionsRequest request;
    request.transactional_ids.push_back(id);
    auto error_of = [](const DescribeTransactionsResponse& response) {
        return response.transaction_states.empty() ? ErrorCode::unknown_server_error
                                                   : response.transaction_states[0].error_code;
    };
    ASSIGN_OR_CO_RETURN(auto response,
                        co_await ask_coordinator(admin, id, std::move(request), error_of));
    ASSIGN_OR_CO_RETURN(std::int32_t coordinator,
                        co_await admin.cluster().coordinator_id(CoordinatorType::transaction, id));
    const auto& told = response.transaction_states[0];
    TransactionDescription made{.coordinator = coordinator,
                                .state = told.transaction_state,
                                .producer_id = told.producer_id,
                                .producer_epoch = told.producer_epoch,
                                .timeout_ms = told.transaction_timeout_ms,
                                .started = told.transaction_start_time_ms};
    for (const auto& topic : told.topics) {
        for (std::int32_t index : topic.partitions) made.partitions.push_back({topic.topic, index});
    }
    co_return made;
}

Task<Result<>> abort_transaction(Admin& admin, HangingTransaction transaction) {
    const TopicPartition& partition = transaction.partition;
    WriteTxnMarkersRequest request;
    auto& marker = request.markers.emplace_back();
    marker.producer_id = transaction.producer_id;
    marker.producer_epoch = transaction.producer_epoch;
    marker.coordinator_epoch = transaction.coordinator_epoch;
    marker.transaction_result = false;
    marker.topics.push_back({partition.topic, {partition.partition}});
    Cluster& cluster = admin.cluster();
    Time deadline = admin.deadline();
    std::string what = fmt::format("partition '{}'", to_string(partition));
    auto attempt = [&]() -> Task<Result<>> {
        ASSIGN_OR_CO_RETURN(Leader leader, co_await cluster.leader(partition, deadline));
        auto reply = co_await call_over(cluster.broker(leader.id), request);
        CO_RETURN_IF_ERROR(reply);
        for (const auto& told : reply->response.markers) {
            for (const auto& topic : told.topics) {
                for (const auto& each : topic.partitions) {
                    CO_RETURN_IF_ERROR(verdict_about(what, each.error_code));
                }
            }
        }
        co_return Result<>{};
    };
    co_return co_await with_retries(cluster, "aborting a transaction in " + what, deadline,
                                    attempt);
}

Task<Result<>> terminate_transaction(Admin& admin, std::string id) {
    InitProducerIdRequest request;
    request.transactional_id = id;
    request.transaction_timeout_ms = 1;  // of a transaction that nobody will begin
    auto error_of = [](const InitProducerIdResponse& response) { return response.error_code; };
    CO_RETURN_IF_ERROR(co_await ask_coordinator(admin, id, std::move(request), error_of));
    co_return Result<>{};
}

}  // namespace millrace::client
