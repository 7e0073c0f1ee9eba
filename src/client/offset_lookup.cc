#include "client/offset_lookup.h"

#include <fmt/format.h>

#include "client/retry.h"
#include "protocol/list_offsets.h"
#include "protocol/offset_for_leader_epoch.h"

namespace millrace::client {
namespace {

Error unanswered(const TopicPartition& partition, const std::string& broker) {
    return {ErrorCode::network_exception,
            fmt::format("{} did not answer for {}", broker, to_string(partition))};
}

Error refused(const TopicPartition& partition, const std::string& broker, ErrorCode code) {
    return {code, fmt::format("{} does not tell offsets of {}: {} ({})", broker,
                              to_string(partition), meaning_of(code), name_of(code))};
}

// Groups by leader; partitions without one get their error at once.
template <typename Question, typename Answers>
std::map<std::int32_t, std::map<TopicPartition, Question>> by_leader(
    Cluster& cluster, const std::map<TopicPartition, Question>& wanted, Answers& answers) {
    std::map<std::int32_t, std::map<TopicPartition, Question>> nodes;
    for (const auto& [partition, question] : wanted) {
        const PartitionInfo* info =
            cluster.metadata()->partition(partition.topic, partition.partition);
        if (info != nullptr && info->leader_id >= 0) {
            nodes[info->leader_id].emplace(partition, question);
            continue;
        }
        cluster.track(partition.topic);
        cluster.request_refresh();
        answers.insert_or_assign(partition,
                                 fail(ErrorCode::leader_not_available,
                                      fmt::format("{} has no leader now", to_string(partition))));
    }
    return nodes;
}

template <typename Question, typename Answers>
void fail_all(const std::map<TopicPartition, Question>& wanted, const Error& error,
              Answers& answers) {
    for (const auto& [partition, question] : wanted)
        answers.insert_or_assign(partition, fail(error));
}

// Partitions of a request, which names each topic once; `wanted` is in order of topics.
template <typename Topic, typename Question, typename Fill>
std::vector<Topic> topics_of(const std::map<TopicPartition, Question>& wanted, Fill fill) {
    std::vector<Topic> topics;
    std::string_view last;
    for (const auto& [partition, question] : wanted) {
        if (topics.empty() || last != partition.topic) {
            topics.push_back({partition.topic, {}});
            last = partition.topic;
        }
        topics.back().partitions.push_back(fill(partition, question));
    }
    return topics;
}

Task<void> ask_offsets_of(Cluster& cluster, std::int32_t node, const OffsetsByTime& wanted,
                          IsolationLevel isolation, FoundOffsets& answers) {
    Cluster::Connected connection = co_await cluster.broker(node);
    if (!connection) co_return fail_all(wanted, connection.error(), answers);
    ListOffsetsRequest request;
    request.replica_id = -1;
    request.isolation_level = static_cast<std::int8_t>(isolation);
    request.timeout_ms =
        static_cast<std::int32_t>(cluster.options().pool.connection.request_timeout.ms());
    request.topics = topics_of<ListOffsetsRequest::ListOffsetsTopic>(
        wanted, [&](const TopicPartition& partition, Timestamp time) {
            ListOffsetsRequest::ListOffsetsPartition named;
            named.partition_index = partition.partition;
            named.timestamp = time;
            const PartitionInfo* info =
                cluster.metadata()->partition(partition.topic, partition.partition);
            if (info != nullptr) named.current_leader_epoch = info->leader_epoch;
            return named;
        });
    auto reply = co_await (*connection)->call(request);
    if (!reply) co_return fail_all(wanted, reply.error(), answers);
    const std::string& broker = (*connection)->name();
    for (const auto& [partition, time] : wanted)
        answers.insert_or_assign(partition, fail(unanswered(partition, broker)));
    for (const auto& topic : reply->response.topics) {
        for (const auto& told : topic.partitions) {
            auto at = answers.find({topic.name, told.partition_index});
            if (at == answers.end() || !wanted.contains(at->first)) continue;
            if (told.error_code == ErrorCode::none)
                at->second = OffsetAndTimestamp{told.offset, told.timestamp, told.leader_epoch};
            else
                at->second = fail(refused(at->first, broker, told.error_code));
        }
    }
}

Task<void> ask_epoch_ends_of(Cluster& cluster, std::int32_t node,
                             const std::map<TopicPartition, EpochQuestion>& wanted,
                             FoundEpochEnds& answers) {
    Cluster::Connected connection = co_await cluster.broker(node);
    if (!connection) co_return fail_all(wanted, connection.error(), answers);
    OffsetForLeaderEpochRequest request;
    request.replica_id = -1;
    request.topics = topics_of<OffsetForLeaderEpochRequest::OffsetForLeaderTopic>(
        wanted, [](const TopicPartition& partition, const EpochQuestion& question) {
            OffsetForLeaderEpochRequest::OffsetForLeaderPartition named;
            named.partition = partition.partition;
            named.current_leader_epoch = question.current_epoch;
            named.leader_epoch = question.epoch;
            return named;
        });
    auto reply = co_await (*connection)->call(request);
    if (!reply) co_return fail_all(wanted, reply.error(), answers);
    const std::string& broker = (*connection)->name();
    for (const auto& [partition, question] : wanted)
        answers.insert_or_assign(partition, fail(unanswered(partition, broker)));
    for (const auto& topic : reply->response.topics) {
        for (const auto& told : topic.partitions) {
            auto at = answers.find({topic.topic, told.partition});
            if (at == answers.end() || !wanted.contains(at->first)) continue;
            if (told.error_code == ErrorCode::none)
                at->second = EpochEnd{told.leader_epoch, told.end_offset};
            else
                at->second = fail(refused(at->first, broker, told.error_code));
        }
    }
}

// All leaders at once.
template <typename Question, typename Answers, typename Ask>
Task<void> ask_all(Cluster& cluster, const std::map<TopicPartition, Question>& wanted,
                   Answers& answers, Ask ask) {
    auto nodes = by_leader(cluster, wanted, answers);
    co_await with_scope([&nodes, &ask](Scope& scope) -> Task<void> {
        for (auto& [node, questions] : nodes) scope.spawn(ask(node, questions));
        co_await scope.join();
    });
    for (const auto& [partition, answer] : answers)
        if (!answer && asks_for_metadata(answer.error().code)) cluster.request_refresh();
}

}  // namespace

Task<FoundOffsets> ask_offsets(Cluster& cluster, OffsetsByTime wanted, IsolationLevel isolation) {
    FoundOffsets answers;
    co_await ask_all(cluster, wanted, answers,
                     [&](std::int32_t node, const OffsetsByTime& questions) {
                         return ask_offsets_of(cluster, node, questions, isolation, answers);
                     });
    co_return answers;
}

Task<FoundEpochEnds> ask_epoch_ends(Cluster& cluster,
                                    std::map<TopicPartition, EpochQuestion> wanted) {
    FoundEpochEnds answers;
    co_await ask_all(cluster, wanted, answers,
                     [&](std::int32_t node, const std::map<TopicPartition, EpochQuestion>& part) {
                         return ask_epoch_ends_of(cluster, node, part, answers);
                     });
    co_return answers;
}

Task<Result<std::map<TopicPartition, OffsetAndTimestamp>>> list_offsets(Cluster& cluster,
                                                                        OffsetsByTime wanted,
                                                                        IsolationLevel isolation,
                                                                        Time deadline) {
    for (const auto& [partition, time] : wanted)
        CO_RETURN_IF_ERROR(co_await cluster.topic(partition.topic, deadline));
    std::map<TopicPartition, OffsetAndTimestamp> found;
    // What is known already is not asked for again.
    auto attempt = [&]() -> Task<Result<>> {
        FoundOffsets answers = co_await ask_offsets(cluster, wanted, isolation);
        Result<> outcome;
        for (const auto& [partition, answer] : answers) {
            if (answer) {
                found.emplace(partition, *answer);
                wanted.erase(partition);
            } else if (outcome || !is_retriable(answer.error().code)) {
                outcome = fail(answer.error());
            }
        }
        co_return outcome;
    };
    CO_RETURN_IF_ERROR(co_await with_retries(cluster, "looking up offsets", deadline, attempt));
    co_return found;
}

}  // namespace millrace::client
