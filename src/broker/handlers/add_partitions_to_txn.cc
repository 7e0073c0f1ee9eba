// AddPartitionsToTxn (key 24): partitions join a transaction, by its producer up to version 3; from
// version 4 on brokers ask for producers, for several transactions at once, or ask whether
// partitions have joined (KIP-890). Where one partition of a transaction cannot join, none does.

#include "protocol/add_partitions_to_txn.h"

#include <algorithm>

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/transactions.h"

namespace millrace::broker {
namespace {

using transactions::TopicPartition;
using Asked = AddPartitionsToTxnRequest::AddPartitionsToTxnTransaction;
using ToldTopics = std::vector<AddPartitionsToTxnResponse::AddPartitionsToTxnTopicResult>;
using Codes = std::vector<ErrorCode>;

constexpr std::int16_t first_of_brokers = 4;
constexpr std::int16_t first_with_fenced = 2;

std::vector<TopicPartition> partitions_of(const Asked& asked) {
    std::vector<TopicPartition> partitions;
    for (const auto& topic : asked.topics) {
        for (std::int32_t partition : topic.partitions) {
            partitions.push_back({topic.name, partition});
        }
    }
    return partitions;
}

// Why partitions cannot join; the others then bear operation_not_attempted.
Codes check(const std::vector<TopicPartition>& partitions, const metadata::Image& image,
            bool of_client) {
    Codes codes;
    for (const TopicPartition& each : partitions) {
        const metadata::Topic* topic = image.topics.find(std::string_view(each.topic));
        if (of_client && metadata::is_internal_topic(each.topic)) {
            codes.push_back(ErrorCode::topic_authorization_failed);
        } else if (topic == nullptr || topic->partition(each.partition) == nullptr) {
            codes.push_back(ErrorCode::unknown_topic_or_partition);
        } else {
            codes.push_back(ErrorCode::none);
        }
    }
    bool fine = std::ranges::all_of(codes, [](ErrorCode code) { return code == ErrorCode::none; });
    for (ErrorCode& code : codes) {
        if (!fine && code == ErrorCode::none) code = ErrorCode::operation_not_attempted;
    }
    return codes;
}

Task<Codes> join(const Asked& asked, std::vector<TopicPartition> partitions, bool of_client,
                 Transactions& transactions) {
    auto all = [&](ErrorCode error) { return Codes(partitions.size(), error); };
    if (asked.transactional_id.empty()) co_return all(ErrorCode::invalid_request);
    std::int16_t version = of_client ? 0 : transactions::epoch_bump_version;
    co_return co_await transactions.with(
        asked.transactional_id,
        [&](TransactionHost& host) -> Task<Codes> {
            transactions::ProducerIdAndEpoch producer{asked.producer_id, asked.producer_epoch};
            if (asked.verify_only) {
                co_return co_await host.verify_partitions(asked.transactional_id, producer,
                                                          partitions);
            }
            co_return all(co_await host.add_partitions(asked.transactional_id, producer, partitions,
                                                       version));
        },
        all);
}

ToldTopics told(const Asked& asked, const Codes& codes) {
    ToldTopics topics;
    auto next = codes.begin();
    for (const auto& topic : asked.topics) {
        auto& answered = topics.emplace_back();
        answered.name = topic.name;
        for (std::int32_t partition : topic.partitions) {
            answered.results_by_partition.push_back(
                {.partition_index = partition, .partition_error_code = *next++});
        }
    }
    return topics;
}

Task<ToldTopics> answer_one(const Asked& asked, const Caller& caller, const metadata::Image& image,
                            Transactions& transactions) {
    bool of_client = caller.version() < first_of_brokers;
    std::vector<TopicPartition> partitions = partitions_of(asked);
    Codes codes = check(partitions, image, of_client);
    bool fine = std::ranges::all_of(codes, [](ErrorCode code) { return code == ErrorCode::none; });
    if (fine) codes = co_await join(asked, std::move(partitions), of_client, transactions);
    for (ErrorCode& code : codes) {
        bool unknown = caller.version() < first_with_fenced;
        if (unknown && code == ErrorCode::producer_fenced) code = ErrorCode::invalid_producer_epoch;
    }
    co_return told(asked, codes);
}

Task<AddPartitionsToTxnResponse> answer(const AddPartitionsToTxnRequest& request,
                                        const Caller& caller, MetadataCache& cache,
                                        Transactions& transactions) {
    AddPartitionsToTxnResponse response;
    metadata::ImagePtr image = cache.image();
    if (caller.version() < first_of_brokers) {
        Asked asked{.transactional_id = request.v3_and_below_transactional_id,
                    .producer_id = request.v3_and_below_producer_id,
                    .producer_epoch = request.v3_and_below_producer_epoch,
                    .topics = request.v3_and_below_topics};
        response.results_by_topic_v3_and_below =
            co_await answer_one(asked, caller, *image, transactions);
        co_return response;
    }
    response.results_by_transaction.resize(request.transactions.size());
    co_await with_scope([&](Scope& scope) -> Task<void> {
        auto one = [&](std::size_t i) -> Task<void> {
            auto& answered = response.results_by_transaction[i];
            answered.transactional_id = request.transactions[i].transactional_id;
            answered.topic_results =
                co_await answer_one(request.transactions[i], caller, *image, transactions);
        };
        for (std::size_t i = 0; i < request.transactions.size(); ++i) scope.spawn(one(i));
        co_await scope.join();
    });
    co_return response;
}

}  // namespace

constinit const Handler handlers::add_partitions_to_txn = serve<answer>;

}  // namespace millrace::broker
