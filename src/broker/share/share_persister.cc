#include "broker/share/share_persister.h"

#include <fmt/core.h>

#include "broker/log.h"
#include "client/backoff.h"
#include "protocol/delete_share_group_state.h"
#include "protocol/initialize_share_group_state.h"
#include "protocol/list_offsets.h"
#include "protocol/read_share_group_state.h"
#include "protocol/read_share_group_state_summary.h"
#include "protocol/write_share_group_state.h"

namespace millrace::broker {
namespace {

using share::ShareKey;
using Outcome = share::ShareCoordinator::Outcome;
using Read = share::ShareCoordinator::Read;
using Summary = share::ShareCoordinator::Summary;

constexpr client::Backoff backoff{Duration::milliseconds(20), Duration::milliseconds(500)};
constexpr int most_attempts = 14;

Outcome& outcome_of(Outcome& outcome) { return outcome; }
template <typename Answer>
Outcome& outcome_of(Answer& answer) {
    return answer.outcome;
}

template <typename T>
T refusal(ErrorCode code) {
    T answer{};
    outcome_of(answer) = {code, std::string(meaning_of(code))};
    return answer;
}

bool may_pass(ErrorCode code) {
    return code == ErrorCode::coordinator_not_available || code == ErrorCode::not_coordinator ||
           code == ErrorCode::coordinator_load_in_progress ||
           code == ErrorCode::network_exception || code == ErrorCode::request_timed_out;
}

template <typename Result>
Outcome told_by(const Result& result) {
    return {result.error_code, result.error_message.value_or("")};
}

// A request about one partition.
template <typename Request>
auto& one_partition(Request& request, const ShareKey& key) {
    request.group_id = key.group_id;
    auto& topic = request.topics.emplace_back();
    topic.topic_id = key.topic_id;
    auto& partition = topic.partitions.emplace_back();
    partition.partition = key.partition;
    return partition;
}

}  // namespace

SharePersister::SharePersister(env::Shard& shard, const Node& node, const Ways& ways,
                               const config::BrokerConfig& config)
    : shard_(shard),
      node_(node),
      ways_(ways),
      links_(shard, ways.metadata, config, fmt::format("broker-{}-share-persister", node.id)) {}

template <typename T, typename Request, typename ReadResult>
Task<T> SharePersister::ask_there(std::int32_t broker, const Request& request, ReadResult read) {
    auto connection = co_await links_.connect(broker);
    if (!connection) co_return refusal<T>(ErrorCode::coordinator_not_available);
    auto reply = co_await (*connection)->call(request);
    if (!reply) {
        bool old = reply.error().code == ErrorCode::unsupported_version;
        co_return refusal<T>(old ? reply.error().code : ErrorCode::coordinator_not_available);
    }
    const auto& results = reply->response.results;
    if (results.size() != 1 || results.front().partitions.size() != 1)
        co_return refusal<T>(ErrorCode::unknown_server_error);
    co_return read(results.front().partitions.front());
}

template <typename T, typename Here, typename Request, typename ReadResult>
Task<T> SharePersister::ask(const ShareKey& key, Here here, const Request& request,
                            ReadResult read) {
    std::string coordinator_key = key.to_string();
    for (int attempt = 1;; ++attempt) {
        T answer = refusal<T>(ErrorCode::coordinator_not_available);
        std::optional<TopicIdPartition> at = ways_.states.partition_of(coordinator_key);
        metadata::ImagePtr image = ways_.metadata.image();
        const metadata::Partition* state =
            at ? image->topics.find(at->topic_id, at->partition) : nullptr;
        if (!at) {
            co_await ways_.controllers.auto_create(
                {std::string(metadata::share_group_state_topic)});
        } else if (state != nullptr && state->leader == node_.id) {
            answer = co_await ways_.states.on_partition(
                *at, here, [](ErrorCode code) { return refusal<T>(code); });
        } else if (state != nullptr && image->active_broker(state->leader) != nullptr) {
            answer = co_await ask_there<T>(state->leader, request, read);
        }
        const Outcome& outcome = outcome_of(answer);
        // Another node may learn of a topic later than this one.
        bool lags = outcome.error == ErrorCode::unknown_topic_or_partition &&
                    image->topics.find(key.topic_id, key.partition) != nullptr;
        if ((!may_pass(outcome.error) && !lags) || attempt >= most_attempts) {
            if (outcome.error != ErrorCode::none) {
                LOG_DEBUG("the state of share partition {}: {}, {}", coordinator_key,
                          name_of(outcome.error), outcome.message);
            }
            co_return answer;
        }
        co_await env::sleep_for(shard_, backoff.after(attempt, shard_.random()));
    }
}

Task<Outcome> SharePersister::initialize(ShareKey key, std::int32_t state_epoch,
                                         share::Offset start) {
    InitializeShareGroupStateRequest request;
    auto& partition = one_partition(request, key);
    partition.state_epoch = state_epoch;
    partition.start_offset = start;
    co_return co_await ask<Outcome>(
        key, [&](ShareHost& host) { return host.initialize(key, state_epoch, start); }, request,
        [](const auto& result) { return told_by(result); });
}

Task<Outcome> SharePersister::write(ShareKey key, Coordinator::Write what) {
    WriteShareGroupStateRequest request;
    auto& partition = one_partition(request, key);
    partition.state_epoch = what.state_epoch;
    partition.leader_epoch = what.leader_epoch;
    partition.start_offset = what.start_offset;
    partition.delivery_complete_count = what.delivery_complete_count;
    for (const share::StateBatch& batch : what.batches) {
        partition.state_batches.push_back({.first_offset = batch.first,
                                           .last_offset = batch.last,
                                           .delivery_state = static_cast<std::int8_t>(batch.state),
                                           .delivery_count = batch.delivery_count});
    }
    co_return co_await ask<Outcome>(
        key, [&](ShareHost& host) { return host.write(key, what); }, request,
        [](const auto& result) { return told_by(result); });
}

Task<Read> SharePersister::read(ShareKey key, std::int32_t leader_epoch) {
    ReadShareGroupStateRequest request;
    one_partition(request, key).leader_epoch = leader_epoch;
    co_return co_await ask<Read>(
        key, [&](ShareHost& host) { return host.read(key, leader_epoch); }, request,
        [](const auto& result) {
            Read read{.outcome = told_by(result),
                      .state_epoch = result.state_epoch,
                      .start_offset = result.start_offset,
                      .batches = {}};
            for (const auto& batch : result.state_batches) {
                read.batches.push_back({batch.first_offset, batch.last_offset,
                                        static_cast<share::RecordState>(batch.delivery_state),
                                        batch.delivery_count});
            }
            return read;
        });
}

Task<Summary> SharePersister::summarize(ShareKey key) {
    ReadShareGroupStateSummaryRequest request;
    one_partition(request, key).leader_epoch = -1;
    co_return co_await ask<Summary>(
        key, [&](ShareHost& host) { return host.summarize(key); }, request,
        [](const auto& result) {
            return Summary{.outcome = told_by(result),
                           .state_epoch = result.state_epoch,
                           .leader_epoch = result.leader_epoch,
                           .start_offset = result.start_offset,
                           .delivery_complete_count = result.delivery_complete_count};
        });
}

Task<Outcome> SharePersister::remove(ShareKey key) {
    DeleteShareGroupStateRequest request;
    one_partition(request, key);
    co_return co_await ask<Outcome>(
        key, [&](ShareHost& host) { return host.remove(key); }, request,
        [](const auto& result) { return told_by(result); });
}

Task<Result<share::Offset>> SharePersister::end_of(std::string topic, TopicIdPartition id) {
    constexpr Timestamp latest = -1;
    metadata::ImagePtr image = ways_.metadata.image();
    const metadata::Partition* partition = image->topics.find(id.topic_id, id.partition);
    if (partition == nullptr) co_return fail(ErrorCode::unknown_topic_or_partition);
    if (partition->leader == node_.id) {
        auto there = [&](Partitions& partitions) -> Task<Partition::ListedOffset> {
            std::shared_ptr<Partition> found = partitions.find(id);
            if (!found) co_return Partition::ListedOffset{.error = partitions.absence_of(id)};
            co_return co_await found->list_offset({.timestamp = latest});
        };
        auto listed = co_await ways_.router.on(ways_.router.owner(id), there);
        if (listed.error != ErrorCode::none) co_return fail(listed.error);
        co_return listed.offset;
    }
    if (image->active_broker(partition->leader) == nullptr)
        co_return fail(ErrorCode::leader_not_available);
    ListOffsetsRequest request{.replica_id = -1};
    auto& asked = request.topics.emplace_back();
    asked.name = std::move(topic);
    asked.partitions.push_back({.partition_index = id.partition, .timestamp = latest});
    ASSIGN_OR_CO_RETURN(auto connection, co_await links_.connect(partition->leader));
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request));
    const auto& topics = reply.response.topics;
    if (topics.size() != 1 || topics.front().partitions.size() != 1)
        co_return fail(ErrorCode::unknown_server_error);
    const auto& told = topics.front().partitions.front();
    if (told.error_code != ErrorCode::none) co_return fail(told.error_code);
    co_return told.offset;
}

}  // namespace millrace::broker
