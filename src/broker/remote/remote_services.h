#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/condition.h"
#include "base/task.h"
#include "broker/remote/read_ahead.h"

namespace millrace {
namespace config {
class BrokerConfig;
}
namespace env {
class Shard;
}
namespace storage::remote {
class IndexCache;
class ObjectStore;
class RemoteReader;
}  // namespace storage::remote
}  // namespace millrace

namespace millrace::broker {

class RemoteMetadataLog;
class RemoteMetrics;
class RemoteQuotas;

// A bound on work under way that may change meanwhile.
class WorkSlots {
  public:
    // One unit of work, for as long as it lives.
    class Slot {
      public:
        explicit Slot(WorkSlots& slots) : slots_(&slots) { ++slots.used_; }
        Slot(Slot&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)) {}
        ~Slot() {
            if (slots_ == nullptr) return;
            --slots_->used_;
            slots_->freed_.notify_one();
        }

      private:
        WorkSlots* slots_;
    };
    Task<Slot> take(std::size_t most) {
        while (used_ >= most) {
            ++waiting_;
            struct Leave {
                std::size_t& waiting;
                ~Leave() { --waiting; }
            } leave{waiting_};
            co_await freed_.wait();
        }
        co_return Slot(*this);
    }
    std::size_t used() const { return used_; }
    std::size_t waiting() const { return waiting_; }

  private:
    std::size_t used_ = 0;
    std::size_t waiting_ = 0;
    Condition freed_;
};

// What the tiered partitions of one shard share.
struct RemoteServices {
    env::Shard& shard;
    std::int32_t node_id;
    const config::BrokerConfig& config;  // with the dynamic values of this moment
    storage::remote::ObjectStore& store;
    storage::remote::IndexCache& indexes;   // of the node, on shard 0
    storage::remote::RemoteReader& reader;  // the same
    RemoteMetadataLog& metadata;
    RemoteQuotas& quotas;
    RemoteMetrics& metrics;
    WorkSlots copies, removals, reads;
    ByteBudget read_ahead;

    // This shard's part of what the configuration allows the node, at least one.
    std::size_t share(std::int32_t of_node) const;
};

}  // namespace millrace::broker
