#include "client/admin_group_offsets.h"

#include <fmt/core.h>
#include <utility>

#include "client/admin_calls.h"
#include "protocol/offset_commit.h"
#include "protocol/offset_delete.h"
#include "protocol/offset_fetch.h"

namespace millrace::client {
namespace {

using Partitions = std::vector<TopicPartition>;
using Fetched = Outcomes<TopicPartition, CommittedOffset>;

// From version 10 on topics have ids instead of names.
constexpr CallOptions by_name{.max_version = 9};

std::string about(std::string_view group) { return fmt::format("offsets of group '{}'", group); }
std::string about(const TopicPartition& partition) {
    return fmt::format("partition {}", to_string(partition));
}

Task<Cluster::Connected> coordinator_of(Admin& admin, const std::string& group) {
    return admin.cluster().coordinator(CoordinatorType::group, group);
}

// The next attempt asks who coordinates the group now.
void heed(Admin& admin, const std::string& group, const Error& error) {
    if (!is_about_coordinator(error.code)) return;
    admin.cluster().forget_coordinator(CoordinatorType::group, group);
}

template <typename Topics>
void add_fetched(Fetched& fetched, const Topics& topics) {
    for (const auto& topic : topics) {
        for (const auto& partition : topic.partitions) {
            TopicPartition id{topic.name, partition.partition_index};
            auto verdict = verdict_about(about(id), partition.error_code);
            if (!verdict) {
                fetched.insert_or_assign(id, fail(std::move(verdict).error()));
            } else if (partition.committed_offset >= 0) {
                fetched.insert_or_assign(id, CommittedOffset{partition.committed_offset,
                                                             partition.committed_leader_epoch,
                                                             partition.metadata.value_or("")});
            }
        }
    }
}

OffsetFetchRequest fetch_request(const std::string& group,
                                 const std::optional<Partitions>& partitions, bool many_groups,
                                 bool require_stable) {
    OffsetFetchRequest request;
    request.require_stable = require_stable;
    if (many_groups) {
        auto& asked = request.groups.emplace_back();
        asked.group_id = group;
        if (!partitions) {
            asked.topics.reset();
        } else {
            for (auto& [topic, indexes] : by_topic(*partitions)) {
                auto& in_request = asked.topics->emplace_back();
                in_request.name = topic;
                in_request.partition_indexes = indexes;
            }
        }
        return request;
    }
    request.group_id = group;
    if (!partitions) {
        request.topics.reset();
    } else {
        for (auto& [topic, indexes] : by_topic(*partitions)) {
            request.topics->push_back({topic, indexes});
        }
    }
    return request;
}

Task<Result<Fetched>> fetch_once(Admin& admin, const std::string& group,
                                 const std::optional<Partitions>& partitions, bool require_stable) {
    ASSIGN_OR_CO_RETURN(auto connection, co_await coordinator_of(admin, group));
    ASSIGN_OR_CO_RETURN(std::int16_t version,
                        connection->version_of(ApiKey::offset_fetch, by_name.max_version));
    constexpr std::int16_t first_with_stable = 7;
    constexpr std::int16_t first_with_groups = 8;
    if (require_stable && version < first_with_stable) {
        co_return fail(ErrorCode::unsupported_version,
                       fmt::format("{} is too old to wait for stable offsets", connection->name()));
    }
    OffsetFetchRequest request =
        fetch_request(group, partitions, version >= first_with_groups, require_stable);
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request, by_name));
    Fetched fetched;
    if (version < first_with_groups) {
        CO_RETURN_IF_ERROR(verdict_about(about(group), reply.response.error_code));
        add_fetched(fetched, reply.response.topics);
        co_return fetched;
    }
    for (const auto& answered : reply.response.groups) {
        if (answered.group_id != group) continue;
        CO_RETURN_IF_ERROR(verdict_about(about(group), answered.error_code));
        add_fetched(fetched, answered.topics);
    }
    co_return fetched;
}

}  // namespace

Task<Result<Fetched>> list_group_offsets(Admin& admin, std::string group,
                                         std::optional<std::vector<TopicPartition>> partitions,
                                         bool require_stable) {
    auto attempt = [&]() -> Task<Result<Fetched>> {
        auto fetched = co_await fetch_once(admin, group, partitions, require_stable);
        if (!fetched) {
            heed(admin, group, fetched.error());
            co_return fetched;
        }
        // Offsets that an open transaction may still change are worth another attempt.
        for (const auto& [partition, outcome] : *fetched) {
            if (!outcome && outcome.error().code == ErrorCode::unstable_offset_commit) {
                co_return fail(outcome.error());
            }
        }
        co_return fetched;
    };
    co_return co_await with_retries(admin.cluster(), about(group), admin.deadline(), attempt);
}

Task<Outcomes<TopicPartition>> alter_group_offsets(
    Admin& admin, std::string group, std::map<TopicPartition, CommittedOffset> offsets) {
    auto attempt = [&](Partitions pending) -> Task<Outcomes<TopicPartition>> {
        OffsetCommitRequest request;
        request.group_id = group;
        for (const auto& [topic, indexes] : by_topic(pending)) {
            auto& in_request = request.topics.emplace_back();
            in_request.name = topic;
            for (std::int32_t index : indexes) {
                const CommittedOffset& offset = offsets[{topic, index}];
                in_request.partitions.push_back(
                    {index, offset.offset, offset.leader_epoch, offset.metadata});
            }
        }
        auto reply = co_await call_over(coordinator_of(admin, group), std::move(request), by_name);
        if (!reply) {
            heed(admin, group, reply.error());
            co_return all_failed<void>(pending, reply.error());
        }
        Outcomes<TopicPartition> altered;
        for (const auto& topic : reply->response.topics) {
            for (const auto& partition : topic.partitions) {
                TopicPartition id{topic.name, partition.partition_index};
                std::string what = fmt::format("{}, {}", about(group), about(id));
                auto verdict = verdict_about(what, partition.error_code);
                if (!verdict) heed(admin, group, verdict.error());
                altered.insert_or_assign(id, std::move(verdict));
            }
        }
        co_return altered;
    };
    co_return co_await settle<void>(admin, about(group), keys_of(offsets), admin.deadline(),
                                    attempt);
}

Task<Outcomes<TopicPartition>> delete_group_offsets(Admin& admin, std::string group,
                                                    std::vector<TopicPartition> partitions) {
    auto attempt = [&](Partitions pending) -> Task<Outcomes<TopicPartition>> {
        OffsetDeleteRequest request;
        request.group_id = group;
        for (const auto& [topic, indexes] : by_topic(pending)) {
            auto& in_request = request.topics.emplace_back();
            in_request.name = topic;
            for (std::int32_t index : indexes) in_request.partitions.push_back({index});
        }
        auto reply = co_await call_over(coordinator_of(admin, group), std::move(request));
        Error failed;
        if (!reply) {
            failed = reply.error();
        } else if (auto whole = verdict_about(about(group), reply->response.error_code); !whole) {
            failed = std::move(whole).error();
        } else {
            Outcomes<TopicPartition> deleted;
            for (const auto& topic : reply->response.topics) {
                for (const auto& partition : topic.partitions) {
                    TopicPartition id{topic.name, partition.partition_index};
                    std::string what = fmt::format("{}, {}", about(group), about(id));
                    deleted.insert_or_assign(id, verdict_about(what, partition.error_code));
                }
            }
            co_return deleted;
        }
        heed(admin, group, failed);
        co_return all_failed<void>(pending, failed);
    };
    co_return co_await settle<void>(admin, about(group), std::move(partitions), admin.deadline(),
                                    attempt);
}

}  // namespace millrace::client
