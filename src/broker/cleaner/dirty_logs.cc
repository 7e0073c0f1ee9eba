#include "broker/cleaner/dirty_logs.h"

#include "env/disk.h"
#include "storage/log.h"

namespace millrace::broker {

std::vector<DirtyLog> dirty_logs(const Partitions& partitions, Timestamp now) {
    std::vector<DirtyLog> found;
    for (const auto& [id, partition] : partitions.all()) {
        if (!partition->config().compacts() || partition->has_failed()) continue;
        if (partition->future() != nullptr) continue;  // its copy would have to follow
        storage::Log& log = partition->log();
        found.push_back({.id = id,
                         .name = partition->identity().to_string(),
                         .directory = std::string(env::parent_of(log.path())),
                         .section = log.dirty_section(partition->last_stable_offset(), now),
                         .min_ratio = partition->config().min_cleanable_dirty_ratio()});
    }
    return found;
}

Task<Result<storage::CompactionReport>> compact(const Partitions& partitions,
                                                const TopicIdPartition& id,
                                                storage::CompactionTerms terms) {
    std::shared_ptr<Partition> partition = partitions.find(id);
    if (!partition || !partition->config().compacts() || partition->log().compacting() ||
        partition->future() != nullptr) {
        co_return storage::CompactionReport{};
    }
    terms.last_stable = partition->last_stable_offset();
    std::shared_ptr<storage::Log> log = partition->share_log();
    co_return co_await log->compact(std::move(terms));
}

}  // namespace millrace::broker
