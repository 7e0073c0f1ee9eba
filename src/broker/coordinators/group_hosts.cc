#include "broker/coordinators/group_hosts.h"

#include "core/metadata/topic_names.h"
#include "metrics/declared.h"

namespace millrace::broker {

GroupHosts::GroupHosts(env::Shard& shard, groups::GroupOptions options, metrics::Registry& registry)
    : Hosts(shard, metadata::consumer_offsets_topic),
      options_(options),
      group_count_(
          registry.read_gauge(metrics::declared::group_metadata_manager_num_groups, {}, [this] {
              double total = 0;
              for (const auto& [partition, host] : all()) {
                  total += static_cast<double>(host->coordinator().group_count());
              }
              return total;
          })) {}

std::shared_ptr<GroupHost> GroupHosts::make(const std::shared_ptr<Partition>& partition) {
    CHECK(verifier_ != nullptr);
    return std::make_shared<GroupHost>(shard_, partition, options_, *verifier_);
}

Task<void> GroupHosts::forget_topics(const std::set<std::string>& topics) {
    std::map<std::int32_t, std::shared_ptr<GroupHost>> hosts = all();
    for (auto& [partition, host] : hosts) co_await host->forget_topics(topics);
}

}  // namespace millrace::broker
