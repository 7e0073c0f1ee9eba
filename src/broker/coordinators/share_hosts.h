#pragma once

#include <memory>
#include <set>

#include "broker/coordinators/hosts.h"
#include "broker/coordinators/share_host.h"

namespace millrace::broker {

// The share hosts of one shard.
class ShareHosts final : public Hosts<ShareHost> {
  public:
    // `config` is read for as long as the hosts live.
    ShareHosts(env::Shard& shard, const config::BrokerConfig& config, metrics::Registry& registry);

    void set_image(const metadata::ImagePtr& image);
    // The state of topics that were deleted goes, too.
    Task<void> forget_topics(const std::set<Uuid>& topics);

  private:
    std::shared_ptr<ShareHost> make(const std::shared_ptr<Partition>& partition) override;

    const config::BrokerConfig& config_;
    ShareFigures figures_;
    metadata::ImagePtr image_ = std::make_shared<const metadata::Image>();
};

}  // namespace millrace::broker
