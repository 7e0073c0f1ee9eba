#pragma once

#include <set>
#include <string>

#include "broker/coordinators/group_host.h"
#include "broker/coordinators/hosts.h"

namespace millrace::broker {

// The group hosts of one shard.
class GroupHosts final : public Hosts<GroupHost> {
  public:
    GroupHosts(env::Shard& shard, GroupHostOptions options, metrics::Registry& registry);

    // Before the first partition is led.
    void verify_with(TransactionVerifier& verifier) { verifier_ = &verifier; }
    void persist_with(SharePersister& persister) { persister_ = &persister; }
    void set_image(const metadata::ImagePtr& image);
    // Offsets of topics that were deleted go, too.
    Task<void> forget_topics(const std::set<std::string>& topics, const std::set<Uuid>& ids);

  private:
    std::shared_ptr<GroupHost> make(const std::shared_ptr<Partition>& partition) override;

    GroupHostOptions options_;
    GroupFigures figures_;
    TransactionVerifier* verifier_ = nullptr;
    SharePersister* persister_ = nullptr;
    metadata::ImagePtr image_ = std::make_shared<const metadata::Image>();
};

}  // namespace millrace::broker
