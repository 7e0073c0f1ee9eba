#pragma once

#include "client/assignor.h"

namespace millrace::client {

// Members get as many partitions as the others, give or take one, and keep what they had as far as
// that allows (KIP-54, KIP-341). The previous owners are in the user data.
class StickyAssignor final : public Assignor {
  public:
    std::string_view name() const override { return "sticky"; }
    Assignment assign(const PartitionCounts& counts, const Subscriptions& members) const override;
    std::optional<Slice> user_data(std::span<const TopicPartition> had,
                                   std::int32_t generation) const override;
};

// The same for cooperative rebalances (KIP-429): a partition that changes its owner is nobody's in
// the first round, so that the old owner gives it up before the new one gets it in the next.
class CooperativeStickyAssignor final : public Assignor {
  public:
    std::string_view name() const override { return "cooperative-sticky"; }
    RebalanceProtocol protocol() const override { return RebalanceProtocol::cooperative; }
    Assignment assign(const PartitionCounts& counts, const Subscriptions& members) const override;
    std::optional<Slice> user_data(std::span<const TopicPartition> had,
                                   std::int32_t generation) const override;
};

}  // namespace millrace::client
