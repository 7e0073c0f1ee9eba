#include "broker/share/share_leaders.h"

#include <map>

#include "broker/log.h"

namespace millrace::broker {

Task<void> ShareLeaders::leave(std::string group_id, FetchTicket ticket,
                               std::vector<TopicIdPartition> partitions) {
    std::map<int, std::vector<TopicIdPartition>> by_shard;
    for (const TopicIdPartition& id : partitions) by_shard[shard_of(id)].push_back(id);
    auto leave_on = [&](int shard, const std::vector<TopicIdPartition>& ids) -> Task<void> {
        co_await on(shard, [&](SharePartitions& shares, Partitions&) -> Task<void> {
            for (const TopicIdPartition& id : ids) {
                if (std::shared_ptr<LedShare> share = shares.find(group_id, id))
                    share->leave(ticket);
            }
            co_return;
        });
    };
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (const auto& [shard, ids] : by_shard) scope.spawn(leave_on(shard, ids));
        co_await scope.join();
    });
}

Task<void> ShareLeaders::release(std::string group_id, std::string member_id,
                                 std::vector<TopicIdPartition> partitions) {
    for (const TopicIdPartition& id : partitions) {
        co_await on(shard_of(id), [&](SharePartitions& shares, Partitions&) -> Task<void> {
            std::shared_ptr<LedShare> share = shares.find(group_id, id);
            if (!share) co_return;
            Result<> released = co_await share->release(member_id);
            if (!released) {
                LOG_DEBUG("member {} of share group {} still holds records: {}", member_id,
                          group_id, released.error().message);
            }
        });
    }
}

}  // namespace millrace::broker
