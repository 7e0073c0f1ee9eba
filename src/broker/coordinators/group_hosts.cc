#include "broker/coordinators/group_hosts.h"

#include "core/metadata/topic_names.h"
#include "metrics/declared.h"

namespace millrace::broker {

GroupHosts::GroupHosts(env::Shard& shard, groups::GroupOptions options, metrics::Registry& registry)
    : shard_(shard),
      options_(options),
      group_count_(registry.read_gauge(metrics::declared::group_metadata_manager_num_groups, {},
                                       [this] {
                                           double total = 0;
                                           for (const auto& [partition, host] : hosts_) {
                                               total += static_cast<double>(
                                                   host->coordinator().group_count());
                                           }
                                           return total;
                                       })),
      scope_(shard) {}

void GroupHosts::elected(const std::shared_ptr<Partition>& partition) {
    if (partition->identity().topic != metadata::consumer_offsets_topic) return;
    auto host = std::make_shared<GroupHost>(shard_, partition, options_);
    hosts_[partition->identity().index] = host;
    host->start();
}

void GroupHosts::resigned(const Partition& partition) {
    if (partition.identity().topic != metadata::consumer_offsets_topic) return;
    auto found = hosts_.find(partition.identity().index);
    if (found == hosts_.end()) return;
    std::shared_ptr<GroupHost> host = std::move(found->second);
    hosts_.erase(found);
    scope_.spawn([](std::shared_ptr<GroupHost> ending) -> Task<void> {
        co_await ending->stop();
    }(std::move(host)));
}

std::shared_ptr<GroupHost> GroupHosts::find(std::int32_t partition) const {
    auto found = hosts_.find(partition);
    return found == hosts_.end() ? nullptr : found->second;
}

Task<void> GroupHosts::forget_topics(const std::set<std::string>& topics) {
    std::map<std::int32_t, std::shared_ptr<GroupHost>> hosts = hosts_;
    for (auto& [partition, host] : hosts) co_await host->forget_topics(topics);
}

Task<void> GroupHosts::close() {
    for (auto& [partition, host] : std::exchange(hosts_, {})) co_await host->stop();
    co_await scope_.join();
}

}  // namespace millrace::broker
