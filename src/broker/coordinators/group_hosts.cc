#include "broker/coordinators/group_hosts.h"

#include "core/metadata/topic_names.h"

namespace millrace::broker {

GroupHosts::GroupHosts(env::Shard& shard, GroupHostOptions options, metrics::Registry& registry)
    : Hosts(shard, metadata::consumer_offsets_topic),
      options_(std::move(options)),
      figures_(shard, registry, all()) {}

std::shared_ptr<GroupHost> GroupHosts::make(const std::shared_ptr<Partition>& partition) {
    CHECK(verifier_ != nullptr && persister_ != nullptr);
    auto host =
        std::make_shared<GroupHost>(shard_, partition, options_, *verifier_, *persister_, figures_);
    host->set_image(image_);
    return host;
}

void GroupHosts::set_image(const metadata::ImagePtr& image) {
    image_ = image;
    for (const auto& [partition, host] : all()) host->set_image(image);
}

Task<void> GroupHosts::forget_topics(const std::set<std::string>& topics,
                                     const std::set<Uuid>& ids) {
    std::map<std::int32_t, std::shared_ptr<GroupHost>> hosts = all();
    for (auto& [partition, host] : hosts) co_await host->forget_topics(topics, ids);
}

}  // namespace millrace::broker
