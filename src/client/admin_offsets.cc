#include "client/admin_offsets.h"

#include <fmt/core.h>
#include <utility>

#include "client/admin_calls.h"
#include "protocol/delete_records.h"
#include "protocol/describe_producers.h"
#include "protocol/list_offsets.h"

namespace millrace::client {
namespace {

std::string about(const TopicPartition& partition) {
    return fmt::format("partition {}", to_string(partition));
}

// The answers of the leaders, each asked for its partitions: `one(leader, partitions)` is such a
// question. What it captures outlives this.
template <typename T, typename One>
Task<Outcomes<TopicPartition, T>> ask_leaders(Admin& admin, std::vector<TopicPartition> pending,
                                              One& one) {
    ByLeader found = co_await by_leader(admin.cluster(), std::move(pending));
    Outcomes<TopicPartition, T> outcomes;
    for (auto& [partition, error] : found.failed) {
        outcomes.emplace(partition, fail(std::move(error)));
    }
    std::vector<Task<Outcomes<TopicPartition, T>>> questions;
    for (auto& [leader, partitions] : found.leaders) {
        questions.push_back(one(leader, std::move(partitions)));
    }
    for (auto& answer : co_await gather(std::move(questions))) outcomes.merge(answer);
    co_return outcomes;
}

// Topics are tracked while a call is about them.
void untrack(Admin& admin, const std::vector<TopicPartition>& partitions) {
    for (const TopicPartition& partition : partitions) admin.cluster().untrack(partition.topic);
}

// The oldest version of ListOffsets that knows a special position.
std::int16_t first_version_with(std::int64_t timestamp) {
    switch (timestamp) {
        case offset_at::max_timestamp:
            return 7;
        case offset_at::earliest_local:
            return 8;
        case offset_at::latest_tiered:
            return 9;
        case offset_at::earliest_pending_upload:
            return 11;
        default:
            return 1;
    }
}

}  // namespace

Task<Outcomes<TopicPartition, ListedOffset>> list_offsets(
    Admin& admin, std::map<TopicPartition, std::int64_t> partitions, bool read_committed) {
    using Listed = Outcomes<TopicPartition, ListedOffset>;
    using Partitions = std::vector<TopicPartition>;
    Time deadline = admin.deadline();
    auto one = [&](std::int32_t leader, Partitions asked) -> Task<Listed> {
        auto connection = co_await admin.cluster().broker(leader);
        if (!connection) co_return all_failed<ListedOffset>(asked, connection.error());
        auto version = (*connection)->version_of(ApiKey::list_offsets);
        if (!version) co_return all_failed<ListedOffset>(asked, version.error());
        ListOffsetsRequest request;
        request.replica_id = -1;
        request.isolation_level = read_committed ? 1 : 0;
        constexpr std::int16_t first_with_timeout = 10;
        if (*version >= first_with_timeout) request.timeout_ms = ms_until(admin, deadline);
        Listed listed;
        for (const auto& [topic, indexes] : by_topic(asked)) {
            auto& in_request = request.topics.emplace_back();
            in_request.name = topic;
            for (std::int32_t index : indexes) {
                std::int64_t timestamp = partitions[{topic, index}];
                if (*version < first_version_with(timestamp)) {
                    listed.emplace(TopicPartition{topic, index},
                                   fail(ErrorCode::unsupported_version,
                                        fmt::format("{} is too old to look for this kind of "
                                                    "offset",
                                                    (*connection)->name())));
                    continue;
                }
                in_request.partitions.push_back({.partition_index = index, .timestamp = timestamp});
            }
            if (in_request.partitions.empty()) request.topics.pop_back();
        }
        if (request.topics.empty()) co_return listed;
        auto reply = co_await (*connection)->call(request);
        if (!reply) {
            listed.merge(all_failed<ListedOffset>(asked, reply.error()));
            co_return listed;
        }
        for (const auto& topic : reply->response.topics) {
            for (const auto& partition : topic.partitions) {
                TopicPartition id{topic.name, partition.partition_index};
                if (auto verdict = verdict_about(about(id), partition.error_code); !verdict) {
                    listed.insert_or_assign(id, fail(std::move(verdict).error()));
                } else {
                    listed.insert_or_assign(id, ListedOffset{partition.offset, partition.timestamp,
                                                             partition.leader_epoch});
                }
            }
        }
        co_return listed;
    };
    auto attempt = [&](Partitions pending) -> Task<Listed> {
        return ask_leaders<ListedOffset>(admin, std::move(pending), one);
    };
    Partitions all = keys_of(partitions);
    auto listed = co_await settle<ListedOffset>(admin, "listing offsets", all, deadline, attempt,
                                                attempts_for_new_topics);
    untrack(admin, all);
    co_return listed;
}

Task<Outcomes<TopicPartition, std::int64_t>> delete_records(
    Admin& admin, std::map<TopicPartition, std::int64_t> before) {
    using Deleted = Outcomes<TopicPartition, std::int64_t>;
    using Partitions = std::vector<TopicPartition>;
    Time deadline = admin.deadline();
    auto one = [&](std::int32_t leader, Partitions asked) -> Task<Deleted> {
        DeleteRecordsRequest request;
        request.timeout_ms = ms_until(admin, deadline);
        for (const auto& [topic, indexes] : by_topic(asked)) {
            auto& in_request = request.topics.emplace_back();
            in_request.name = topic;
            for (std::int32_t index : indexes) {
                in_request.partitions.push_back({index, before[{topic, index}]});
            }
        }
        auto reply = co_await call_over(admin.cluster().broker(leader), std::move(request));
        if (!reply) co_return all_failed<std::int64_t>(asked, reply.error());
        Deleted deleted;
        for (const auto& topic : reply->response.topics) {
            for (const auto& partition : topic.partitions) {
                TopicPartition id{topic.name, partition.partition_index};
                if (auto verdict = verdict_about(about(id), partition.error_code); !verdict) {
                    deleted.insert_or_assign(id, fail(std::move(verdict).error()));
                } else {
                    deleted.insert_or_assign(id, partition.low_watermark);
                }
            }
        }
        co_return deleted;
    };
    auto attempt = [&](Partitions pending) -> Task<Deleted> {
        return ask_leaders<std::int64_t>(admin, std::move(pending), one);
    };
    Partitions all = keys_of(before);
    auto deleted = co_await settle<std::int64_t>(admin, "deleting records", all, deadline, attempt,
                                                 attempts_for_new_topics);
    untrack(admin, all);
    co_return deleted;
}

Task<Outcomes<TopicPartition, std::vector<ActiveProducer>>> describe_producers(
    Admin& admin, std::vector<TopicPartition> partitions, std::optional<std::int32_t> broker) {
    using Producers = std::vector<ActiveProducer>;
    using Described = Outcomes<TopicPartition, Producers>;
    using Partitions = std::vector<TopicPartition>;
    auto one = [&](std::int32_t node, Partitions asked) -> Task<Described> {
        DescribeProducersRequest request;
        for (const auto& [topic, indexes] : by_topic(asked)) {
            request.topics.push_back({topic, indexes});
        }
        auto reply = co_await call_over(admin.cluster().broker(node), std::move(request));
        if (!reply) co_return all_failed<Producers>(asked, reply.error());
        Described described;
        for (const auto& topic : reply->response.topics) {
            for (const auto& partition : topic.partitions) {
                TopicPartition id{topic.name, partition.partition_index};
                auto verdict =
                    verdict_about(about(id), partition.error_code, partition.error_message);
                if (!verdict) {
                    described.insert_or_assign(id, fail(std::move(verdict).error()));
                    continue;
                }
                Producers producers;
                for (const auto& producer : partition.active_producers) {
                    producers.push_back({producer.producer_id, producer.producer_epoch,
                                         producer.last_sequence, producer.last_timestamp,
                                         producer.coordinator_epoch,
                                         producer.current_txn_start_offset});
                }
                described.insert_or_assign(id, std::move(producers));
            }
        }
        co_return described;
    };
    auto attempt = [&](Partitions pending) -> Task<Described> {
        if (broker) return one(*broker, std::move(pending));
        return ask_leaders<Producers>(admin, std::move(pending), one);
    };
    auto described = co_await settle<Producers>(admin, "describing producers", partitions,
                                                admin.deadline(), attempt, attempts_for_new_topics);
    untrack(admin, partitions);
    co_return described;
}

}  // namespace millrace::client
