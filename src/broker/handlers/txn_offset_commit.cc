// TxnOffsetCommit (key 28): stores offsets of a group that count when a transaction commits. From
// version 3 on by a member, whose generation is checked (KIP-447); from version 5 on the partition
// where they lie joins the transaction by the way (KIP-890).

#include "protocol/txn_offset_commit.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "config/broker_config.h"
#include "env/shard.h"

namespace millrace::broker {
namespace {

using Codes = std::vector<ErrorCode>;

// The commit of what exists, and for each of its partitions where its answer goes.
struct Sorted {
    groups::Commit commit;
    std::vector<std::pair<std::size_t, std::size_t>> places;
};

Sorted sort_out(const TxnOffsetCommitRequest& request, const metadata::Image& image, Timestamp now,
                TxnOffsetCommitResponse& response) {
    Sorted sorted{.commit = {.group_id = request.group_id,
                             .member_id = request.member_id,
                             .instance_id = request.group_instance_id,
                             .generation = request.generation_id,
                             .transactional = true}};
    for (const auto& topic : request.topics) {
        const metadata::Topic* known = image.topics.find(std::string_view(topic.name));
        auto& answered = response.topics.emplace_back();
        answered.name = topic.name;
        for (const auto& asked : topic.partitions) {
            auto& answer = answered.partitions.emplace_back();
            answer.partition_index = asked.partition_index;
            if (known == nullptr || known->partition(asked.partition_index) == nullptr) {
                answer.error_code = ErrorCode::unknown_topic_or_partition;
                continue;
            }
            sorted.commit.partitions.push_back({known->name,
                                                asked.partition_index,
                                                {.offset = asked.committed_offset,
                                                 .leader_epoch = asked.committed_leader_epoch,
                                                 .metadata = asked.committed_metadata.value_or(""),
                                                 .commit_timestamp = now,
                                                 .topic_id = known->id}});
            sorted.places.emplace_back(response.topics.size() - 1, answered.partitions.size() - 1);
        }
    }
    return sorted;
}

OffsetTransaction transaction_of(const TxnOffsetCommitRequest& request, const Caller& caller,
                                 const config::BrokerConfig& config) {
    using Ask = OffsetTransaction::Ask;
    Ask ask = caller.version() >= 5                                ? Ask::to_join
              : config.transaction_partition_verification_enable() ? Ask::whether_it_is
                                                                   : Ask::nothing;
    return {.transactional_id = request.transactional_id,
            .producer = {request.producer_id, request.producer_epoch},
            .ask = ask};
}

// What a producer of this version hears.
ErrorCode told(ErrorCode error, std::int16_t version) {
    switch (error) {
        case ErrorCode::producer_fenced:
            return ErrorCode::invalid_producer_epoch;
        case ErrorCode::transaction_abortable:
            return version >= 4 ? error : ErrorCode::invalid_txn_state;
        case ErrorCode::network_exception:
        case ErrorCode::coordinator_load_in_progress:
            return version >= 2 ? ErrorCode::coordinator_load_in_progress
                                : ErrorCode::coordinator_not_available;
        default:
            return error;
    }
}

Task<TxnOffsetCommitResponse> answer(const TxnOffsetCommitRequest& request, const Caller& caller,
                                     MetadataCache& cache, Groups& groups,
                                     const config::BrokerConfig& config, env::Shard& shard) {
    TxnOffsetCommitResponse response;
    Sorted sorted = sort_out(request, *cache.image(), shard.wall_ms(), response);
    if (sorted.places.empty()) co_return response;
    std::size_t count = sorted.places.size();
    auto all = [&](ErrorCode error) { return Codes(count, error); };
    Codes codes = request.group_id.empty()
                      ? all(ErrorCode::invalid_group_id)
                      : co_await groups.with(
                            request.group_id,
                            [&](GroupHost& host) {
                                return host.commit_offsets(std::move(sorted.commit),
                                                           transaction_of(request, caller, config));
                            },
                            all);
    for (std::size_t i = 0; i < count; ++i) {
        auto [topic, partition] = sorted.places[i];
        response.topics[topic].partitions[partition].error_code = told(codes[i], caller.version());
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::txn_offset_commit = serve<answer>;

}  // namespace millrace::broker
