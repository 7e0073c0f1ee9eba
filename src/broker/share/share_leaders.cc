#include "broker/share/share_leaders.h"

#include "broker/log.h"

namespace millrace::broker {

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
