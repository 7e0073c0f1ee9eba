#include "broker/coordinators/share_hosts.h"

#include "core/metadata/topic_names.h"

namespace millrace::broker {

ShareHosts::ShareHosts(env::Shard& shard, const config::BrokerConfig& config,
                       metrics::Registry& registry)
    : Hosts(shard, metadata::share_group_state_topic),
      config_(config),
      figures_(shard, registry, all()) {}

std::shared_ptr<ShareHost> ShareHosts::make(const std::shared_ptr<Partition>& partition) {
    auto host = std::make_shared<ShareHost>(shard_, partition, config_, figures_);
    host->set_image(image_);
    return host;
}

void ShareHosts::set_image(const metadata::ImagePtr& image) {
    image_ = image;
    for (const auto& [partition, host] : all()) host->set_image(image);
}

Task<void> ShareHosts::forget_topics(const std::set<Uuid>& topics) {
    std::map<std::int32_t, std::shared_ptr<ShareHost>> hosts = all();
    for (auto& [partition, host] : hosts) co_await host->forget_topics(topics);
}

}  // namespace millrace::broker
