#include "client/producer_transactions.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "client/retry.h"
#include "protocol/end_txn.h"
#include "protocol/init_producer_id.h"
#include "protocol/txn_offset_commit.h"

namespace millrace::client {
namespace {

constexpr std::string_view feature = "transaction.version";
constexpr std::int16_t wanted_level = 2;

bool is_lost_coordinator(ErrorCode code) {
    return code == ErrorCode::not_coordinator || code == ErrorCode::coordinator_not_available ||
           code == ErrorCode::network_exception || code == ErrorCode::request_timed_out;
}

bool is_fenced(ErrorCode code) {
    return code == ErrorCode::producer_fenced || code == ErrorCode::invalid_producer_epoch ||
           code == ErrorCode::invalid_producer_id_mapping;
}

std::int16_t level_of(const ApiVersionsResponse& versions) {
    auto found = std::ranges::find(versions.finalized_features, feature,
                                   [](const auto& each) { return std::string_view(each.name); });
    return found == versions.finalized_features.end() ? std::int16_t{0} : found->max_version_level;
}

}  // namespace

ProducerTransactions::ProducerTransactions(Cluster& cluster, ProducerSender& sender,
                                           std::string transactional_id, std::int32_t timeout_ms)
    : cluster_(cluster),
      sender_(sender),
      id_(std::move(transactional_id)),
      timeout_ms_(timeout_ms) {}

Error ProducerTransactions::refused(std::string_view doing, ErrorCode code, CoordinatorType type,
                                    const std::string& key) {
    if (is_lost_coordinator(code)) cluster_.forget_coordinator(type, key);
    if (is_fenced(code)) state_ = State::fenced;
    std::string_view advice =
        is_fenced(code) ? "; another producer has come with this transactional.id" : "";
    return {code, fmt::format("{} of transactional.id {}: {} ({}){}", doing, id_, meaning_of(code),
                              name_of(code), advice)};
}

template <typename Request>
Task<Result<typename Request::Response>> ProducerTransactions::ask(Request request,
                                                                   CoordinatorType type,
                                                                   std::string key) {
    ASSIGN_OR_CO_RETURN(auto connection, co_await cluster_.coordinator(type, key));
    std::int16_t level = level_of(connection->versions());
    if (level < wanted_level) {
        co_return fail(ErrorCode::unsupported_version,
                       fmt::format("{} goes by {}={}; a producer with transactional.id needs {}",
                                   connection->name(), feature, level, wanted_level));
    }
    auto reply = co_await connection->call(request);
    if (!reply) {
        if (is_lost_coordinator(reply.error().code)) cluster_.forget_coordinator(type, key);
        co_return fail(std::move(reply).error());
    }
    co_return std::move(reply->response);
}

Task<Result<>> ProducerTransactions::init(Time deadline) {
    co_return co_await with_retries(cluster_,
                                    fmt::format("beginning with transactional.id {}", id_),
                                    deadline, [this] { return init_once(); });
}

Task<Result<>> ProducerTransactions::init_once() {
    InitProducerIdRequest request;
    request.transactional_id = id_;
    request.transaction_timeout_ms = timeout_ms_;
    ASSIGN_OR_CO_RETURN(auto response,
                        co_await ask(std::move(request), CoordinatorType::transaction, id_));
    if (response.error_code != ErrorCode::none) {
        co_return fail(
            refused("The producer id", response.error_code, CoordinatorType::transaction, id_));
    }
    sender_.accumulator().set_identity({response.producer_id, response.producer_epoch});
    state_ = State::ready;
    co_return Result<>{};
}

Result<> ProducerTransactions::begin() {
    switch (state_) {
        case State::ready:
            break;
        case State::new_here:
            return fail(ErrorCode::invalid_txn_state,
                        fmt::format("transactional.id {}: init_transactions() comes first", id_));
        case State::open:
            return fail(ErrorCode::invalid_txn_state,
                        fmt::format("transactional.id {} has a transaction open already", id_));
        case State::fenced:
            return check_open();
    }
    Accumulator& accumulator = sender_.accumulator();
    (void)accumulator.take_error();
    batches_before_ = accumulator.totals().batches_sent;
    has_offsets_ = false;
    state_ = State::open;
    return {};
}

Result<> ProducerTransactions::check_open() const {
    if (state_ == State::open) return {};
    if (state_ == State::fenced) {
        return fail(ErrorCode::producer_fenced,
                    fmt::format("Another producer has come with transactional.id {}", id_));
    }
    return fail(ErrorCode::invalid_txn_state,
                fmt::format("transactional.id {} has no transaction open", id_));
}

Task<Result<>> ProducerTransactions::add_offsets(PartitionOffsets offsets, Committer group,
                                                 Time deadline) {
    CO_RETURN_IF_ERROR(check_open());
    if (offsets.empty()) co_return Result<>{};
    has_offsets_ = true;
    co_return co_await with_retries(
        cluster_, fmt::format("adding offsets of group {} to a transaction", group.group_id),
        deadline, [&] { return add_offsets_once(offsets, group); });
}

Task<Result<>> ProducerTransactions::add_offsets_once(const PartitionOffsets& offsets,
                                                      const Committer& group) {
    TxnOffsetCommitRequest request;
    request.transactional_id = id_;
    request.group_id = group.group_id;
    request.producer_id = sender_.accumulator().identity().id;
    request.producer_epoch = sender_.accumulator().identity().epoch;
    request.generation_id = group.generation;
    request.member_id = group.member_id;
    request.group_instance_id = group.instance_id;
    for (const auto& [partition, offset] : offsets) {
        if (request.topics.empty() || request.topics.back().name != partition.topic) {
            request.topics.emplace_back().name = partition.topic;
        }
        request.topics.back().partitions.push_back(
            {partition.partition, offset.offset, offset.leader_epoch, offset.metadata});
    }
    ASSIGN_OR_CO_RETURN(auto response,
                        co_await ask(std::move(request), CoordinatorType::group, group.group_id));
    ErrorCode worst = ErrorCode::none;
    for (const auto& topic : response.topics) {
        for (const auto& told : topic.partitions) {
            if (told.error_code == ErrorCode::none) continue;
            if (worst == ErrorCode::none || is_retriable(worst)) worst = told.error_code;
        }
    }
    if (worst == ErrorCode::none) co_return Result<>{};
    co_return fail(refused(fmt::format("Offsets of group {} in the transaction", group.group_id),
                           worst, CoordinatorType::group, group.group_id));
}

Task<Result<>> ProducerTransactions::end(bool commit, Time deadline) {
    CO_RETURN_IF_ERROR(check_open());
    Accumulator& accumulator = sender_.accumulator();
    if (commit) {
        bool sent = co_await env::with_deadline(cluster_.shard(), deadline, sender_.flush());
        if (!sent) {
            co_return fail(ErrorCode::request_timed_out,
                           fmt::format("Records of transactional.id {} are not acknowledged in "
                                       "time: the same again, or abort",
                                       id_));
        }
        if (std::optional<Error> failed = accumulator.take_error()) co_return fail(*failed);
    } else {
        // What is on its way has the epoch that ends with this transaction.
        accumulator.fail_all({ErrorCode::transaction_abortable,
                              fmt::format("The transaction of {} was aborted", id_)});
        (void)accumulator.take_error();
    }
    bool has_anything = has_offsets_ || accumulator.totals().batches_sent != batches_before_;
    if (has_anything) {
        CO_RETURN_IF_ERROR(co_await with_retries(
            cluster_,
            fmt::format("{} the transaction of {}", commit ? "committing" : "aborting", id_),
            deadline, [this, commit] { return end_once(commit); }));
    }
    state_ = State::ready;
    co_return Result<>{};
}

Task<Result<>> ProducerTransactions::end_once(bool commit) {
    EndTxnRequest request;
    request.transactional_id = id_;
    request.producer_id = sender_.accumulator().identity().id;
    request.producer_epoch = sender_.accumulator().identity().epoch;
    request.committed = commit;
    ASSIGN_OR_CO_RETURN(auto response,
                        co_await ask(std::move(request), CoordinatorType::transaction, id_));
    if (response.error_code != ErrorCode::none) {
        co_return fail(refused(commit ? "The commit" : "The abort", response.error_code,
                               CoordinatorType::transaction, id_));
    }
    sender_.accumulator().set_identity({response.producer_id, response.producer_epoch});
    co_return Result<>{};
}

}  // namespace millrace::client
