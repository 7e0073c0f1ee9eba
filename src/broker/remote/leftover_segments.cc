#include "broker/remote/leftover_segments.h"

#include <algorithm>

#include "broker/log.h"
#include "config/broker_config.h"
#include "config/topic_config.h"
#include "storage/remote/stored_segment.h"

namespace millrace::broker {

namespace remote = storage::remote;

namespace {

constexpr Duration retry_interval = Duration::seconds(1);

}  // namespace

bool LeftoverSegments::is_wanted(const remote::RemotePartition& partition) const {
    metadata::ImagePtr image = metadata_.image();
    const metadata::Topic* topic = image->topics.find(partition.topic_id);
    if (topic == nullptr) return false;
    return config::TopicConfig::effective(services_.config, image->topic_configs(topic->name))
        .remote_storage_enable();
}

// An image that this node is yet to get may know a topic that the records tell of already: what is
// unknown is looked at again later.
Task<void> LeftoverSegments::sweep(std::int32_t index) {
    co_await env::sleep_for(
        services_.shard,
        Duration::milliseconds(services_.config.remote_log_manager_task_interval_ms()));
    auto found = co_await find(index);
    while (!found) {
        LOG_DEBUG("{}", found.error().message);
        if (found.error().code == ErrorCode::not_leader_or_follower) co_return;
        co_await env::sleep_for(services_.shard, retry_interval);
        found = co_await find(index);
    }
    if (found->empty()) co_return;
    co_await env::sleep_for(
        services_.shard,
        Duration::milliseconds(services_.config.remote_log_manager_task_interval_ms()));
    for (auto& [id, left] : *found) {
        if (!is_wanted(left->partition)) co_await remove(*left);
    }
}

Task<Result<LeftoverSegments::Segments>> LeftoverSegments::find(std::int32_t index) {
    Segments found;
    auto take = [&](storage::Offset, const remote::RemoteLogMetadata& record) {
        remote::RemotePartition partition = partition_of(record);
        if (is_wanted(partition)) return;
        auto& left = found[{partition.topic_id, partition.partition}];
        if (!left) {
            left = std::make_shared<FollowedSegments>();
            left->partition = partition;
        }
        Result<> applied;
        if (const auto* metadata = std::get_if<remote::RemoteLogSegmentMetadata>(&record)) {
            applied = left->segments.apply(*metadata);
        } else if (const auto* update =
                       std::get_if<remote::RemoteLogSegmentMetadataUpdate>(&record)) {
            applied = left->segments.apply(*update);
        }
        if (!applied) LOG_DEBUG("{}", applied.error().message);
    };
    storage::Offset next = 0;
    for (;;) {
        ASSIGN_OR_CO_RETURN(RemoteMetadataLog::Batches read,
                            co_await services_.metadata.read(index, next, true));
        RemoteMetadataLog::for_each(read.bytes.bytes(), take);
        next = read.next;
        if (read.at_end) break;
        co_await env::sleep_for(services_.shard, Duration());  // others have their turn
    }
    std::erase_if(found, [](const auto& each) { return each.second->segments.empty(); });
    co_return found;
}

Task<void> LeftoverSegments::remove(FollowedSegments& left) {
    LOG_INFO("{}-{} is gone, and {} segments of it are removed from remote storage",
             left.partition.topic, left.partition.partition, left.segments.all().size());
    auto metrics = services_.metrics.topic(left.partition.topic);
    auto followed = services_.metadata.follow(left.partition);
    RemoteWork work{services_, *followed, *metrics};
    co_await followed->changed.until([&] { return followed->ready; });
    while (!followed->segments.empty()) {
        std::vector<remote::RemoteLogSegmentMetadata> segments;
        for (const auto& [id, metadata] : followed->segments.all()) segments.push_back(metadata);
        Result<> removed = co_await remove_from_remote(work, std::move(segments));
        if (removed) continue;
        LOG_WARN("what {}-{} left in remote storage cannot be removed now: {}",
                 left.partition.topic, left.partition.partition, removed.error().message);
        if (removed.error().code == ErrorCode::not_leader_or_follower) break;
        co_await env::sleep_for(services_.shard, retry_interval);
    }
    services_.metadata.unfollow(*followed);
}

}  // namespace millrace::broker
