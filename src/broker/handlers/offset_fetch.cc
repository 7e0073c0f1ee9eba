// OffsetFetch (key 9): committed offsets of one group, or from version 8 of several; of the
// partitions named, or of all that have one (topics null). What was never committed is -1. From
// version 9 a member of the consumer protocol tells who it is, and its epoch has to be the latest.

#include "protocol/offset_fetch.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"

namespace millrace::broker {
namespace {

using AskedGroup = OffsetFetchRequest::OffsetFetchRequestGroup;
using AskedTopic = OffsetFetchRequest::OffsetFetchRequestTopics;
using ToldGroup = OffsetFetchResponse::OffsetFetchResponseGroup;
using ToldTopic = OffsetFetchResponse::OffsetFetchResponseTopics;
using ToldPartition = OffsetFetchResponse::OffsetFetchResponsePartitions;

ToldPartition told(std::int32_t partition, const groups::CommittedOffset* offset) {
    if (offset == nullptr) {
        return {.partition_index = partition, .committed_offset = -1, .metadata = ""};
    }
    return {.partition_index = partition,
            .committed_offset = offset->offset,
            .committed_leader_epoch = offset->leader_epoch,
            .metadata = offset->metadata};
}

// One group's part of the request, and how it is asked for.
struct Asked {
    const AskedGroup& group;
    const metadata::Image& image;
    bool by_id;
    bool require_stable;
};

// Whoever wants stable offsets waits while an open transaction is about to commit another.
ToldPartition told_of(const groups::GroupCoordinator& coordinator, const Asked& asked,
                      const std::string& topic, std::int32_t partition) {
    const std::string& group = asked.group.group_id;
    if (!asked.require_stable || !coordinator.is_unstable(group, topic, partition)) {
        return told(partition, coordinator.offset(group, topic, partition));
    }
    ToldPartition unstable = told(partition, nullptr);
    unstable.error_code = ErrorCode::unstable_offset_commit;
    return unstable;
}

void fetch_all(const groups::GroupCoordinator& coordinator, const Asked& asked, ToldGroup& group) {
    const auto* topics = coordinator.offsets(group.group_id);
    if (topics == nullptr) return;
    for (const auto& [name, partitions] : *topics) {
        const metadata::Topic* topic = asked.image.topics.find(std::string_view(name));
        if (asked.by_id && topic == nullptr) continue;
        ToldTopic& answered = group.topics.emplace_back();
        answered.name = name;
        if (topic != nullptr) answered.topic_id = topic->id;
        for (const auto& [partition, offset] : partitions) {
            answered.partitions.push_back(told_of(coordinator, asked, name, partition));
        }
    }
}

void fetch_named(const groups::GroupCoordinator& coordinator, const Asked& asked,
                 ToldGroup& group) {
    for (const AskedTopic& each : *asked.group.topics) {
        const metadata::Topic* topic =
            asked.by_id ? asked.image.topics.find(each.topic_id) : nullptr;
        ToldTopic& answered = group.topics.emplace_back();
        answered.name = topic == nullptr ? each.name : topic->name;
        answered.topic_id = each.topic_id;
        for (std::int32_t partition : each.partition_indexes) {
            if (asked.by_id && topic == nullptr) {
                ToldPartition unknown = told(partition, nullptr);
                unknown.error_code = ErrorCode::unknown_topic_id;
                answered.partitions.push_back(std::move(unknown));
            } else {
                answered.partitions.push_back(
                    told_of(coordinator, asked, answered.name, partition));
            }
        }
    }
}

Task<ToldGroup> fetch_group(const AskedGroup& asked, Groups& groups, metadata::ImagePtr image,
                            const OffsetFetchRequest& request, bool by_id) {
    co_return co_await groups.with(
        asked.group_id,
        [&](GroupHost& host) -> Task<ToldGroup> {
            ToldGroup group{.group_id = asked.group_id};
            group.error_code = co_await host.settled();
            if (group.error_code != ErrorCode::none) co_return group;
            Result<> member =
                host.coordinator().check_fetch(asked.group_id, asked.member_id, asked.member_epoch);
            if (!member) {
                group.error_code = member.error().code;
                co_return group;
            }
            Asked how{asked, *image, by_id, request.require_stable};
            if (asked.topics) {
                fetch_named(host.coordinator(), how, group);
            } else {
                fetch_all(host.coordinator(), how, group);
            }
            co_return group;
        },
        [&](ErrorCode error) {
            return ToldGroup{.group_id = asked.group_id, .error_code = error};
        });
}

// Versions up to 7 ask for one group at the top level.
AskedGroup single_group(const OffsetFetchRequest& request) {
    AskedGroup group{.group_id = request.group_id};
    if (!request.topics) {
        group.topics = std::nullopt;
        return group;
    }
    auto& topics = group.topics.emplace();
    for (const auto& topic : *request.topics) {
        auto& asked = topics.emplace_back();
        asked.name = topic.name;
        asked.partition_indexes = topic.partition_indexes;
    }
    return group;
}

OffsetFetchResponse single_response(ToldGroup group, const AskedGroup& asked,
                                    std::int16_t version) {
    OffsetFetchResponse response;
    if (version >= 2) response.error_code = group.error_code;
    if (version < 2 && group.error_code != ErrorCode::none && asked.topics) {
        // There is no code for the whole: each partition bears it.
        for (const AskedTopic& topic : *asked.topics) {
            ToldTopic& answered = group.topics.emplace_back();
            answered.name = topic.name;
            for (std::int32_t partition : topic.partition_indexes) {
                ToldPartition failed = told(partition, nullptr);
                failed.error_code = group.error_code;
                answered.partitions.push_back(std::move(failed));
            }
        }
    }
    for (ToldTopic& topic : group.topics) {
        auto& answered = response.topics.emplace_back();
        answered.name = std::move(topic.name);
        for (ToldPartition& each : topic.partitions) {
            answered.partitions.push_back({.partition_index = each.partition_index,
                                           .committed_offset = each.committed_offset,
                                           .committed_leader_epoch = each.committed_leader_epoch,
                                           .metadata = std::move(each.metadata),
                                           .error_code = each.error_code});
        }
    }
    return response;
}

Task<OffsetFetchResponse> answer(const OffsetFetchRequest& request, const Caller& caller,
                                 MetadataCache& cache, Groups& groups) {
    metadata::ImagePtr image = cache.image();
    if (caller.version() < 8) {
        AskedGroup asked = single_group(request);
        ToldGroup group = co_await fetch_group(asked, groups, image, request, false);
        co_return single_response(std::move(group), asked, caller.version());
    }
    OffsetFetchResponse response;
    for (const AskedGroup& asked : request.groups) {
        response.groups.push_back(
            co_await fetch_group(asked, groups, image, request, caller.version() >= 10));
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::offset_fetch = serve<answer>;

}  // namespace millrace::broker
