#pragma once

#include "client/assignor.h"

namespace millrace::client {

// Of each topic every member gets a range of neighbouring partitions, so that topics with as many
// partitions go to the same members. Racks are not looked at.
class RangeAssignor final : public Assignor {
  public:
    std::string_view name() const override { return "range"; }
    Assignment assign(const PartitionCounts& counts, const Subscriptions& members) const override;
};

// All partitions of all topics are dealt out like cards.
class RoundRobinAssignor final : public Assignor {
  public:
    std::string_view name() const override { return "roundrobin"; }
    Assignment assign(const PartitionCounts& counts, const Subscriptions& members) const override;
};

}  // namespace millrace::client
