#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/metadata/image.h"

namespace millrace::metadata {

// `before` is null when it is new, `after` when it is gone.
struct PartitionChange {
    std::int32_t index = 0;
    std::shared_ptr<const Partition> before;
    std::shared_ptr<const Partition> after;
};
struct TopicChange {
    TopicPtr before;
    TopicPtr after;
    std::vector<PartitionChange> partitions;  // all of a new or deleted topic's

    bool created() const { return before == nullptr; }
    bool deleted() const { return after == nullptr; }
    const Topic& topic() const { return after != nullptr ? *after : *before; }
};
struct BrokerChange {
    std::int32_t id = -1;
    std::shared_ptr<const Broker> before;
    std::shared_ptr<const Broker> after;
};

// What differs between two images, for those who act on it. Topics that were deleted come before
// the others, so that a name that was given away is free when its new topic comes.
struct Changes {
    std::vector<TopicChange> topics;
    std::vector<BrokerChange> brokers;
    std::vector<ConfigResource> configs;
    std::vector<QuotaEntity> quotas;
    std::vector<ScramUser> scram;
    std::vector<std::string> tokens;
    std::vector<Uuid> acls;
    bool features = false;
    bool controllers = false;
    bool producer_ids = false;

    bool empty() const;
};

// Costs what differs, not what is there: shared chunks are passed over.
Changes diff(const Image& before, const Image& after);

}  // namespace millrace::metadata
