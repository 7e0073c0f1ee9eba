#include "broker/transaction_joins.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/log.h"
#include "metrics/declared.h"
#include "protocol/add_partitions_to_txn.h"

namespace millrace::broker {
namespace {

using transactions::TopicPartition;
using Codes = std::vector<ErrorCode>;

Codes all(const TransactionJoin& join, ErrorCode error) {
    return Codes(join.partitions.size(), error);
}

AddPartitionsToTxnRequest request_of(const TransactionJoin& join) {
    AddPartitionsToTxnRequest request;
    auto& transaction = request.transactions.emplace_back();
    transaction.transactional_id = join.transactional_id;
    transaction.producer_id = join.producer.id;
    transaction.producer_epoch = join.producer.epoch;
    transaction.verify_only = join.verify_only;
    std::map<std::string, std::vector<std::int32_t>> topics;
    for (const TopicPartition& each : join.partitions) topics[each.topic].push_back(each.partition);
    for (auto& [name, partitions] : topics) {
        auto& topic = transaction.topics.emplace_back();
        topic.name = name;
        topic.partitions = std::move(partitions);
    }
    return request;
}

Codes codes_of(const TransactionJoin& join, const AddPartitionsToTxnResponse& response) {
    if (response.error_code != ErrorCode::none) {
        // Clients have no part in what brokers may ask of each other.
        bool of_brokers = response.error_code == ErrorCode::cluster_authorization_failed;
        return all(join, of_brokers ? ErrorCode::invalid_txn_state : response.error_code);
    }
    std::map<TopicPartition, ErrorCode> told;
    for (const auto& transaction : response.results_by_transaction) {
        if (transaction.transactional_id != join.transactional_id) continue;
        for (const auto& topic : transaction.topic_results) {
            for (const auto& partition : topic.results_by_partition) {
                told[{topic.name, partition.partition_index}] = partition.partition_error_code;
            }
        }
    }
    Codes codes;
    for (const TopicPartition& each : join.partitions) {
        auto found = told.find(each);
        codes.push_back(found == told.end() ? ErrorCode::unknown_server_error : found->second);
    }
    return codes;
}

}  // namespace

TransactionJoins::TransactionJoins(env::Shard& shard, const Node& node, Transactions& transactions,
                                   MetadataCache& metadata, const config::BrokerConfig& config,
                                   metrics::Registry& registry)
    : shard_(shard),
      node_(node),
      transactions_(transactions),
      metadata_(metadata),
      failures_(registry.meter(
          metrics::declared::add_partitions_to_txn_manager_verification_failure_rate)),
      time_ms_(registry.histogram(
          metrics::declared::add_partitions_to_txn_manager_verification_time_ms)),
      links_(shard, metadata, config, fmt::format("broker-{}-add-partitions-to-txn", node.id)) {}

Task<Codes> TransactionJoins::ask(TransactionJoin join) {
    Time began = shard_.now();
    std::optional<TopicIdPartition> coordinator = transactions_.partition_of(join.transactional_id);
    metadata::ImagePtr image = metadata_.image();
    const metadata::Partition* state =
        coordinator ? image->topics.find(coordinator->topic_id, coordinator->partition) : nullptr;
    Codes codes;
    if (state == nullptr || image->active_broker(state->leader) == nullptr) {
        codes = all(join, ErrorCode::coordinator_not_available);
    } else if (state->leader == node_.id) {
        codes = co_await ask_here(join);
    } else {
        codes = co_await ask_there(join, state->leader);
    }
    auto failed =
        std::ranges::count_if(codes, [](ErrorCode code) { return code != ErrorCode::none; });
    if (failed > 0) failures_.mark(static_cast<std::uint64_t>(failed));
    time_ms_.update(static_cast<double>((shard_.now() - began).ms()));
    co_return codes;
}

Task<Codes> TransactionJoins::ask_here(const TransactionJoin& join) {
    co_return co_await transactions_.with(
        join.transactional_id,
        [&](TransactionHost& host) -> Task<Codes> {
            if (join.verify_only) {
                co_return co_await host.verify_partitions(join.transactional_id, join.producer,
                                                          join.partitions);
            }
            co_return all(join, co_await host.add_partitions(join.transactional_id, join.producer,
                                                             join.partitions,
                                                             transactions::epoch_bump_version));
        },
        [&](ErrorCode error) { return all(join, error); });
}

Task<Codes> TransactionJoins::ask_there(const TransactionJoin& join, std::int32_t broker) {
    auto connection = co_await links_.connect(broker);
    if (!connection) {
        LOG_WARN("the coordinator of transactional id {} cannot be asked: {}",
                 join.transactional_id, connection.error().message);
        co_return all(join, ErrorCode::network_exception);
    }
    auto reply = co_await (*connection)->call(request_of(join));
    if (!reply) co_return all(join, ErrorCode::network_exception);
    co_return codes_of(join, reply->response);
}

}  // namespace millrace::broker
