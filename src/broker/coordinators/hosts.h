#pragma once

#include <map>
#include <memory>
#include <string_view>

#include "base/scope.h"
#include "broker/partitions/partitions.h"

namespace millrace::broker {

// The hosts of one shard for one coordinator's topic: one for each of its partitions led here. A
// Host has start(), and stop() that ends it.
template <typename Host>
class Hosts : public LeadershipListener {
  public:
    void elected(const std::shared_ptr<Partition>& partition) final {
        if (partition->identity().topic != topic_) return;
        std::shared_ptr<Host> host = make(partition);
        hosts_[partition->identity().index] = host;
        host->start();
    }
    void resigned(const Partition& partition) final {
        if (partition.identity().topic != topic_) return;
        auto found = hosts_.find(partition.identity().index);
        if (found == hosts_.end()) return;
        std::shared_ptr<Host> host = std::move(found->second);
        hosts_.erase(found);
        scope_.spawn([](std::shared_ptr<Host> ending) -> Task<void> {
            co_await ending->stop();
        }(std::move(host)));
    }
    Task<void> close() {
        for (auto& [partition, host] : std::exchange(hosts_, {})) co_await host->stop();
        co_await scope_.join();
    }

    // Null when this shard does not lead the partition.
    std::shared_ptr<Host> find(std::int32_t partition) const {
        auto found = hosts_.find(partition);
        return found == hosts_.end() ? nullptr : found->second;
    }
    const std::map<std::int32_t, std::shared_ptr<Host>>& all() const { return hosts_; }

  protected:
    Hosts(env::Shard& shard, std::string_view topic)
        : shard_(shard), topic_(topic), scope_(shard) {}
    ~Hosts() = default;
    virtual std::shared_ptr<Host> make(const std::shared_ptr<Partition>& partition) = 0;

    env::Shard& shard_;

  private:
    std::string_view topic_;
    std::map<std::int32_t, std::shared_ptr<Host>> hosts_;
    Scope scope_;
};

}  // namespace millrace::broker
